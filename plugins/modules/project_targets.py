#!/usr/bin/python
# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action plugin of this name; nothing here runs on a host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: project_targets
short_description: Keep what psw learned about a target
description:
  - Keeps a target's number, address and groups in C(.psw/targets.yml), its host keys in C(.psw/known_hosts) and the certificate of the
    house's own CA in C(.psw/ca.crt) of the project. All of it can be learned again.
  - The inventory P(psw.ai.project#inventory) reads it, so that the next run knows the targets from the start.
  - Runs on the controller, for several targets at once if need be.
version_added: 0.1.0
author: the psw authors (@psw-ai)
extends_documentation_fragment: [psw.ai.attributes]
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: full
options:
  project:
    description: The project directory. Defaults to the variable C(psw_project_dir), which the inventory P(psw.ai.project#inventory) sets.
    type: path
  name:
    description: Name of the target. Defaults to the host the task runs for.
    type: str
  vmid:
    description: Its number on the node.
    type: int
  address:
    description: Its address.
    type: str
  groups:
    description: Numbers that its groups for GPUs have, by their names; kept beside a number or an address.
    type: dict
  host_keys:
    description:
      - Its SSH host keys, C(type base64), as they stand in its C(/etc/ssh/ssh_host_*_key.pub).
      - Read them through the node, then nobody in between can put in theirs. They replace all others of this target.
    type: list
    elements: str
  ca_certificate:
    description: The certificate of the house's own CA, in PEM.
    type: str
  state:
    description: V(absent) forgets the target and its host keys.
    type: str
    choices: [present, absent]
    default: present
"""

EXAMPLES = r"""
- name: Keep where the target is
  psw.ai.project_targets:
    vmid: 101
    address: 192.0.2.31
    host_keys: "{{ keys.stdout_lines }}"
"""

RETURN = r"""
# only what every task returns
"""
