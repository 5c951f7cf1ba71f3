# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of lxc_container, whose manual is that module's; private to the collection."""

from __future__ import annotations

from ansible_collections.psw.ai.plugins.module_utils._lxc_devices import DEVICE_OPTIONS

NETWORK_OPTIONS = {
    "bridge": {"type": "str", "default": "vmbr0"},
    "ip": {"type": "str", "default": "dhcp"},
    "gateway": {"type": "str"},
    "vlan": {"type": "int"},
    "ip6": {"type": "str"},
    "gateway6": {"type": "str"},
    "firewall": {"type": "bool"},
}
MOUNT_OPTIONS = {
    "source": {"type": "path"},
    "storage": {"type": "str"},
    "size_gib": {"type": "int"},
    "target": {"type": "path", "required": True},
    "read_only": {"type": "bool", "default": False},
    "options": {"type": "list", "elements": "str", "choices": ["discard", "lazytime", "noatime", "nodev", "noexec", "nosuid"]},
}
CONTAINER_OPTIONS = {
    "hostname": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["present", "absent", "foretold"], "default": "present"},
    "vmid": {"type": "int"},
    "node": {"type": "str"},
    "template": {"type": "str", "default": "debian-13-standard"},
    "template_storage": {"type": "str", "default": "auto"},
    "storage": {"type": "str", "default": "auto"},
    "cores": {"type": "int", "default": 2},
    "memory_mib": {"type": "int", "default": 2048},
    "swap_mib": {"type": "int", "default": 512},
    "rootfs_gib": {"type": "int", "default": 16},
    "network": {"type": "dict", "default": {}, "apply_defaults": True, "options": NETWORK_OPTIONS},
    "devices": {"type": "list", "elements": "dict", "options": DEVICE_OPTIONS},
    "mounts": {
        "type": "list",
        "elements": "dict",
        "options": MOUNT_OPTIONS,
        "required_one_of": [("source", "storage")],
        "mutually_exclusive": [("source", "storage")],
        "required_together": [("storage", "size_gib")],
    },
    "onboot": {"type": "bool", "default": True},
    "startup_order": {"type": "int"},
    "tags": {"type": "list", "elements": "str", "default": []},
    "description": {"type": "str", "default": "Kept by psw. Changes made here by hand are undone by its next run."},
    "authorized_keys": {"type": "list", "elements": "str", "no_log": False},
    "started": {"type": "bool", "default": True},
    "restart": {"type": "bool", "default": True},
    "waiting": {"type": "list", "elements": "str"},
    "wait_timeout": {"type": "int", "default": 180},
}
