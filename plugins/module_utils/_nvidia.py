# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""NVIDIA's driver on one system: what is there, and what has to be done. Pure functions apart from look(); private to the collection."""

from __future__ import annotations

import os
import re

from ansible_collections.psw.ai.plugins.module_utils._errors import PswModuleError
from ansible_collections.psw.ai.plugins.module_utils._gpu_sysfs import read_text
from ansible_collections.psw.ai.plugins.module_utils._programs import run_together

LIBRARY = "usr/lib/x86_64-linux-gnu/libcuda.so.1"
UNINSTALLER = "usr/bin/nvidia-uninstall"
NO_MODULES = "none"


def library_version(path):
    """Return the full version at the end of a library's file name: libcuda.so.580.159.04 is 580.159.04."""
    found = re.search(r"\.so\.(\d+(?:\.\d+)+)$", path or "")
    return found.group(1) if found else None


def parse_loaded(text):
    """Return (version, flavour) of the loaded module from /proc/driver/nvidia/version; (None, None) when none is loaded."""
    found = re.search(r"^NVRM version: (.*)  (\d+(?:\.\d+)+)  ", text or "", re.MULTILINE)
    if not found:
        return None, None
    return found.group(2), "open" if "Open Kernel Module" in found.group(1) else "proprietary"


def flavour_of(licence):
    """Return the flavour of a module on disk from its licence."""
    if not licence:
        return None
    return "open" if "GPL" in licence else "proprietary"


def look(root="/"):
    """Return what is installed: userspace version, modules per kernel, what is loaded, and what nouveau holds."""

    def at(path):
        return os.path.join(root, path)

    kernel = read_text(at("proc/sys/kernel/osrelease"))
    try:
        kernels = sorted(name for name in os.listdir(at("lib/modules")) if name.endswith("-pve") or name == kernel)
    except OSError:
        kernels = []
    questions = [["modinfo", "-k", name, "-F", field, "nvidia"] for name in kernels for field in ("version", "license")]
    answers = [done.out.strip() or None for done in run_together(*questions)]
    loaded, flavour = parse_loaded(read_text(at("proc/driver/nvidia/version")))
    library = os.path.realpath(at(LIBRARY))
    return {
        "kernel": kernel,
        "userspace": library_version(library) if os.path.exists(library) else None,
        "by_run": os.path.lexists(at(UNINSTALLER)),
        "modules": {name: {"version": answers[2 * n], "flavour": flavour_of(answers[2 * n + 1])} for n, name in enumerate(kernels)},
        "headers": [name for name in kernels if os.path.isdir(at(os.path.join("lib/modules", name, "build")))],
        "loaded": loaded,
        "loaded_flavour": flavour,
        "nouveau": _held_by_nouveau(at("sys/bus/pci/drivers/nouveau")),
    }


def _held_by_nouveau(directory):
    try:
        return sorted(name for name in os.listdir(directory) if ":" in name)
    except OSError:
        return []


def plan(found, version, kernel_modules):
    """Return {install, build, load}: whether to run the installer, the kernels to build for besides, whether to load the module."""
    wanted = {"version": version, "flavour": kernel_modules}
    install = found["userspace"] != version
    if kernel_modules == NO_MODULES:
        return {"install": install, "build": [], "load": False}
    install = install or found["modules"].get(found["kernel"]) != wanted
    build = [name for name, module in found["modules"].items() if name != found["kernel"] and (install or module != wanted)]
    return {"install": install, "build": build, "load": found["loaded"] is None}


def nouveau_first(found, todo, kernel_modules):
    """Tell whether the kernel's own driver holds a card, so that a reboot must come before the installation."""
    return bool(found["nouveau"]) and todo["install"] and kernel_modules != NO_MODULES


def refuse(found, version, kernel_modules):
    """Raise for what would fail half way, before anything is touched."""
    if kernel_modules == NO_MODULES and found["loaded"] not in (None, version):
        raise PswModuleError(
            f"the node runs NVIDIA {found['loaded']}, so libraries of {version} would not work here. If {version} is recorded for the node, "
            "run psw node setup-gpu for it, and then this again"
        )
    if found["userspace"] and not found["by_run"]:
        raise PswModuleError(
            f"NVIDIA driver {found['userspace']} was installed from packages, and two ways of installing break each other. "
            "Remove those packages (apt-get purge 'nvidia-*' 'libcuda1' 'libnvidia-*'; do not autoremove) and run this again"
        )


def refuse_headers(found, todo, kernel_modules):
    """Raise when a module is to be built for a kernel whose headers are missing."""
    if kernel_modules == NO_MODULES or not (todo["install"] or todo["build"]):
        return
    lacking = [name for name in [found["kernel"], *todo["build"]] if name not in found["headers"]]
    if lacking:
        raise PswModuleError(
            f"the headers of kernel {lacking[0]} are missing, so its module cannot be built. "
            f"Install proxmox-headers-{lacking[0]}, or remove that kernel, and run this again"
        )


def reboot_reason(found, version, kernel_modules):
    """Say why only a reboot makes this driver work; an empty text when none is needed."""
    if kernel_modules == NO_MODULES:
        return ""
    if found["nouveau"] and found["loaded"] is None:
        return f"The nouveau driver holds {', '.join(found['nouveau'])}; it is switched off from the next boot on."
    loaded = (found["loaded"], found["loaded_flavour"])
    if found["loaded"] is not None and loaded != (version, kernel_modules):
        return f"NVIDIA driver {version} ({kernel_modules} kernel modules) is installed, but {loaded[0]} ({loaded[1]}) is still loaded."
    return ""


def describe(version, kernel_modules, kernels):
    """Return a state as text, for diffs."""
    if version is None:
        return ""
    lines = [f"driver: {version}", *(f"module for {kernel}: {kernel_modules}" for kernel in kernels)]
    return "".join(f"{line}\n" for line in lines)


def describe_found(found, kernel_modules):
    """Return the present state as text, for diffs."""
    if kernel_modules == NO_MODULES:
        return describe(found["userspace"], NO_MODULES, [])
    lines = [f"driver: {found['userspace']}"] if found["userspace"] else []
    for kernel, module in found["modules"].items():
        if module["version"]:
            same = module["version"] == found["userspace"]
            lines.append(f"module for {kernel}: {module['flavour']}" + ("" if same else f" {module['version']}"))
    return "".join(f"{line}\n" for line in lines)
