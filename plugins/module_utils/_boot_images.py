# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The images that a node boots from, which hold copies of modprobe's rules; private to the collection."""

from __future__ import annotations

import glob
import os

from ansible_collections.psw.ai.plugins.module_utils._errors import ModuleRefusal, PswModuleError
from ansible_collections.psw.ai.plugins.module_utils._programs import run

_PROGRAM = "/usr/sbin/update-initramfs"
_MIB = 1024 * 1024
_WAY_OUT = "Remove kernels that you no longer boot (apt-get purge proxmox-kernel-VERSION-pve-signed; not the one of uname -r), then run this again"


def refuse_full(boot="/boot", program=_PROGRAM):
    """Raise when /boot has no room for a rebuilt image: each is written beside the old one before it takes its place."""
    if not os.path.exists(program):
        return
    needed = max((os.path.getsize(path) for path in glob.glob(os.path.join(boot, "initrd.img-*"))), default=0)
    free = os.statvfs(boot)
    there = free.f_bavail * free.f_frsize
    if there < needed:
        raise ModuleRefusal(
            "boot_full",
            f"{boot} is full: {there // _MIB} MiB are free, and rebuilding the boot images without nouveau needs {needed // _MIB + 1} MiB.",
            f"{_WAY_OUT}.",
        )


def rebuild():
    """Rebuild the images of all kernels; update-initramfs copies them to where the node boots from."""
    if os.path.exists(_PROGRAM):
        try:
            run([_PROGRAM, "-u", "-k", "all"], doing="rebuilding the boot images without nouveau")
        except PswModuleError as exc:
            raise PswModuleError(f"{exc}\nIf there was no space left: {_WAY_OUT}. The node still boots its old images, with nouveau") from exc
