#!/usr/bin/python
# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: lxc_container
short_description: Keep an unprivileged container on a Proxmox VE node
version_added: 0.1.0
author: The psw authors (@psw-ai)
description:
  - Creates an unprivileged LXC container and keeps it as described, devices included, with one call and at most one restart.
  - Runs on the node, as root. C(community.proxmox.proxmox) is no way here, because it has no device passthrough, no check
    mode and no diff, and because Proxmox VE lets nobody but C(root@pam) itself set devices and bind mounts.
  - The container is found by the tags C(psw) and C(psw.<hostname>), also when somebody renamed it. One of its name without the tag C(psw) is never touched.
  - The container is always unprivileged, with nesting as its only feature. A privileged one is refused.
  - A run that was killed half-way, or that failed, is completed by the next one.
  - What would be refused is refused before anything changes, also in check mode.
extends_documentation_fragment:
  - psw.ai.attributes
  - psw.ai.lxc.devices
  - psw.ai.lxc.surroundings
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  hostname:
    description: Name of the container.
    type: str
    required: true
  state:
    description:
      - Whether the container is to be there. With V(absent) it is stopped and destroyed with its volumes; mounted directories stay.
      - With V(foretold), what V(present) would refuse is refused, and nothing else happens.
    type: str
    choices: [present, absent, foretold]
    default: present
  vmid:
    description: Number for a new container, which nothing in the cluster may have. By default the next free one.
    type: int
  node:
    description: Name of the node in its cluster. By default the name of the host the module runs on.
    type: str
  template:
    description: Template for a new container, without its version. The newest one on the node is taken, or downloaded.
    type: str
    default: debian-13-standard
  template_storage:
    description: Storage of the template, or V(auto).
    type: str
    default: auto
  storage:
    description:
      - Storage of the root disk of a new container. V(auto) is the first by name that is active, takes containers and has room; those of
        this node go before shared ones. Where there was a choice, a warning says which it was.
      - A root disk that is elsewhere stays there; a warning says how to move it.
    type: str
    default: auto
  cores:
    description: CPU cores.
    type: int
    default: 2
  memory_mib:
    description: Memory.
    type: int
    default: 2048
  swap_mib:
    description: Swap.
    type: int
    default: 512
  rootfs_gib:
    description: Size of the root disk. It only ever grows.
    type: int
    default: 16
  onboot:
    description: Whether it starts with the node.
    type: bool
    default: true
  startup_order:
    description: Its place in the order of starting.
    type: int
  tags:
    description: Tags besides C(psw) and C(psw.<hostname>). Others that the container carries stay.
    type: list
    elements: str
    default: []
  description:
    description: Note shown in Proxmox VE's interface.
    type: str
    default: Kept by psw. Changes made here by hand are undone by its next run.
  authorized_keys:
    description: Public keys that may log in as root. By default those that may log in to the node.
    type: list
    elements: str
  started:
    description: Whether a container that does not run is started.
    type: bool
    default: true
  restart:
    description: Whether a running container is restarted when a change waits for it. There is one restart for all changes.
    type: bool
    default: true
  waiting:
    description:
      - What waits for a restart according to RV(waiting) of an earlier call, which had O(restart=false).
      - Between two such calls a restart can be announced. The second one cannot always see by itself what waits, and warns when it may not restart either.
    type: list
    elements: str
  wait_timeout:
    description: How many seconds a running container has to get an address and answer SSH.
    type: int
    default: 180
"""

EXAMPLES = r"""
- name: Keep the AI target
  psw.ai.lxc_container:
    hostname: psw-ai
    cores: 4
    memory_mib: 8192
    rootfs_gib: 32
    mounts:
      - {source: /tank/psw-models, target: /srv/models}
    devices:
      - {path: /dev/nvidia0, mode: "0666"}
      - {path: /dev/nvidiactl, mode: "0666"}
  register: target
"""

RETURN = r"""
vmid:
  description: Number of the container; null in check mode while it does not exist.
  returned: success
  type: int
storage:
  description: Storage of the root disk.
  returned: success
  type: str
address:
  description: The address by which a running container is reached, IPv4 before IPv6.
  returned: success
  type: str
host_keys:
  description: Public SSH host keys, read through the node.
  returned: success
  type: list
  elements: str
groups:
  description: Numbers of the groups video and render inside the container, where it has them.
  returned: success
  type: dict
devices:
  description: The C(devN) entry of each device.
  returned: success
  type: dict
created:
  description: Whether the container was created.
  returned: success
  type: bool
restarted:
  description: Whether a running container was restarted.
  returned: success
  type: bool
restart_required:
  description: Whether a change still waits for a restart.
  returned: success
  type: bool
waiting:
  description: What waits for a restart, or waited for the one that was made; options of the container, and mounts that show what was there before.
  returned: success
  type: list
  elements: str
  sample: [features, mp0]
diff:
  description: The configuration before and after.
  returned: success
  type: dict
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.psw.ai.plugins.module_utils._errors import PswModuleError
from ansible_collections.psw.ai.plugins.module_utils._lxc_config import check_devices
from ansible_collections.psw.ai.plugins.module_utils._lxc_container import Container
from ansible_collections.psw.ai.plugins.module_utils._lxc_devices import refuse_renamed
from ansible_collections.psw.ai.plugins.module_utils._lxc_network import check_network
from ansible_collections.psw.ai.plugins.module_utils._lxc_options import CONTAINER_OPTIONS
from ansible_collections.psw.ai.plugins.module_utils._lxc_owner import tags_for
from ansible_collections.psw.ai.plugins.module_utils._pve import Pve


def main():
    """Read the options, do the work, report."""
    module = AnsibleModule(argument_spec=CONTAINER_OPTIONS, supports_check_mode=True)
    params = {**module.params, "tags": tags_for(module.params["hostname"], module.params["tags"])}
    try:
        pve = Pve(module, params["node"])
        params["network"] = check_network(params["network"])
        if params["devices"] is not None:
            if params["state"] != "absent":
                refuse_renamed(params["devices"], pve.node)
            params["devices"] = check_devices(params["devices"])
        container = Container(pve, params, check_mode=module.check_mode or params["state"] == "foretold")
        result = container.absent() if params["state"] == "absent" else container.present()
    except PswModuleError as exc:
        module.fail_json(**exc.result())
    if params["state"] == "foretold":
        module.exit_json(changed=False)
    if module.check_mode and params["state"] == "present" and result["address"] is None:
        name = params["hostname"]
        module.warn(f"{name} does not run yet: a run without --check would create or start it; what happens inside cannot be foretold before")
    for note in container.notes:
        module.warn(note)
    if params["waiting"] and result["restart_required"]:
        module.warn(
            f"{params['hostname']} runs without {', '.join(result['waiting'])} as wished until it is restarted: pct reboot {result['vmid']} on {pve.node}"
        )
    module.exit_json(**result)


if __name__ == "__main__":
    main()
