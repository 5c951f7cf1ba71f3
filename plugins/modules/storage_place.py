#!/usr/bin/python
# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: storage_place
short_description: Keep a place for large files on a local storage of Proxmox VE that is no ZFS pool
version_added: 0.1.0
author: The psw authors (@psw-ai)
description:
  - For nodes without ZFS. Finds out from Proxmox VE what kind of storage O(storage) is, and how a container gets at it.
  - On a directory or Btrfs storage it keeps a directory to bind-mount, owned by the container's root.
  - On LVM and LVM-thin there is nothing to keep before there is a container, so RV(mount) only says what M(psw.ai.lxc_container) has to mount.
  - Storage that is reached over a network is refused, also where a directory only looks local. So is a ZFS pool, whose place is M(psw.ai.zfs_dataset).
  - Runs on the node, as root. What is lost without ZFS is in RV(loses), and shown as a warning.
extends_documentation_fragment:
  - psw.ai.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  storage:
    description: Name of the storage.
    type: str
    required: true
  name:
    description: Name of the directory in the storage's own.
    type: str
    required: true
  size:
    description: How much room there has to be, such as V(100G). It is the size of a volume, and no limit for a directory.
    type: str
    required: true
  hostname:
    description: Name of the container it is for. Where that has its volume, the storage needs no more room.
    type: str
    required: true
  node:
    description: Name of the node in its cluster. By default the name of the host the module runs on.
    type: str
  uid:
    description: Owner of the directory. The default is root of an unprivileged container.
    type: int
    default: 100000
  gid:
    description: Group of the directory.
    type: int
    default: 100000
"""

EXAMPLES = r"""
- name: Keep models on the node's LVM-thin storage, for want of ZFS
  psw.ai.storage_place:
    storage: local-lvm
    name: psw-models
    size: 100G
    hostname: psw-ai
  register: place

- name: Keep the container
  psw.ai.lxc_container:
    hostname: psw-ai
    mounts:
      - "{{ place.mount | combine({'target': '/srv/models'}) }}"
"""

RETURN = r"""
form:
  description: V(directory) or V(volume).
  returned: success
  type: str
mount:
  description: What to mount, as an entry of the option C(mounts) of M(psw.ai.lxc_container) without its target.
  returned: success
  type: dict
  sample: {source: /mnt/fast/psw-models}
loses:
  description: What a dataset on ZFS would have and this place has not, or what it has instead.
  returned: success
  type: list
  elements: str
diff:
  description: The owner of the directory before and after.
  returned: when it changed
  type: dict
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.psw.ai.plugins.module_utils._errors import PswModuleError
from ansible_collections.psw.ai.plugins.module_utils._pve import Pve
from ansible_collections.psw.ai.plugins.module_utils._storage_place import Place


def main():
    """Read the options, do the work, report."""
    module = AnsibleModule(
        argument_spec={
            "storage": {"type": "str", "required": True},
            "name": {"type": "str", "required": True},
            "size": {"type": "str", "required": True},
            "hostname": {"type": "str", "required": True},
            "node": {"type": "str"},
            "uid": {"type": "int", "default": 100000},
            "gid": {"type": "int", "default": 100000},
        },
        supports_check_mode=True,
    )
    try:
        result = Place(Pve(module, module.params["node"]), module.params, check_mode=module.check_mode).present()
    except PswModuleError as exc:
        module.fail_json(**exc.result())
    module.warn("%s is on storage %s and not on ZFS: %s" % (module.params["name"], module.params["storage"], "; ".join(result["loses"])))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
