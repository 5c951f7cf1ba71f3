#!/usr/bin/python
# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action plugin of this name; nothing here runs on a host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: preflight
short_description: Refuse early what cannot be done
description:
  - Computes the plan of a psw project and checks everything that can be known before a node is touched.
  - A precondition that fails is a refusal. Nothing was changed then, and RV(refusal) says what to do.
  - Writes C(deployment-plan.yml) when it is missing or no longer fits C(psw.yml) and the records.
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
"""

EXAMPLES = r"""
- name: Check the plan against what was recorded
  psw.ai.preflight:
"""

RETURN = r"""
plan:
  description: The plan, in the shape of C(deployment-plan.yml).
  returned: success
  type: dict
refusal:
  description: Why nothing is done.
  returned: failure, when a precondition does not hold
  type: dict
  contains:
    code:
      description: A stable name, such as V(node_not_set_up) or V(vendor_mismatch).
      type: str
    message:
      description: What is wrong, and where.
      type: str
    hint:
      description: What to do about it.
      type: str
"""
