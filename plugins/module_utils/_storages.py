# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Proxmox VE's storages that are no ZFS pools: what each is, and whether models may lie there; private to the collection."""

from __future__ import annotations

from ansible_collections.psw.ai.plugins.module_utils._errors import PswModuleError

DIRECTORY, VOLUME = "directory", "volume"
# In what form a storage on this node's own disks gives room; every type that is not here is reached over a network.
FORMS = {"dir": DIRECTORY, "btrfs": DIRECTORY, "lvmthin": VOLUME, "lvm": VOLUME}
ZFS = "zfspool"
# The same for what is mounted at a directory.
NETWORK_FILESYSTEMS = frozenset(
    ("nfs", "nfs4", "cifs", "smb3", "smbfs", "ceph", "9p", "afs", "glusterfs", "fuse.ceph", "fuse.glusterfs", "fuse.sshfs", "fuse.s3fs", "fuse.rclone")
)


def rows(pve):
    """Return the storages as this node sees them; none where Proxmox VE does not answer, since they are only to be told of."""
    try:
        return pve.get("/nodes/{node}/storage")
    except PswModuleError:
        return []


def seen(found):
    """Return a phrase for each storage on why models do not go there by themselves; ZFS pools speak for themselves."""
    phrases = ((row, _phrase(row)) for row in sorted(found, key=lambda row: row["storage"]))
    return ["storage %s (%s) %s" % (row["storage"], row["type"], phrase) for row, phrase in phrases if phrase]


def _phrase(row):
    reason = unusable(row)
    if row["type"] == ZFS:
        return reason
    return reason or "is used only when it is named"


def unusable(row):
    """Return why models cannot lie on a storage at all, or None."""
    if row["type"] not in FORMS and row["type"] != ZFS:
        return "is on the network"
    if row.get("shared"):
        return "is shared between nodes, so on the network"
    if not row.get("enabled", 1):
        return "is disabled"
    if not row.get("active", 1):
        return "is not active"
    return None


def filesystem(path, mounts):
    """Return type and source of what is mounted at a path, from the text of ``/proc/self/mounts``."""
    best, found = "", ("unknown", "")
    for line in mounts.splitlines():
        source, point, kind = [word.replace("\\040", " ") for word in line.split()[:3]]
        below = point if point.endswith("/") else point + "/"
        if (path + "/").startswith(below) and len(below) >= len(best):  # of two at one place the later one is on top
            best, found = below, (kind, source)
    return found
