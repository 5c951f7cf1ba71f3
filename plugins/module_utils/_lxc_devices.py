# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Devices as options of a module, and what can only be known on the node; private to the collection."""

from __future__ import annotations

import os
import stat

from ansible_collections.psw.ai.plugins.module_utils import _gpu_own
from ansible_collections.psw.ai.plugins.module_utils._errors import ModuleRefusal, PswModuleError

DEVICE_OPTIONS = {
    "path": {"type": "str", "required": True},
    "card": {"type": "str"},
    "gid": {"type": "int", "default": 0},
    "group": {"type": "str", "choices": ["video", "render"]},
    "uid": {"type": "int", "default": 0},
    "mode": {"type": "str", "default": "0660"},
    "deny_write": {"type": "bool", "default": False},
}


def refuse_renamed(devices, node):
    """Refuse a device that is another card's by now: the kernel hands out their names at every boot."""
    for device in devices:
        now = _gpu_own.own(device["card"]) if device.get("card") else []
        if now and device["path"] not in now:
            raise ModuleRefusal(
                "device_renamed",
                "%s is recorded for the card %s, which the kernel calls %s now" % (device["path"], device["card"], " and ".join(now)),
                "record what its cards are called, and run this again: psw node setup-gpu %s" % node,
            )


def refuse_missing(devices):
    """Name the devices that the node does not have: with such an entry the container would not start any more."""
    missing = [device["path"] for device in devices if not _is_device(device["path"])]
    if missing:
        raise ModuleRefusal(
            "no_device",
            "this node has no device %s, and a container with such an entry does not start" % ", ".join(missing),
            "is the card's driver loaded on the node? See: psw node setup-gpu",
        )


def with_numbers(devices, groups):
    """Return the devices with the number that each group's name has in the container."""
    missing = [device for device in devices if device.get("group") and device["group"] not in groups]
    if missing:
        raise PswModuleError(
            "the container has no group %s, which %s has to belong to; create it there (groupadd --system %s) and run this again"
            % (missing[0]["group"], missing[0]["path"], missing[0]["group"])
        )
    return [_nameless({**device, "gid": groups[device["group"]]} if device.get("group") else device) for device in devices]


def with_present_numbers(devices, present):
    """Return the devices with the numbers that their entries have now, without those that have a group's name and no entry yet."""
    now = {device["path"]: device["gid"] for device in present}
    known = [device for device in devices if not device.get("group") or device["path"] in now]
    return [_nameless({**device, "gid": now[device["path"]]} if device.get("group") else device) for device in known]


def _nameless(device):
    return {name: value for name, value in device.items() if name != "group"}


def set_options(changes, deletions):
    """Return the options of one ``pct set`` that makes all these changes."""
    options = []
    for key in sorted(changes):
        options += ["-" + key, changes[key]]
    return options + (["-delete", ",".join(deletions)] if deletions else [])


def _is_device(path):
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return False
    return stat.S_ISCHR(mode) or stat.S_ISBLK(mode)
