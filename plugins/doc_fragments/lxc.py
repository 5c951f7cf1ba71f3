# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options that the modules for containers share."""

from __future__ import annotations


class ModuleDocFragment:
    """Devices, the same in lxc_devpassthrough and lxc_container."""

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
      gid:
        description: Group that owns the device inside the container.
        type: int
        default: 0
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
