# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The layers that a node and a target share: libraries, toolkit, device nodes, groups, CDI. Pure comparisons; private to the collection."""

from __future__ import annotations

from ansible_collections.psw.ai.plugins.module_utils import _cdi
from ansible_collections.psw.ai.plugins.module_utils._finding import finding

_OTHERS_READ_AND_WRITE = 0o006
_GROUP_OF_NODE = {"/dev/kfd": "render", "/dev/dri/renderD": "render", "/dev/dri/card": "video"}


def userspace(version, expected, heal):
    """Return whether the driver's libraries are those of the module that they will talk to."""
    if version in expected:
        return []
    there = f"are {version}" if version else "are missing"
    return [finding("userspace_version", f"the driver's libraries {there}, and the module they must fit is {expected[0]}: nothing here can use the GPU", heal)]


def toolkit(own, version, heal):
    """Return whether the container toolkit is the recorded one; the package's own revision does not matter."""
    wanted = own.get("toolkit_version")
    if not wanted or (version or "").rpartition("-")[0] == wanted:
        return []
    there = f"is {version}" if version else "is not installed"
    return [finding("toolkit_version", f"the container toolkit {there}, and {wanted} is recorded", heal)]


def missing_devices(devices, heal, there, why, *, inherited=False):
    """Return the recorded device nodes that are not there, as one finding: one cause makes or unmakes them all."""
    gone = [path for path, device in devices.items() if device is None]
    if not gone:
        return []
    verb = "is" if len(gone) == 1 else "are"
    return [finding("device_missing", f"{', '.join(gone)} {verb} not there, {why}", heal, there=there, inherited=inherited)]


def wrong_groups(devices, groups, heal, there):
    """Return the device nodes that do not belong to the group that may use them, as one finding; a group that is not there has no opinion."""
    wrong = []
    for path, device in devices.items():
        group = next((group for start, group in _GROUP_OF_NODE.items() if path.startswith(start)), None)
        if device and device["gid"] != groups.get(group, device["gid"]):
            wrong.append(f"{path} belongs to the group number {device['gid']}, and {group} is {groups[group]} here")
    return [finding("device_gid", "; ".join(wrong), heal, there=there)] if wrong else []


def closed(devices, heal):
    """Return the device nodes that not everybody may use: NVIDIA's have no group of their own."""
    shut = [path for path, device in devices.items() if device and device["mode"] & _OTHERS_READ_AND_WRITE != _OTHERS_READ_AND_WRITE]
    if not shut:
        return []
    return [finding("device_closed", f"{', '.join(shut)} cannot be used by apps that do not run as root: the mode must be 0666", heal)]


def _content(path, facts, version):
    """Return (id, message) of what is wrong with the one specification that there is, or None."""
    text = facts["specs"][path]
    if not _cdi.is_whole(text):
        return "cdi_invalid", f"{path} is no CDI specification of {_cdi.KIND}, so podman knows no GPU"
    made_for = [made for made in _cdi.needs(text)[1] if made != version]
    if made_for:
        return "cdi_stale", f"{path} was made for driver {', '.join(made_for)}, and {version} is loaded"
    if facts["absent"]:
        return "cdi_stale", f"{path} names what is not there, so no container with the GPU starts: {', '.join(facts['absent'])}"
    if facts["listed"] is not None and f"{_cdi.KIND}=all" not in facts["listed"]:
        return "cdi_invalid", f"{path} is there, but nvidia-ctk cdi list does not find {_cdi.KIND}=all"
    return None


def cdi(own, facts, version, heal):
    """Return what is wrong with the description of the GPU that podman reads; ``version`` is the driver it must be made for."""
    path = own.get("cdi_spec")
    if not path:
        return []
    if path not in facts["specs"]:
        return [finding("cdi_missing", f"there is no {path}, so podman knows no GPU", heal, there=True)]
    others = _cdi.rivals(facts["specs"], path)
    if others:
        message = f"{', '.join(others)} describes the GPU too, so podman does not go by {path} any more"
        return [finding("cdi_shadowed", message, f"rm {' '.join(others)}", there=True)]
    wrong = _content(path, facts, version)
    return [finding(*wrong, heal, there=True)] if wrong else []
