# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The images that a node boots from, which hold copies of modprobe's rules; private to the collection."""

from __future__ import annotations

import glob
import os
import re
import struct

from ansible_collections.psw.ai.plugins.module_utils._errors import ModuleRefusal, PswModuleError
from ansible_collections.psw.ai.plugins.module_utils._gpu_sysfs import read_text
from ansible_collections.psw.ai.plugins.module_utils._programs import run

_PROGRAM = "/usr/sbin/update-initramfs"
_RULES, _IMAGE = "/etc/modprobe.d/", "initrd.img-"
_WHAT = "rebuilding the boot images without the kernel's own driver"
_MIB = 1024 * 1024
_PARTITIONS, _DISKS = "/etc/kernel/proxmox-boot-uuids", "/dev/disk/by-uuid"  # where proxmox-boot-tool copies images to, when it is in use
_GROWTH = 16 * _MIB  # there images are overwritten where they lie, so what counts is how much larger the rebuilt ones may be
_HEAD = 64 * 1024
_UNKNOWN = 0xFFFFFFFF
_WAY_OUT = "Remove kernels that you no longer boot (apt-get purge proxmox-kernel-VERSION-pve-signed; not the one of uname -r), then run this again"


def _rules(files):
    """Return modprobe's rules among the files that are wished for."""
    return [file["path"] for file in files if file["path"].startswith(_RULES)]


def _written(path):
    """Return when a file was last written; what is not there is older than anything."""
    return os.path.getmtime(path) if os.path.exists(path) else 0


def stale(files, steps, root="/"):
    """Tell whether a kernel's image lacks the rules: they are still to be written, or it is older than they are.

    Nor did an image that is older than this boot, in which the kernel's own driver still has a card, keep that driver away.
    """
    rules = _rules(files)
    if any(step.op == "write" and step.target in rules for step in steps):
        return True
    booted = re.search(r"^btime (\d+)$", read_text(os.path.join(root, "proc/stat")) or "", re.MULTILINE)
    least = max([int(booted.group(1)) if booted else 0, *(_written(os.path.join(root, path[1:])) for path in rules)])
    kernels = glob.glob(os.path.join(root, "lib/modules/*"))
    images = filter(os.path.exists, (os.path.join(root, "boot", f"{_IMAGE}{os.path.basename(kernel)}") for kernel in kernels))
    return any(_written(image) < least for image in images)


def fat_free(head):
    """Return the bytes that are free on a FAT32 file system, going by its first sectors; None when they do not tell."""
    if len(head) < _HEAD or head[82:87] != b"FAT32":
        return None
    sector, per_cluster, at = struct.unpack_from("<HB", head, 11) + struct.unpack_from("<H", head, 48)
    info = head[sector * at :][:512]
    if len(info) < 512 or info[:4] != b"RRaA" or info[484:488] != b"rrAa":  # noqa: PLR2004 - a sector
        return None
    (free,) = struct.unpack_from("<I", info, 488)
    return None if free == _UNKNOWN else free * per_cluster * sector


def _read_head(path):
    """Return the first sectors of a partition, which is mounted only while images are copied; nothing when there is no reading it."""
    try:
        with open(path, "rb") as disk:
            return disk.read(_HEAD)
    except OSError:
        return b""


def _refuse_full_partitions(partitions, disks):
    """Raise when a partition that the node boots from has no room for larger images: a copy that is cut off there does not boot."""
    for uuid in (read_text(partitions) or "").split():
        there = fat_free(_read_head(os.path.join(disks, uuid)))
        if there is not None and there < _GROWTH:
            raise ModuleRefusal(
                "boot_full",
                f"The boot partition {uuid} of proxmox-boot-tool is full: {there // _MIB} MiB are free, and {_WHAT} may need {_GROWTH // _MIB} MiB.",
                f"{_WAY_OUT}.",
            )


def refuse_full(boot="/boot", program=_PROGRAM, partitions=_PARTITIONS, disks=_DISKS):
    """Raise when there is no room for rebuilt images: in /boot each is written beside the old one before it takes its place."""
    if not os.path.exists(program):
        return
    needed = max((os.path.getsize(path) for path in glob.glob(os.path.join(boot, f"{_IMAGE}*"))), default=0)
    free = os.statvfs(boot)
    there = free.f_bavail * free.f_frsize
    if there < needed:
        raise ModuleRefusal(
            "boot_full",
            f"{boot} is full: {there // _MIB} MiB are free, and {_WHAT} needs {needed // _MIB + 1} MiB.",
            f"{_WAY_OUT}.",
        )
    _refuse_full_partitions(partitions, disks)


def rebuild(files):
    """Rebuild the images of all kernels; update-initramfs copies them to where the node boots from."""
    if os.path.exists(_PROGRAM):
        try:
            run([_PROGRAM, "-u", "-k", "all"], doing=_WHAT)
        except PswModuleError as exc:
            for rule in _rules(files):
                os.utime(rule)  # an image may be new and its copy not: the next run rebuilds them again
            copies = (
                " Do not reboot before proxmox-boot-tool refresh succeeds: a copy on a boot partition may be cut off"
                if os.path.exists(_PARTITIONS)
                else " The node still boots its old images, with that driver"
            )
            raise PswModuleError(f"{exc}\nIf there was no space left: {_WAY_OUT}.{copies}") from exc
