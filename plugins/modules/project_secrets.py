#!/usr/bin/python
# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action plugin of this name; nothing here runs on a host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: project_secrets
short_description: Make and store the secrets of a psw project
description:
  - With O(apps), makes every secret that the catalogue lists for these apps and that is not there yet. What is there never changes.
  - With O(app), stores or removes one secret, such as a key that was minted on a target.
  - The file C(secrets/apps.yml) is only ever encrypted on disk. Values reach sops by stdin.
  - Runs on the controller.
version_added: 0.1.0
author: the psw authors (@psw-ai)
extends_documentation_fragment: [psw.ai.attributes]
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
    details: A difference would show secrets.
  idempotent:
    support: full
options:
  project:
    description: The project directory. Defaults to the variable C(psw_project_dir), which the inventory P(psw.ai.project#inventory) sets.
    type: path
  apps:
    description: Make what these apps need. Cannot be used with O(app).
    type: list
    elements: str
  app:
    description: The app or consumer whose secret is meant.
    type: str
  name:
    description: Name of the secret. Required with O(app).
    type: str
  value:
    description: The secret. Required with O(app), unless O(state=absent).
    type: str
  state:
    description: Whether the secret is to be there.
    type: str
    choices: [present, absent]
    default: present
"""

EXAMPLES = r"""
- name: Make the secrets that the planned apps need
  psw.ai.project_secrets:
    apps: [postgres, openwebui]

- name: Store the key that was minted
  psw.ai.project_secrets:
    app: probe
    name: probe_openwebui_service_key
    value: "{{ minted.key }}"
  no_log: true
"""

RETURN = r"""
made:
  description: Which secrets were made, as C(app.name), never their values.
  returned: with O(apps)
  type: list
  elements: str
"""
