# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What would make NVIDIA's driver fail half way, said before anything is touched, and in check mode as well; private to the collection."""

from __future__ import annotations

import re

from ansible_collections.psw.ai.plugins.module_utils import _boot_images, _nvidia_packages, _nvidia_strays, _packages
from ansible_collections.psw.ai.plugins.module_utils._errors import ModuleRefusal
from ansible_collections.psw.ai.plugins.module_utils._gpu_sysfs import read_text
from ansible_collections.psw.ai.plugins.module_utils._nvidia import NO_MODULES, REPOSITORY

_HEADERS = "proxmox-headers-"


def refuse_other_driver(found, version):
    """Raise in a container whose node runs another driver: its libraries would not work there, be they here already or not."""
    if found["loaded"] not in (None, version):
        loaded = found["loaded"]
        # Of another branch psw may know nothing, as of Debian's own.
        stay = f", with --driver-version {loaded} to keep the one that is there" if loaded.split(".")[0] == version.split(".")[0] else ""
        raise ModuleRefusal(
            "module_version",
            f"the node runs NVIDIA driver {loaded}, and libraries of {version}, which is recorded for it, do not work with that",
            f"run psw node setup-gpu NODE to have the recorded driver back{stay}",
        )


def _numbers(text):
    """Return the numbers that a version begins with; a kernel of Debian's is called 6.12.48+deb13-amd64."""
    return tuple(map(int, re.match(r"\d+(?:\.\d+)*", text).group().split(".")))


def refuse_kernels(found, version, least_versions):
    """Raise when an installed kernel, running or not, needs a later point release: its module could not be built."""
    for kernel in found["modules"]:
        for series, least in least_versions.items():
            if _numbers(kernel)[:2] < _numbers(series):
                continue
            if least is None:
                branch = version.split(".")[0]
                raise ModuleRefusal(
                    "driver_too_old_for_kernel",
                    f"No version of NVIDIA's driver branch {branch} is known to build on kernel {kernel}, which is installed.",
                    "Ask for another branch (psw node setup-gpu NODE --driver-branch 580), or remove that kernel.",
                )
            if _numbers(version) < _numbers(least):
                raise ModuleRefusal(
                    "driver_too_old_for_kernel",
                    f"NVIDIA driver {version} does not build on kernel {kernel}, which is installed; {least} is the first that does.",
                    f"Ask for that version (psw node setup-gpu NODE --driver-version {least}), or remove that kernel.",
                )


def refuse_release(release, os_release):
    """Raise when packages are made for another Debian release than this machine's."""
    here = re.search(r'^VERSION_ID="?([^"\n]+)', os_release or "", re.MULTILINE)
    if release and here and here.group(1) != release:
        raise ModuleRefusal(
            "wrong_debian_release",
            f"This machine runs Debian {here.group(1)}, and NVIDIA's repository is the one for Debian {release}.",
            "Take the driver from NVIDIA's .run file (--driver-branch 580 --driver-source run), or upgrade the node.",
        )


def refuse_foreign_kernel(found):
    """Raise when the running kernel is not Proxmox VE's and has no headers: psw does not choose packages for kernels that it does not know."""
    kernel = found["kernel"]
    if kernel.endswith("-pve") or kernel in found["headers"]:
        return
    raise ModuleRefusal(
        "kernel_headers_missing",
        f"This node runs kernel {kernel}, which is not one of Proxmox VE's, and /lib/modules/{kernel}/build, its headers, is not there, "
        "so the driver cannot be built for it.",
        "Boot a kernel of Proxmox VE (apt-get install proxmox-default-kernel, then reboot; proxmox-boot-tool kernel list shows those that are there) "
        f"and run this again. To keep this one, install its headers yourself (on Debian: apt-get install linux-headers-{kernel}).",
    )


def _without_headers(kernel, lacking):
    """Say what to do about kernels for which Proxmox VE has no headers, or none any more."""
    if kernel in lacking:
        return "It is the running one: upgrade the node to a kernel of its release (apt-get update && apt-get dist-upgrade), reboot, and run this again."
    purge = " ".join(f"proxmox-kernel-{name}-signed" for name in lacking)
    return f"If you no longer boot it, as after an upgrade from Proxmox VE 8, remove it: apt-get purge {purge}. Then run this again."


def refuse_headers(kernel, lacking, trouble, way_out):
    """Raise for headers that nobody offers: no module can be built for their kernels. A node without Proxmox VE's packages has a way out of its own."""
    if not lacking:
        return
    kernels = [name[len(_HEADERS) :] for name in lacking if name.startswith(_HEADERS)]
    names = f"{_packages.PROXMOX_SIGN}, which brings the headers of the next kernel"
    if kernels:
        names = f"the headers ({_HEADERS}…) of kernel {', '.join(kernels)}, which is installed"
    why = f" apt could not fetch all package lists: {trouble}" if trouble else ""
    message = f"No package source of this machine has {names}, so the driver cannot be built for it.{why}"
    raise ModuleRefusal("kernel_headers_missing", message, way_out or _without_headers(kernel, kernels))


def _lacking_headers(steps):
    """Return (headers that are wished for and offered by nobody, why that may be, what to do about it)."""
    wished = [step.target for step in steps if step.op == "wish for package" and step.target.startswith((_HEADERS, _packages.PROXMOX_SIGN))]
    return _packages.unknown(wished, _packages.PROXMOX_SIGN)


def refuse(params, found, todo, steps):
    """Raise for the first thing that stands in the way of what is to be done; nothing is changed by looking."""
    if todo["leave"] == REPOSITORY:
        _nvidia_packages.simulate(found["packages"])
    _nvidia_strays.refuse(params, found, todo)
    if params["kernel_modules"] == NO_MODULES:
        return
    refuse_kernels(found, params["version"], params["least_versions"])
    if params["source"] == REPOSITORY:
        refuse_release(params["release"], read_text("/etc/os-release"))
    if found["held"] and _boot_images.stale(params["files"], steps):
        _boot_images.refuse_full()
    if params["headers"] and (todo["install"] or found["kernel"] in todo["build"]):
        refuse_foreign_kernel(found)
    refuse_headers(found["kernel"], *_lacking_headers(steps))
