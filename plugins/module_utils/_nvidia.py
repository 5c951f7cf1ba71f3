# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""NVIDIA's driver on one system: what is there, and what has to be done. Pure functions apart from look(); private to the collection."""

from __future__ import annotations

import fnmatch
import os
import re

from ansible_collections.psw.ai.plugins.module_utils._gpu import KERNELS_OWN
from ansible_collections.psw.ai.plugins.module_utils._gpu_sysfs import read_text
from ansible_collections.psw.ai.plugins.module_utils._gpu_text import parse_loaded
from ansible_collections.psw.ai.plugins.module_utils._packages import parse_query
from ansible_collections.psw.ai.plugins.module_utils._programs import run_together

RUN, REPOSITORY = "run", "nvidia_repo"  # where a driver may come from: NVIDIA's installer, or packages
LIBRARY = "usr/lib/x86_64-linux-gnu/libcuda.so.1"
UNINSTALLER = "usr/bin/nvidia-uninstall"
NO_MODULES = "none"
NONE = {"version": None, "flavour": None}
# What a driver consists of as packages. The container toolkit is not the driver, nor is firmware that Debian ships for nouveau.
PACKAGES = (
    "cuda-drivers*", "firmware-nvidia-gsp*", "libcuda1", "libcudadebugger1", "libegl-nvidia*", "libgl1-nvidia-*", "libgles-nvidia*", "libglx-nvidia*",
    "libnvcuvid1", "libnvidia-*", "libnvoptix1", "nvidia-*", "xserver-xorg-video-nvidia*",
)  # fmt: skip
_TOOLKIT = re.compile(r"^(lib)?nvidia-container")
_DRIVER = re.compile(r"^(libcuda1|nvidia-kernel-.*dkms|nvidia-.*-kernel-dkms|nvidia-open.*|nvidia-driver.*)$")  # the rest are helpers
_QUERY = ["dpkg-query", "--show", "--showformat=${Package} ${db:Status-Status} ${Version}\\n", *PACKAGES]
# Packages by which kernels to come arrive, one per series, and what brings their headers. Proxmox's default follows one series alone.
_SERIES = re.compile(r"^proxmox-kernel-(\d+\.\d+)$")
_DEBIANS = ("linux-image-amd64", "linux-headers-amd64")
_KERNELS = ("proxmox-kernel-*", "proxmox-headers-*", *_DEBIANS)


def of_a_driver(package):
    """Tell whether a package is part of a driver."""
    return not _TOOLKIT.match(package) and any(fnmatch.fnmatchcase(package, pattern) for pattern in PACKAGES)


def library_version(path):
    """Return the full version at the end of a library's file name: libcuda.so.580.159.04 is 580.159.04."""
    found = re.search(r"\.so\.(\d+(?:\.\d+)+)$", path or "")
    return found.group(1) if found else None


def flavour_of(licence):
    """Return the flavour of a module on disk from its licence."""
    if not licence:
        return None
    return "open" if "GPL" in licence else "proprietary"


def headers_to_follow(installed, kernel):
    """Return the packages that are missing to bring the headers of each kernel to come; Debian's kernels count where one of them runs."""
    wanted = [f"proxmox-headers-{found.group(1)}" for found in map(_SERIES.match, sorted(installed)) if found]
    image, headers = _DEBIANS
    if image in installed and not kernel.endswith("-pve"):
        wanted.append(headers)
    return [name for name in wanted if name not in installed]


def look(root="/"):
    """Return what is installed: userspace version, modules per kernel, what is loaded, and what the kernel's own driver holds."""

    def at(path):
        return os.path.join(root, path)

    kernel = read_text(at("proc/sys/kernel/osrelease"))
    try:
        # A directory without modules.order is what a removed kernel left behind.
        names = os.listdir(at("lib/modules"))
        kernels = sorted(name for name in names if name == kernel or (name.endswith("-pve") and os.path.exists(at(f"lib/modules/{name}/modules.order"))))
    except OSError:
        kernels = []
    questions = [["modinfo", "-k", name, "-F", field, "nvidia"] for name in kernels for field in ("version", "license")]
    packages, *said = run_together([*_QUERY, *_KERNELS], *questions)
    answers = [done.out.strip() or None for done in said]
    loaded, flavour = parse_loaded(read_text(at("proc/driver/nvidia/version")))
    library = os.path.realpath(at(LIBRARY))
    installed = parse_query(packages.out)
    driver_packages = sorted(filter(of_a_driver, installed))
    return {
        "kernel": kernel,
        "userspace": library_version(library) if os.path.exists(library) else None,
        "source": RUN if os.path.lexists(at(UNINSTALLER)) else REPOSITORY if any(map(_DRIVER.match, driver_packages)) else None,
        "packages": driver_packages,
        "modules": {name: {"version": answers[2 * n], "flavour": flavour_of(answers[2 * n + 1])} for n, name in enumerate(kernels)},
        "headers": [name for name in kernels if os.path.isdir(at(os.path.join("lib/modules", name, "build")))],
        "headers_to_follow": headers_to_follow(installed, kernel or ""),
        "loaded": loaded,
        "loaded_flavour": flavour,
        "held": _held(at("sys/bus/pci/drivers")),
    }


def _held(directory):
    """Return {address: module} of the cards that one of the kernel's own drivers has."""
    found = {}
    for driver, module in KERNELS_OWN.items():
        try:
            found.update({name: module for name in sorted(os.listdir(os.path.join(directory, driver))) if ":" in name})
        except OSError:
            continue
    return found


def plan(found, version, kernel_modules, source):
    """Return what there is to do: the source to leave, whether to run NVIDIA's installer, kernels to build for, whether to load, whether to link libraries.

    Packages that are complete bring no libraries back that somebody hid behind others: the names that programs load are linked anew.
    """
    wanted = {"version": version, "flavour": kernel_modules}
    leave = found["source"] if found["source"] not in (None, source) else None
    install = source == RUN and (found["userspace"] != version or leave is not None)
    link = source == REPOSITORY and found["userspace"] != version
    if kernel_modules == NO_MODULES:
        return {"leave": leave, "install": install, "build": [], "load": False, "link": link}
    install = install or (source == RUN and found["modules"].get(found["kernel"]) != wanted)
    # NVIDIA's installer builds for the running kernel itself.
    others = [name for name in found["modules"] if not (install and name == found["kernel"])]
    build = [name for name in others if install or leave or found["modules"][name] != wanted]
    return {"leave": leave, "install": install, "build": build, "load": found["loaded"] is None, "link": link}


def state(found):
    """Return (version, kernel modules, source) of the driver that is installed; None for what is not there."""
    return found["userspace"], found["modules"].get(found["kernel"], NONE)["flavour"], found["source"]


def reboot_reason(found, version, kernel_modules):
    """Say why only a reboot makes this driver work; an empty text when none is needed."""
    if kernel_modules == NO_MODULES:
        return ""
    if found["held"] and found["loaded"] is None:
        holders = " and ".join(sorted(set(found["held"].values())))
        return f"The {holders} driver holds {', '.join(found['held'])}; it is switched off from the next boot on."
    loaded = (found["loaded"], found["loaded_flavour"])
    if found["loaded"] is not None and loaded != (version, kernel_modules):
        return f"NVIDIA driver {version} ({kernel_modules} kernel modules) is installed, but {loaded[0]} ({loaded[1]}) is still loaded."
    return ""


def what_is_there(found):
    """Say what a run that failed leaves behind."""
    version, flavour, _source = state(found)
    if version is None:
        return "This machine has no NVIDIA driver now; run the same command again once the cause is gone."
    modules = f"its {flavour} module for the running kernel" if flavour else "no module for the running kernel"
    return f"This machine has NVIDIA driver {version} now, with {modules}; run the same command again once the cause is gone."


def describe(version, kernel_modules, kernels, source):
    """Return a state as text, for diffs."""
    if version is None:
        return ""
    lines = [f"driver: {version} ({source})", *(f"module for {kernel}: {kernel_modules}" for kernel in kernels)]
    return "".join(f"{line}\n" for line in lines)


def describe_found(found, kernel_modules):
    """Return the present state as text, for diffs."""
    if kernel_modules == NO_MODULES:
        return describe(found["userspace"], NO_MODULES, [], found["source"])
    lines = [f"driver: {found['userspace']} ({found['source']})"] if found["userspace"] else []
    for kernel, module in found["modules"].items():
        if module["version"]:
            same = module["version"] == found["userspace"]
            lines.append(f"module for {kernel}: {module['flavour']}" + ("" if same else f" {module['version']}"))
    return "".join(f"{line}\n" for line in lines)
