#!/usr/bin/python
# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: lxc_devpassthrough
short_description: Pass devices of a Proxmox VE node through to a container
version_added: 0.1.0
author: The psw authors (@psw-ai)
description:
  - Keeps the C(devN) entries of an LXC container as described. Runs on the node, as root, since Proxmox VE lets nobody
    else configure device passthrough, not even an API token of root.
  - The module never restarts the container. RV(restart_required) says when one is needed.
extends_documentation_fragment:
  - psw.ai.attributes
  - psw.ai.lxc.devices
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  vmid:
    description: Number of the container.
    type: int
    required: true
  state:
    description: Whether the devices are to be passed through, or not.
    type: str
    choices: [present, absent]
    default: present
  exclusive:
    description: Whether entries for any other device are removed.
    type: bool
    default: false
  node:
    description: Name of the node in its cluster. By default the name of the host the module runs on.
    type: str
"""

EXAMPLES = r"""
- name: Give the container the card
  psw.ai.lxc_devpassthrough:
    vmid: 105
    devices:
      - {path: /dev/nvidia0, mode: "0666"}
      - {path: /dev/nvidiactl, mode: "0666"}
      - {path: /dev/nvidia-uvm, mode: "0666"}
    exclusive: true
  register: passthrough

- name: Restart the container if its devices wait for it
  ansible.builtin.command: pct reboot 105
  when: passthrough.restart_required
  changed_when: true
"""

RETURN = r"""
restart_required:
  description: Whether a change, this one or an earlier one, takes effect only at the container's next start.
  returned: success
  type: bool
devices:
  description: The entry of each wanted device.
  returned: success
  type: dict
  sample: {/dev/nvidia0: dev0, /dev/nvidiactl: dev1}
diff:
  description: The container's device entries before and after.
  returned: success
  type: dict
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.psw.ai.plugins.module_utils._errors import PswModuleError
from ansible_collections.psw.ai.plugins.module_utils._lxc_config import (
    check_devices,
    devices_of,
    plan_devices,
    views,
    waiting,
    will_wait,
)
from ansible_collections.psw.ai.plugins.module_utils._lxc_devices import DEVICE_OPTIONS, refuse_missing, refuse_renamed, set_options, with_numbers
from ansible_collections.psw.ai.plugins.module_utils._lxc_guest import groups_of
from ansible_collections.psw.ai.plugins.module_utils._pve import Pve


def ensure(module, pve):
    """Bring the device entries to what is wanted and return the module's result."""
    vmid = module.params["vmid"]
    if module.params["state"] == "present":
        refuse_renamed(module.params["devices"] or [], pve.node)
    wanted = check_devices(module.params["devices"] or [])
    if any(device.get("group") for device in wanted):
        wanted = with_numbers(wanted, groups_of(pve, vmid))
    pending = "/nodes/{node}/lxc/%d/pending" % vmid
    running, planned = map(devices_of, views(pve.get(pending)))
    changes, deletions, where = plan_devices(running, planned, wanted, module.params["state"], exclusive=module.params["exclusive"])
    after = {key: value for key, value in {**planned, **changes}.items() if key not in deletions}
    if not (changes or deletions):
        restart = bool(waiting(running, planned))
    elif module.check_mode:
        restart = pve.get("/nodes/{node}/lxc/%d/status/current" % vmid)["status"] == "running" and bool(will_wait(running, after))
    else:
        refuse_missing(device for device in wanted if where.get(device["path"]) in changes)
        pve.pct("set", vmid, *set_options(changes, deletions))
        restart = bool(waiting(*map(devices_of, views(pve.get(pending)))))
    return {
        "changed": bool(changes or deletions),
        "restart_required": restart,
        "devices": where,
        "diff": {"before": text(planned), "after": text(after)},
    }


def text(entries):
    """Return device entries as text, for the diff."""
    return "".join("%s: %s\n" % (key, entries[key]) for key in sorted(entries))


def main():
    """Read the options, do the work, report."""
    module = AnsibleModule(
        argument_spec={
            "vmid": {"type": "int", "required": True},
            "devices": {"type": "list", "elements": "dict", "options": DEVICE_OPTIONS},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "exclusive": {"type": "bool", "default": False},
            "node": {"type": "str"},
        },
        supports_check_mode=True,
    )
    try:
        module.exit_json(**ensure(module, Pve(module, module.params["node"])))
    except PswModuleError as exc:
        module.fail_json(**exc.result())


if __name__ == "__main__":
    main()
