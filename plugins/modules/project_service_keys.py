#!/usr/bin/python
# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action plugin of this name; nothing here runs on a host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: project_service_keys
short_description: Keep the service keys of a psw project
description:
  - Gives each consumer of Open WebUI its key with M(psw.ai.openwebui_service_key), and stores new ones in the project's secrets as soon as they exist.
  - Open WebUI holds one key per user, so a new key kills the old one before it can be stored.
    Killed at any point, it leaves at most a key that nobody holds; the next run replaces it. Two runs on one project take turns.
  - With O(state=present) and without O(only), users and stored keys of consumers that are gone are removed.
  - Each consumer is on its own. Fails, after everything is stored, when something went wrong with one of them, and when the running Open WebUI does not open
    the API to a new key, or does not answer an old one with 401.
  - No key is part of its result.
version_added: 0.1.0
author: the psw authors (@psw-ai)
extends_documentation_fragment: [psw.ai.attributes]
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
    details: Shows the state of users and keys, never a key.
  idempotent:
    support: partial
    details: V(rotated) makes a new key each time.
options:
  project:
    description: The project directory. Defaults to the variable C(psw_project_dir), which the inventory P(psw.ai.project#inventory) sets.
    type: path
  consumers:
    description:
      - All consumers of the project, each with C(consumer), C(secret) and, if they differ from the module's defaults, C(email) and C(role).
      - The key of a consumer is stored as its C(secret) under its name.
    type: list
    elements: dict
    required: true
  state:
    description: What M(psw.ai.openwebui_service_key) shall do.
    type: str
    choices: [present, rotated, absent, validated]
    default: present
  only:
    description: Names of consumers; the others stay as they are.
    type: list
    elements: str
"""

EXAMPLES = r"""
- name: Keep the keys of all consumers
  psw.ai.project_service_keys:
    consumers: "{{ psw_consumers }}"

- name: Give one consumer another key
  psw.ai.project_service_keys:
    consumers: "{{ psw_consumers }}"
    state: rotated
    only: [homeassistant]
"""

RETURN = r"""
consumers:
  description: What became of each consumer, as M(psw.ai.openwebui_service_key) says it, without keys.
  returned: as soon as Open WebUI answered, also on failure
  type: list
  elements: dict
wrong:
  description: What is wrong with which consumer, in sentences; the keys of the others are stored all the same.
  returned: as soon as Open WebUI answered, also on failure
  type: list
  elements: str
"""
