#!/usr/bin/python
# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action plugin of this name; nothing here runs on a host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: project_record
short_description: Write the record of a node
description:
  - Checks what was found on a node against the schema of records, and writes it to C(nodes/<node>/gpu.yml).
  - A record in which only the time is new counts as unchanged and is not written.
  - Runs on the controller.
version_added: 0.1.0
author: the psw authors (@psw-ai)
extends_documentation_fragment: [psw.ai.attributes]
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  project:
    description: The project directory. Defaults to the variable C(psw_project_dir), which the inventory P(psw.ai.project#inventory) sets.
    type: path
  node:
    description: Name of the node. Defaults to the host the task runs for.
    type: str
  record:
    description: The record, all of it.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Write down what was found and installed
  psw.ai.project_record:
    record:
      schema: 1
      node: "{{ inventory_hostname }}"
      recorded_at: "{{ now(utc=true, fmt='%Y-%m-%dT%H:%M:%SZ') }}"
      kernel: 6.17.2-1-pve
      secure_boot: disabled
      vendor: nvidia
      gpus: "{{ found.gpus }}"
      nvidia: {branch: "580", driver_version: 580.159.04, devices: [/dev/nvidia0, /dev/nvidiactl]}
"""

RETURN = r"""
# only what every task returns
"""
