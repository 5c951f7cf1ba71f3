# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The order in which a driver and what belongs to it come onto a machine; private to the collection."""

from __future__ import annotations

from ansible_collections.psw.ai.plugins.module_utils import _apt_keys, _boot_images, _nvidia, _nvidia_install, _nvidia_packages, _nvidia_strays, _packages
from ansible_collections.psw.ai.plugins.module_utils import _steps as plan_steps
from ansible_collections.psw.ai.plugins.module_utils._errors import PswModuleError
from ansible_collections.psw.ai.plugins.module_utils._host_state import perform

_DOES_NOT_BUILD = "Error! Bad return status for module build"  # DKMS's words
_OTHER_VERSION = (
    "The module does not build on that kernel. Where the log shows that the kernel is too new for it, ask for a later version (psw node setup-gpu NODE "
    "--driver-version VERSION; with --driver-source run, also for one that the repository lacks)."
)
_PACKAGES = ("wish for package", "install")
_AFTER_DRIVER = ("remove", "note", "reload", "start", "stop", "restart", "enable", "disable", "mask", "unmask")
_ONLY_WHEN_LOADED = ("start", "stop", "restart")


def split(steps, restarts):
    """Return (what apt reads, packages and other files, what needs the driver): units, and the files for which units are restarted.

    Those files come late together with the note of owed restarts: a driver that fails must leave no restart behind that fails before it.
    """
    late = [step for step in steps if step.op in _AFTER_DRIVER or restarts.get(step.target)]
    early = [step for step in steps if step not in late]
    packages = next((n for n, step in enumerate(early) if step.op in _PACKAGES), 0)
    return early[:packages], early[packages:], late


def tools_first(steps):
    """Return the steps with compiler, DKMS and headers installed before the driver's packages, which build modules while apt configures them."""
    ordered = []
    for step in steps:
        tools = [name for name in step.args["names"] if not _nvidia.of_a_driver(_packages.split(name)[0])] if step.op == "install" else []
        if tools and tools != step.args["names"]:
            ordered.append(plan_steps.Step("install", " ".join(tools), dict(step.args, names=tools)))
        ordered.append(step)
    return ordered


def _installer(params, todo):
    """Return the checked installer, when one is needed: before anything is removed."""
    if not todo["install"]:
        return None
    version = params["version"]
    return _nvidia_install.download("/".join([params["base_url"].rstrip("/"), version, _nvidia_install.file_name(version)]), params["cache"])


def _driver(params, found, installer):
    """Bring the driver itself to its version; each step leaves something that the next run finds."""
    version, kernel_modules = params["version"], params["kernel_modules"]
    todo = _nvidia.plan(found, version, kernel_modules, params["source"])
    if todo["install"]:
        _nvidia_install.install(installer, _nvidia_install.options(kernel_modules, found["loaded"] is not None, params["cache"]))
        _nvidia_install.remove(installer)
    if todo["link"]:
        _nvidia_strays.link(version)
    for kernel in todo["build"]:
        _nvidia_install.build(version, kernel)
    if todo["load"] and not found["held"]:
        _nvidia_install.load()


def carry_out(params, keys, steps, found):
    """Do it all. What is downloaded comes first and what is removed comes late, so that a run that fails early leaves the old driver working."""
    version, kernel_modules, source = params["version"], params["kernel_modules"], params["source"]
    todo = _nvidia.plan(found, version, kernel_modules, source)
    restarts = {entry["path"]: entry["restart"] for entry in params["files"]}
    repository, packages, late = split(steps, restarts)
    held = bool(found["held"]) and kernel_modules != _nvidia.NO_MODULES
    plan_steps.carry_out(keys, _apt_keys.DOERS)
    perform(repository)
    installer = None if held else _installer(params, todo)
    try:
        if todo["leave"]:
            wanted = next((step.args["names"] for step in packages if step.op == "install"), [])
            if wanted:
                _nvidia_packages.fetch(wanted)
            _nvidia_packages.leave(todo["leave"], found["packages"])
        perform(tools_first(packages))
        if held and _boot_images.stale(params["files"], []):
            _boot_images.rebuild(params["files"])
        if not (held and source == _nvidia.RUN):  # NVIDIA's installer refuses to run beside nouveau
            _driver(params, _nvidia.look(), installer)
    except PswModuleError as exc:
        way_out = f"\n{_OTHER_VERSION}" if _DOES_NOT_BUILD in str(exc) else ""
        raise PswModuleError(f"{exc}{way_out}\n{_nvidia.what_is_there(_nvidia.look())}") from exc
    owed = _nvidia.reboot_reason(_nvidia.look(), version, kernel_modules)
    perform([step for step in late if not (owed and step.op in _ONLY_WHEN_LOADED)])
