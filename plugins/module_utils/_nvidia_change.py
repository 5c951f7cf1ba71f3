# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Replacing a driver that works by another one: what that means, said before it is done; private to the collection."""

from __future__ import annotations

import os
import re

from ansible_collections.psw.ai.plugins.module_utils._errors import ModuleRefusal
from ansible_collections.psw.ai.plugins.module_utils._gpu_sysfs import read_text
from ansible_collections.psw.ai.plugins.module_utils._nvidia import REPOSITORY, RUN, state

SOURCES = {RUN: "NVIDIA's .run file", REPOSITORY: "packages", None: "an unknown source"}
_USES_GPU = re.compile(r"^(dev\d+|lxc\.mount\.entry|lxc\.cgroup2?\.devices\.allow)\s*[:=].*(nvidia|c 195:)", re.MULTILINE)


def containers(root="/"):
    """Return the node's containers whose configuration names NVIDIA's devices, as 'CT 101 (psw-ai)'."""
    directory = os.path.join(root, "etc/pve/lxc")
    try:
        files = sorted(name for name in os.listdir(directory) if re.match(r"^\d+\.conf$", name))
    except OSError:
        return []
    found = []
    for name in files:
        current = (read_text(os.path.join(directory, name)) or "").split("\n[", 1)[0]  # what follows a section header are snapshots
        if _USES_GPU.search(current):
            hostname = re.search(r"^hostname:\s*(\S+)", current, re.MULTILINE)
            found.append(f"CT {name[:-5]}" + (f" ({hostname.group(1)})" if hostname else ""))
    return found


def _number(version):
    return [int(part) for part in version.split(".")]


def _said(version, kernel_modules, source):
    flavour = f"{kernel_modules} kernel modules, " if kernel_modules else ""
    return f"{version} ({flavour}from {SOURCES[source]})"


def describe(found, version, kernel_modules, source, users):
    """Say what replaces the driver that is installed, and whom that concerns; an empty text when nothing is replaced."""
    had, flavour, origin = state(found)
    if had is None or (had, flavour or kernel_modules, origin) == (version, kernel_modules, source):
        return ""
    if found["loaded"] == version and (flavour, origin) == (kernel_modules, source):
        return ""  # the driver that runs is the wished one, and libraries that fit it again take nothing from anybody
    verb = "replaces" if had == version else "is an upgrade of" if _number(version) > _number(had) else "is a downgrade of"
    reboots = found["loaded"] is not None and (found["loaded"], found["loaded_flavour"]) != (version, kernel_modules)
    until = "the node has rebooted and psw deploy converge has run" if reboots else "psw deploy converge has run"
    concerned = f"These containers use the GPU and lose it until {until}: {', '.join(users)}."
    return (
        f"NVIDIA driver {_said(version, kernel_modules, source)} {verb} the installed {_said(had, flavour, origin)}. "
        f"{concerned if users else 'No container uses the GPU.'} The node needs {'a' if reboots else 'no'} reboot."
    )


def refuse(change):
    """Raise for a change that nobody has agreed to."""
    raise ModuleRefusal(
        "driver_change_unconfirmed",
        change,
        "Nothing was changed. Run the same command with --yes to do it, and with --reboot to let psw reboot the node (in a role: gpu_nvidia_replace).",
    )
