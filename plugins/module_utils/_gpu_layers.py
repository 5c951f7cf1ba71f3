# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which layer between a GPU and an app is broken, as seen from the target; private to the collection."""

from __future__ import annotations

import glob
import os
import re

NVIDIA_NODES = ("dev/nvidia[0-9]*", "dev/nvidiactl", "dev/nvidia-uvm")  # the target may have any of the node's cards
DRM_NODES = {"rocm": ("dev/kfd", "dev/dri/renderD*"), "vulkan": ("dev/dri/renderD*",)}
BACKENDS = {"amd": "rocm", "intel": "vulkan"}


def version_in(path, pattern):
    """Return the version that a pattern finds in a file, or None."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            found = re.search(pattern, file.read())
    except OSError:
        return None
    return found.group(1) if found else None


def missing_nodes(root, patterns):
    """Return the device nodes that are not there or cannot be opened."""
    found = {pattern: glob.glob(os.path.join(root, pattern)) for pattern in patterns}
    return [f"/{pattern.replace('[0-9]', '')}" for pattern, paths in found.items() if not any(os.access(path, os.R_OK | os.W_OK) for path in paths)]


def broken_nvidia(root):
    """Return the first layer of an NVIDIA GPU's stack that is wrong, in words."""
    driver = version_in(os.path.join(root, "proc/driver/nvidia/version"), r"Kernel Module.*?\s(\d+\.\d+(?:\.\d+)?)\s")
    if driver is None:
        return "module: the node's kernel has no NVIDIA module loaded; run psw node setup-gpu"
    missing = missing_nodes(root, NVIDIA_NODES)
    if missing:
        return f"node or gid: {', '.join(missing)} cannot be used in this container; a converge passes them through"
    libraries = glob.glob(os.path.join(root, "usr/lib/*/libcuda.so.*.*")) + glob.glob(os.path.join(root, "usr/lib64/libcuda.so.*.*"))
    versions = sorted({path.rpartition("libcuda.so.")[2] for path in libraries})
    if driver not in versions:
        return f"userspace: the driver is {driver}, but its libraries here are {', '.join(versions) or 'missing'}; a converge installs the ones that match"
    spec = os.path.join(root, "etc/cdi/nvidia.yaml")
    if not os.path.exists(spec):
        return "CDI: there is no /etc/cdi/nvidia.yaml; see: systemctl status psw-nvidia-cdi"
    if version_in(spec, r"libcuda\.so\.(" + re.escape(driver) + r")\b") is None:
        return f"CDI: /etc/cdi/nvidia.yaml was made for another driver than {driver}; run: systemctl restart psw-nvidia-cdi ollama"
    return None


def broken(vendor, backend=None, root="/"):
    """Say which layer is wrong; when all that can be seen from here is right, it is the app."""
    if vendor == "nvidia":
        found = broken_nvidia(root)
    else:
        missing = missing_nodes(root, DRM_NODES[backend or BACKENDS[vendor]])
        found = f"node or gid: {', '.join(missing)} cannot be used in this container; a converge passes them through" if missing else None
    return (
        f"The layer that is wrong is the {found}"
        if found
        else "Driver, device nodes, userspace and CDI look right, so it is the app; see: journalctl -u ollama"
    )
