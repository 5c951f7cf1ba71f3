# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a container mounts: directories of the node and volumes of its own; private to the collection."""

from __future__ import annotations

import os
import re

from ansible_collections.psw.ai.plugins.module_utils._errors import ModuleRefusal, PswModuleError
from ansible_collections.psw.ai.plugins.module_utils._lxc_config import MOUNT_KEY, parse_properties, render_properties

LAST_MOUNT = 255
UNITS = {"K": 1 / 1048576, "M": 1 / 1024, "G": 1, "T": 1024}
NEW_VOLUME = re.compile(r"^([^:/,]+):(\d+)$")


def directories(mounts):
    """Return the mounts that are directories of the node."""
    return [mount for mount in mounts or [] if mount.get("source")]


def mount_entries(running, planned, wanted):
    """Return the mpN entries of the wanted mounts, matched by their path in the container; any other mount stays."""
    # What waits for its removal comes last: it is taken back rather than mounted a second time.
    leaving = {key: text for key, text in running.items() if key not in planned}
    current = {key: parse_properties(text, "volume") for key, text in {**planned, **leaving}.items() if MOUNT_KEY.match(key)}
    free = ("mp%d" % number for number in range(LAST_MOUNT + 1) if "mp%d" % number not in {**running, **planned})
    entries = {}
    for mount in wanted:
        key = next((key for key, other in current.items() if other.get("mp") == mount["target"]), None) or next(free)
        properties = _directory(mount) if mount.get("source") else _volume(mount, current.get(key), key)
        properties["mp"] = mount["target"]
        if mount["read_only"]:
            properties["ro"] = 1
        if mount["options"]:
            properties["mountoptions"] = ";".join(sorted(mount["options"]))
        entries[key] = render_properties(properties, "volume")
    return entries


def _directory(mount):
    # Without replicate=0 a bind mount would stop the replication of the whole container.
    return {"volume": mount["source"], "mp": mount["target"], "replicate": 0}


def _volume(mount, now, key):
    """Return the properties of a volume: a new one of that size, or the one that is there, as large as it is."""
    if not mount["size_gib"] or mount["size_gib"] < 1:
        raise PswModuleError("mount %s: a volume needs a size_gib of 1 or more" % mount["target"])
    if now is None:
        return {"volume": "%s:%d" % (mount["storage"], mount["size_gib"]), "mp": mount["target"], "backup": 0}
    if now["volume"].partition(":")[0] != mount["storage"]:
        raise ModuleRefusal(
            "mount_elsewhere",
            "%s in the container is %s, and not a volume of storage %s" % (mount["target"], now["volume"], mount["storage"]),
            "psw moves no data: name what is there, stop the container and pct move-volume it, or remove the mount (pct set NUMBER -delete %s) to start anew"
            % key,
        )
    kept = {name: now[name] for name in ("volume", "size") if name in now}
    return {**kept, "mp": mount["target"], "backup": 0}


def new_volumes(changes):
    """Return (storage, GiB) of the volumes that these changes make."""
    found = [NEW_VOLUME.match(text.partition(",")[0]) for key, text in changes.items() if MOUNT_KEY.match(key)]
    return [(volume.group(1), int(volume.group(2))) for volume in found if volume]


def refuse_unmountable(mounts, *, foretold):
    """Name a directory that Proxmox VE would not mount; in a foretelling one that is not there may be made by an earlier step."""
    for mount in directories(mounts):
        path = mount["source"]
        if _has_directory(path) or (foretold and not os.path.lexists(path)):
            continue
        raise ModuleRefusal("no_directory", "%s is no directory on this node, or has a link in its path" % path, "make it, or name the directory itself")


def _has_directory(path):
    return os.path.isdir(path) and os.path.realpath(path) == os.path.normpath(path)


def growths(planned, params):
    """Return disk to size of what has to grow, the root disk and volumes; none is ever made smaller."""
    wanted = {"rootfs": params["rootfs_gib"]}
    sizes = {mount["target"]: mount["size_gib"] for mount in params["mounts"] or [] if mount.get("storage")}
    for key, text in planned.items():
        target = parse_properties(text, "volume").get("mp") if MOUNT_KEY.match(key) else None
        if target in sizes:
            wanted[key] = sizes[target]
    grown = {key: growth(planned.get(key, ""), gib) for key, gib in wanted.items()}
    return {key: size for key, size in grown.items() if size}


def growth(disk, wanted_gib):
    """Return the size to grow a disk to, or None."""
    size = re.match(r"^([\d.]+)([KMGT])$", parse_properties(disk, "volume").get("size", ""))
    if not size or float(size.group(1)) * UNITS[size.group(2)] >= wanted_gib:
        return None
    return "%dG" % wanted_gib


def grown(text, size):
    """Return a disk's entry with its new size."""
    return render_properties({**parse_properties(text, "volume"), "size": size}, "volume")
