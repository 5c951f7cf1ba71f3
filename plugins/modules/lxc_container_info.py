#!/usr/bin/python
# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: lxc_container_info
short_description: Tell where a container of psw is
version_added: 0.1.0
author: The psw authors (@psw-ai)
description:
  - Finds a container by its tags on a Proxmox VE node, as M(psw.ai.lxc_container) does, and asks it how it is reached.
  - Changes nothing. A container that is not there, or does not run, has no address.
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
  hostname:
    description: Name of the container.
    type: str
    required: true
  node:
    description: Name of the node in its cluster. By default the name of the host the module runs on.
    type: str
"""

EXAMPLES = r"""
- name: Find the AI target
  psw.ai.lxc_container_info:
    hostname: psw-ai
  delegate_to: pve1
  register: target
"""

RETURN = r"""
vmid:
  description: Number of the container; null where there is none.
  returned: success
  type: int
address:
  description: The address by which it is reached, IPv4 before IPv6; null as long as it does not run.
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
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.psw.ai.plugins.module_utils import _lxc_guest as guests
from ansible_collections.psw.ai.plugins.module_utils._errors import ModuleRefusal, PswModuleError
from ansible_collections.psw.ai.plugins.module_utils._lxc_network import reached_by
from ansible_collections.psw.ai.plugins.module_utils._lxc_owner import find
from ansible_collections.psw.ai.plugins.module_utils._pve import Pve

ANY = {"ip": "dhcp"}  # an IPv4 address, whichever it is


def look(pve, hostname):
    """Return where a container is, as far as there is one that runs and answers."""
    found = {"vmid": None, "address": None, "host_keys": [], "groups": {}}
    try:
        row = find(pve.get("/nodes/{node}/lxc"), hostname)
    except ModuleRefusal:
        row = None  # who is in its way matters once it is to be made
    if row is None:
        return found
    found["vmid"] = int(row["vmid"])
    guest = guests.look(pve, row["vmid"], []) if row["status"] == "running" else None
    if guest:
        address = reached_by(guest["addresses"], ANY) or next(iter(guest["addresses"]), None)
        found.update(address=address, host_keys=guest["host_keys"], groups=guest["groups"])
    return found


def main():
    module = AnsibleModule(argument_spec={"hostname": {"type": "str", "required": True}, "node": {"type": "str"}}, supports_check_mode=True)
    try:
        found = look(Pve(module, module.params["node"]), module.params["hostname"])
    except PswModuleError as exc:
        module.fail_json(msg=str(exc))
    module.exit_json(changed=False, **found)


if __name__ == "__main__":
    main()
