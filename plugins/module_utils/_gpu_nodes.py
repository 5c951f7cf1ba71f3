# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Device nodes of GPUs, on a node or in a container: who owns them, and whether they open; private to the collection."""

from __future__ import annotations

import grp
import os
import stat

from ansible_collections.psw.ai.plugins.module_utils._errors import PswModuleError
from ansible_collections.psw.ai.plugins.module_utils._gpu import kfd_gfx
from ansible_collections.psw.ai.plugins.module_utils._gpu_sysfs import read_kfd

GROUPS = ("video", "render")


def group_numbers():
    """Return the numbers of the groups that device nodes of GPUs belong to, of those that exist here."""
    found = {}
    for name in GROUPS:
        try:
            found[name] = grp.getgrnam(name).gr_gid
        except KeyError:
            continue
    return found


def look(path):
    """Return {path, gid, mode} of a device node that opens; raise with the layer that is wrong."""
    try:
        status = os.stat(path)
        if not stat.S_ISCHR(status.st_mode):
            raise PswModuleError(f"node: {path} is no device")
        os.close(os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC))
    except OSError as exc:
        raise PswModuleError(f"node: {path} cannot be opened: {exc.strerror}") from exc
    return {"path": path, "gid": status.st_gid, "mode": f"{stat.S_IMODE(status.st_mode):04o}"}


def refuse_strangers(nodes, group, numbers):
    """Raise for a node that does not belong to the group, by its number here."""
    if group not in numbers:
        raise PswModuleError(f"gid: there is no group {group} here; create it with: groupadd --system {group}")
    for node in nodes:
        if node["gid"] != numbers[group]:
            raise PswModuleError(f"gid: {node['path']} belongs to group {node['gid']}, and {group} is {numbers[group]} here")


def compute(cards, root="/"):
    """Return the gfx target of each card by address, as the kernel's compute driver lists them; raise for one that it left out."""
    listed = kfd_gfx(read_kfd(root))
    for card in cards:
        if card not in listed:
            raise PswModuleError(
                f"module: amdgpu has the card {card}, but cannot compute on it; the kernel says why: journalctl -k -b --grep 'kfd|amdgpu' "
                "(a slot without PCIe atomics is the usual reason, another slot the way out)"
            )
    return {card: listed[card] for card in cards}
