#!/usr/bin/python
# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: zfs_dataset
short_description: Keep a ZFS dataset on the fastest local pool
version_added: 0.1.0
author: The psw authors (@psw-ai)
description:
  - Creates a dataset right below a pool and keeps its properties, its quota, its mount and the owner of its directory.
  - With O(pool=auto) the pool is chosen by facts. Every disk that holds its data has to be NVMe on this machine's PCIe, the pool
    has to be online and to have room for O(quota). The fastest link wins; between equals not C(rpool), then the one with more room,
    then the first by name. When no pool fits, the module refuses, and says what it saw, storages of Proxmox VE that are no pools included.
  - A dataset that is there already stays on its pool. Nothing is ever moved or destroyed.
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
  name:
    description: Name of the dataset below its pool.
    type: str
    required: true
  pool:
    description:
      - Name of the pool, or V(auto).
      - A pool named here may lie on slower disks or be degraded. Network storage is refused all the same.
    type: str
    default: auto
  mountpoint:
    description: Where it is mounted.
    type: path
    required: true
  quota:
    description: How much it may hold at most, with everything below it. It is not set lower than what is used.
    type: str
    required: true
  properties:
    description: Properties it has to have, as ZFS writes them. V(on) and V(off) need quotes in YAML.
    type: dict
    default: {}
  weekly_snapshots:
    description:
      - How many weekly snapshots to keep, by a timer C(<name>-snapshots.timer) on the host that takes one and removes its oldest.
      - V(0) takes none, and removes the timer with the snapshots that it took. Snapshots that others made are never touched.
      - A snapshot holds on to everything that was deleted since, and counts against O(quota).
    type: int
    default: 0
  uid:
    description: Owner of the mounted directory. The default is root of an unprivileged container.
    type: int
    default: 100000
  gid:
    description: Group of the mounted directory.
    type: int
    default: 100000
"""

EXAMPLES = r"""
- name: Keep a dataset for models
  psw.ai.zfs_dataset:
    name: psw-models
    mountpoint: /var/lib/psw/models
    quota: 100G
    properties:
      recordsize: 1M
      compression: "off"
"""

RETURN = r"""
pool:
  description: The pool it is on.
  returned: success
  type: str
  sample: tank
dataset:
  description: Its full name.
  returned: success
  type: str
  sample: tank/psw-models
mountpoint:
  description: Where it is mounted.
  returned: success
  type: str
created:
  description: Whether it was created.
  returned: success
  type: bool
notes:
  description: What was left as it is, and why. Each is shown as a warning too.
  returned: success
  type: list
  elements: str
diff:
  description: Its properties before and after; a list where the snapshots changed too.
  returned: success
  type: raw
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.psw.ai.plugins.module_utils._errors import PswModuleError
from ansible_collections.psw.ai.plugins.module_utils._zfs import Dataset, Zfs


def main():
    """Read the options, do the work, report."""
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "pool": {"type": "str", "default": "auto"},
            "mountpoint": {"type": "path", "required": True},
            "quota": {"type": "str", "required": True},
            "properties": {"type": "dict", "default": {}},
            "weekly_snapshots": {"type": "int", "default": 0},
            "uid": {"type": "int", "default": 100000},
            "gid": {"type": "int", "default": 100000},
        },
        supports_check_mode=True,
    )
    unquoted = sorted(name for name, value in module.params["properties"].items() if not isinstance(value, str))
    if unquoted:
        module.fail_json(msg='these properties need quotes in YAML, as in compression: "off": %s' % ", ".join(unquoted))
    try:
        result = Dataset(Zfs(module), module.params, check_mode=module.check_mode).present()
    except PswModuleError as exc:
        module.fail_json(**exc.result())
    for note in result["notes"]:
        module.warn(f"{result['dataset']}: {note}")
    module.exit_json(**result)


if __name__ == "__main__":
    main()
