#!/usr/bin/python
# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: node_facts
short_description: Tell what room a Proxmox VE node has, and which ZFS pools
version_added: 0.1.0
author: The psw authors (@psw-ai)
description:
  - Returns memory and cores of a node as Proxmox VE counts them, and its ZFS pools with the judgement by which M(psw.ai.zfs_dataset) chooses one.
  - Changes nothing. A node without ZFS has no pools.
extends_documentation_fragment:
  - psw.ai.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: N/A
  idempotent:
    support: full
options:
  node:
    description: Name of the node in its cluster. By default the name of the host the module runs on.
    type: str
"""

EXAMPLES = r"""
- name: See what the node has
  psw.ai.node_facts:
  register: found
"""

RETURN = r"""
host:
  description: What the node has.
  returned: success
  type: dict
  contains:
    memory_mib:
      description: Its memory.
      type: int
    cores:
      description: Its CPU cores, as threads.
      type: int
    pools:
      description: Its ZFS pools, those that models may go to by themselves first and in the order of choice.
      type: list
      elements: dict
      contains:
        name:
          description: Name of the pool.
          type: str
        suitable:
          description: Whether it may be chosen by itself, given room.
          type: bool
        reason:
          description: V(ok), or what is against it.
          type: str
        link:
          description: How its slowest disk is connected, in GT/s times lanes; null for a pool that is not suitable.
          type: float
        free_gib:
          description: Free space.
          type: int
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.psw.ai.plugins.module_utils._errors import PswModuleError
from ansible_collections.psw.ai.plugins.module_utils._pve import Pve
from ansible_collections.psw.ai.plugins.module_utils._zfs import Zfs
from ansible_collections.psw.ai.plugins.module_utils._zpool import facts


def main():
    """Look, and tell."""
    module = AnsibleModule(argument_spec={"node": {"type": "str"}}, supports_check_mode=True)
    try:
        status = Pve(module, module.params["node"]).get("/nodes/{node}/status")
        host = {"memory_mib": status["memory"]["total"] >> 20, "cores": status["cpuinfo"]["cpus"], "pools": []}
    except PswModuleError as exc:
        module.fail_json(**exc.result())
    zfs = Zfs(module)
    try:
        if module.get_bin_path("zfs"):
            host["pools"] = facts(zfs.pools(zfs.filesystems()))
    except PswModuleError as exc:
        module.warn("no ZFS pools could be looked at: %s" % exc)
    module.exit_json(changed=False, host=host)


if __name__ == "__main__":
    main()
