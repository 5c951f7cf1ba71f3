# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of the modules for containers, by noun."""

from __future__ import annotations


class ModuleDocFragment:
    """Devices, the same in lxc_devpassthrough and lxc_container; and what else surrounds a container."""

    DEVICES = r"""
options:
  devices:
    description:
      - Devices of the node that the container gets. The entries are matched by O(devices[].path).
      - All ids are those inside the container. A group's number there is often not the one on the node.
    type: list
    elements: dict
    suboptions:
      path:
        description: Path of the device, the same on the node and in the container.
        type: str
        required: true
      card:
        description: PCI address of the card that the device is of. When the kernel calls that card otherwise now, that is a refusal.
        type: str
      gid:
        description: Group that owns the device inside the container.
        type: int
        default: 0
      group:
        description: Name of that group instead of its number, which is then asked for in the container. The container has to run for it.
        type: str
        choices: [video, render]
      uid:
        description: User that owns the device inside the container.
        type: int
        default: 0
      mode:
        description: Permissions inside the container, four octal digits. Needs quotes in YAML.
        type: str
        default: "0660"
      deny_write:
        description: Whether writing to the device is denied.
        type: bool
        default: false
"""

    SURROUNDINGS = r"""
options:
  network:
    description: The network interface eth0.
    type: dict
    default: {}
    suboptions:
      bridge:
        description: Bridge of the node.
        type: str
        default: vmbr0
      ip:
        description:
          - V(dhcp), an IPv4 address with its prefix length, or V(none).
          - The container is reached by its IPv4 address, or by its IPv6 address when it has no other.
        type: str
        default: dhcp
      gateway:
        description: IPv4 gateway, used with a fixed address only.
        type: str
      vlan:
        description: VLAN tag.
        type: int
      ip6:
        description: V(auto) (what a router announces), V(dhcp), an IPv6 address with its prefix length, or V(none), which is the default.
        type: str
      gateway6:
        description: IPv6 gateway, used with a fixed address only.
        type: str
      firewall:
        description: Whether the node's firewall filters the interface. Left as it is when not given.
        type: bool
  mounts:
    description:
      - Directories of the node, and volumes of the container's own, matched by O(mounts[].target). Other mounts are left alone.
      - What is mounted is never replaced by a volume of another storage, since no data is moved.
    type: list
    elements: dict
    suboptions:
      source:
        description: Directory on the node, without links in its path. It outlives the container. Either this or O(mounts[].storage).
        type: path
      storage:
        description: Storage of Proxmox VE for a volume instead. It is in no backup, and destroyed together with the container.
        type: str
      size_gib:
        description: Size of the volume. It only ever grows.
        type: int
      target:
        description: Where the container sees it.
        type: path
        required: true
      read_only:
        description: Whether the container may only read.
        type: bool
        default: false
      options:
        description: Mount options.
        type: list
        elements: str
        choices: [discard, lazytime, noatime, nodev, noexec, nosuid]
"""
