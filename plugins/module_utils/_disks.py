# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What kind of disk a block device lies on, from sysfs alone; private to the collection."""

from __future__ import annotations

import os
import re

NVME = re.compile(r"^(nvme\d+)(?:c\d+)?n\d+$")
GENERATION = re.compile(r"^([\d.]+) GT/s")


def describe(path, sysfs="/sys"):
    """Return name, kind (nvme, ssd, spinning, usb, network or unknown) and link speed of the disk under a device path.

    A device made of others, such as an encrypted one, is what its worst part is.
    """
    name = _whole_disk(os.path.basename(os.path.realpath(path)), sysfs)
    below = os.path.join(sysfs, "block", name, "slaves")
    parts = [describe(part, sysfs) for part in sorted(os.listdir(below))] if os.path.isdir(below) else []
    if parts:
        return _worst(parts)
    found = NVME.match(name)
    if found:
        controller = os.path.join(sysfs, "class", "nvme", found.group(1))
        local = _read(os.path.join(controller, "transport"), "pcie") == "pcie"
        return {"name": name, "kind": "nvme" if local else "network", "speed": _speed(os.path.join(controller, "device")) if local else 0}
    return {"name": name, "kind": _other_kind(name, sysfs), "speed": 0}


def under_volumes(group, pool=None, sysfs="/sys"):
    """Return the same for what lies under an LVM volume group, or under one thin pool of it; None where the kernel knows no volume of it."""
    start = group.replace("-", "--") + "-" + (pool.replace("-", "--") if pool else "")
    block = os.path.join(sysfs, "block")
    mapped = [name for name in sorted(os.listdir(block)) if name.startswith("dm-")] if os.path.isdir(block) else []
    ours = [name for name in mapped if _belongs(_read(os.path.join(block, name, "dm", "name"), ""), start, whole=bool(pool))]
    return _worst([describe(name, sysfs) for name in ours]) if ours else None


def _belongs(volume, start, *, whole):
    """Tell whether a mapped volume is of the group, or the thin pool itself; what LVM keeps for that has a name of its own (``_tdata``)."""
    rest = volume[len(start) :]
    return volume.startswith(start) and (rest in {"", "-tpool", "_tdata"} if whole else not rest.startswith("-"))


def _worst(disks):
    return min(disks, key=lambda disk: (disk["kind"] == "nvme", disk["kind"] != "network", disk["speed"]))


def _other_kind(name, sysfs):
    where = os.path.realpath(os.path.join(sysfs, "block", name))
    if "/session" in where or name.startswith(("nbd", "rbd", "drbd")):
        return "network"
    if "/usb" in where:
        return "usb"
    rotational = _read(os.path.join(sysfs, "block", name, "queue", "rotational"), "")
    return {"0": "ssd", "1": "spinning"}.get(rotational, "unknown")


def _whole_disk(name, sysfs):
    partition = os.path.join(sysfs, "class", "block", name)
    if os.path.exists(os.path.join(partition, "partition")):
        return os.path.basename(os.path.dirname(os.path.realpath(partition)))
    # Without an entry in sysfs the name has to do: nvme0n1p3, sda3.
    return name if os.path.exists(os.path.join(sysfs, "block", name)) else re.sub(r"(?<=n\d)p\d+$|(?<=^[svh]d[a-z])\d+$", "", name)


def _speed(device):
    found = GENERATION.match(_read(os.path.join(device, "current_link_speed"), ""))
    lanes = _read(os.path.join(device, "current_link_width"), "")
    return float(found.group(1)) * int(lanes) if found and lanes.isdigit() else 0


def _read(path, default):
    try:
        with open(path, encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return default
