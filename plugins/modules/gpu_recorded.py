#!/usr/bin/python
# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: gpu_recorded
short_description: Refuse a node whose cards or driver are not those that were recorded
version_added: 0.1.0
description:
  - Looks whether every recorded card is at its PCI address, and, for NVIDIA, whether the recorded version of the driver is loaded.
  - What it refuses no converge would put right, because targets get what the record says (C(card_gone), C(module_not_loaded), C(module_version)).
  - Reads a few files of the kernel and asks no program, so it can go before everything else. M(psw.ai.gpu_health) looks at all the rest.
  - The running kernel is not held against the record, as it may change with every update.
author: the psw authors (@psw-ai)
extends_documentation_fragment: [psw.ai.attributes]
attributes:
  check_mode:
    support: full
    details: What a real run refuses is refused as well.
  diff_mode:
    support: N/A
    details: Nothing is ever changed.
  idempotent:
    support: full
options:
  record:
    description: The node's record, C(nodes/<node>/gpu.yml).
    type: dict
    required: true
  node:
    description: Name of the node that the record is of, for messages.
    type: str
    required: true
  root:
    description: Every file that is read lies under this directory.
    type: path
    default: /
"""

EXAMPLES = r"""
- name: Refuse a node that is not as recorded
  psw.ai.gpu_recorded:
    record: "{{ psw_gpu }}"
    node: "{{ inventory_hostname }}"
"""

RETURN = r"""
refusal:
  description: What is not as recorded, and what to do.
  returned: when refused
  type: dict
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.psw.ai.plugins.module_utils._errors import ModuleRefusal
from ansible_collections.psw.ai.plugins.module_utils._gpu_recorded import refuse


def main():
    module = AnsibleModule(
        argument_spec={
            "record": {"type": "dict", "required": True},
            "node": {"type": "str", "required": True},
            "root": {"type": "path", "default": "/"},
        },
        supports_check_mode=True,
    )
    try:
        refuse(**module.params)
    except ModuleRefusal as exc:
        module.fail_json(**exc.result())
    module.exit_json(changed=False)


if __name__ == "__main__":
    main()
