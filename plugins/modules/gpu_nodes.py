#!/usr/bin/python
# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: gpu_nodes
short_description: Prove that the device nodes of a GPU can be used
version_added: 0.1.0
description:
  - Opens each device node, on a node as well as in a container, and fails with the layer that is wrong.
  - Made for AMD and Intel, whose drivers are the kernel's own; what it opens is what the engine opens.
author: the psw authors (@psw-ai)
extends_documentation_fragment: [psw.ai.attributes]
attributes:
  check_mode:
    support: full
    details: What is wrong is only told (RV(problem)), because a step before may be the one that would heal it.
  diff_mode:
    support: N/A
    details: Nothing is ever changed.
  idempotent:
    support: full
options:
  devices:
    description: Paths of the device nodes.
    type: list
    elements: str
    required: true
  group:
    description: The group that all of them must belong to, by name.
    type: str
  compute:
    description: Addresses of AMD cards that the kernel's compute driver must list. Only of use on a node.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Prove that the card can compute
  psw.ai.gpu_nodes:
    devices: [/dev/kfd, /dev/dri/renderD128]
    compute: ["0000:03:00.0"]
"""

RETURN = r"""
nodes:
  description: Each device node with its group's number and its permissions.
  returned: success
  type: list
  elements: dict
  sample: [{path: /dev/kfd, gid: 993, mode: "0660"}]
groups:
  description: The numbers of the groups C(video) and C(render), where they exist.
  returned: success
  type: dict
  sample: {video: 44, render: 993}
gfx:
  description: The gfx target of each card in O(compute).
  returned: success
  type: dict
  sample: {"0000:03:00.0": gfx1100}
problem:
  description: In check mode, what a real run would fail with.
  returned: in check mode, when something is wrong
  type: str
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.psw.ai.plugins.module_utils import _gpu_nodes as gpu_nodes
from ansible_collections.psw.ai.plugins.module_utils._errors import PswModuleError


def prove(params):
    """Return what the nodes are, or raise for the first that is wrong."""
    nodes = [gpu_nodes.look(path) for path in params["devices"]]
    groups = gpu_nodes.group_numbers()
    if params["group"]:
        gpu_nodes.refuse_strangers(nodes, params["group"], groups)
    return {"nodes": nodes, "groups": groups, "gfx": gpu_nodes.compute(params["compute"])}


def main():
    module = AnsibleModule(
        argument_spec={
            "devices": {"type": "list", "elements": "str", "required": True},
            "group": {"type": "str"},
            "compute": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
    )
    try:
        result = prove(module.params)
    except PswModuleError as exc:
        if not module.check_mode:
            module.fail_json(msg=str(exc))
        result = {"problem": str(exc)}
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
