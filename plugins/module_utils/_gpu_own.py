# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the kernel calls one card, apart from all else that is known about GPUs: it travels with every look at a container; private to the collection."""

from __future__ import annotations

import os
import re

from ansible_collections.psw.ai.plugins.module_utils._gpu_sysfs import read_nvidia_gpus


def own(address, root="/"):
    """Return the device nodes of one card alone, by its PCI address, as the kernel calls them now; none when it is not there."""
    found = re.search(r"^Device Minor:\s*(\d+)", read_nvidia_gpus(root).get(address, ""), re.MULTILINE)
    try:
        drm = sorted(os.listdir(os.path.join(root, "sys/bus/pci/devices", address, "drm")))
    except OSError:
        drm = []
    return ([f"/dev/nvidia{found.group(1)}"] if found else []) + [f"/dev/dri/{name}" for name in drm if name.startswith("renderD")]
