#!/usr/bin/python
# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: gpu_health
short_description: Compare a GPU with what is recorded of it
version_added: 0.1.0
description:
  - Holds a node, or a target that uses the node's GPU, against the node's record, C(nodes/<node>/gpu.yml).
  - Names the layer that is wrong and the command that heals it. What follows from a finding is left out.
  - Never changes anything.
author: the psw authors (@psw-ai)
extends_documentation_fragment: [psw.ai.attributes]
attributes:
  check_mode:
    support: full
  diff_mode:
    support: N/A
    details: Nothing is ever changed.
  idempotent:
    support: full
options:
  record:
    description: The node's record. When empty, nothing can be compared.
    type: dict
    default: {}
  node:
    description: Name of the node that the record is of, for messages.
    type: str
    required: true
  place:
    description: Whether this machine is the V(node), or a V(target) that has the node's GPU passed through.
    type: str
    choices: [node, target]
    default: node
  addresses:
    description: PCI addresses of the cards that a target has, by default all that are recorded. Devices of other cards are not looked for there.
    type: list
    elements: str
  needed:
    description: Whether a target is planned to use the node's GPU, so that a missing record is a finding.
    type: bool
    default: false
  root:
    description: Every file that is read lies under this directory. Another one than V(/) stands in for a machine, and no program is asked about it.
    type: path
    default: /
"""

EXAMPLES = r"""
- name: Look whether the node's GPU is as recorded
  psw.ai.gpu_health:
    record: "{{ psw_gpu }}"
    node: "{{ inventory_hostname }}"
  register: health

- name: Stop when it is not
  ansible.builtin.assert:
    that: health.findings | length == 0
    fail_msg: "{{ health.findings | map(attribute='message') | join('; ') }}"
"""

RETURN = r"""
findings:
  description: What is wrong, the deepest layer first. Empty when all is as recorded.
  returned: success
  type: list
  elements: dict
  contains:
    id:
      description: What is wrong, for programs; it stays the same over versions. See U(https://github.com/psw-ai/psw/tree/main/docs/doctor.md).
      type: str
      sample: device_missing
    layer:
      description: The layer that is wrong.
      type: str
      sample: device node
    message:
      description: What is wrong, for people.
      type: str
    heal:
      description: The command that heals it.
      type: str
      sample: systemctl restart psw-nvidia
    there:
      description: Whether that command belongs on this machine; otherwise it runs where psw does.
      type: bool
    inherited:
      description: Whether a target suffers this from its node, which names the cause when it is asked too.
      type: bool
    later:
      description: Whether it breaks nothing yet, so that something which is wrong now has another cause.
      type: bool
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.psw.ai.plugins.module_utils._errors import PswModuleError
from ansible_collections.psw.ai.plugins.module_utils._finding import finding
from ansible_collections.psw.ai.plugins.module_utils._gpu_health import node_findings, target_findings
from ansible_collections.psw.ai.plugins.module_utils._gpu_health_facts import node_facts, target_facts


def look(params):
    """Return what is wrong with this machine."""
    record, node = params["record"], params["node"]
    if not record:
        missing = finding("not_recorded", f"a target uses the GPU of {node}, and no GPU is recorded for it", f"psw node setup-gpu {node}")
        return [missing] if params["needed"] else []
    if params["place"] == "node":
        return node_findings(record, node_facts(record, params["root"]), node)
    return target_findings(record, target_facts(record, params["root"], params["addresses"]), node)


def main():
    module = AnsibleModule(
        argument_spec={
            "record": {"type": "dict", "default": {}},
            "node": {"type": "str", "required": True},
            "place": {"type": "str", "choices": ["node", "target"], "default": "node"},
            "addresses": {"type": "list", "elements": "str"},
            "needed": {"type": "bool", "default": False},
            "root": {"type": "path", "default": "/"},
        },
        supports_check_mode=True,
    )
    try:
        findings = look(module.params)
    except PswModuleError as exc:
        module.fail_json(msg=str(exc))
    module.exit_json(changed=False, findings=findings)


if __name__ == "__main__":
    main()
