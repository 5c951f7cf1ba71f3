# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong with the GPU of a node or in a target, going by the node's record. Pure comparisons; private to the collection.

One fault shows in many places. What follows from a finding is left out, so that the layer that is named is the one that is wrong.
"""

from __future__ import annotations

from ansible_collections.psw.ai.plugins.module_utils._finding import finding, ids
from ansible_collections.psw.ai.plugins.module_utils._gpu import WORKING_DRIVERS
from ansible_collections.psw.ai.plugins.module_utils._gpu_health_cards import LOST, cards, label, own_devices, renamed
from ansible_collections.psw.ai.plugins.module_utils._gpu_health_layers import cdi, closed, missing_devices, toolkit, userspace, wrong_groups
from ansible_collections.psw.ai.plugins.module_utils._nvidia_change import SOURCES

CONVERGE = "psw deploy converge"
NODE_UNIT = "systemctl restart psw-nvidia"
TARGET_UNIT = "systemctl restart psw-nvidia-cdi"
UDEV = "udevadm trigger --settle --subsystem-match=drm --subsystem-match=kfd"
NO_GUEST = "so guests that use it do not start, or start without it"
_GROUPS = ("render", "video")


def _bindings(record, gpus, setup):
    """Return the recorded cards that another driver holds than the one that containers need, or none."""
    wanted, recorded = WORKING_DRIVERS[record["vendor"]], {gpu["address"] for gpu in record["gpus"]}
    return [
        finding("driver_not_bound", f"{label(gpu)} is bound to {gpu['driver'] or 'no driver'}, not to {' or '.join(wanted)}", setup)
        for gpu in gpus
        if gpu["address"] in recorded and gpu["driver"] not in wanted
    ]


def _modules_on_disk(own, driver, upcoming, setup):
    """Return whether the next boot finds a module, with this kernel and with the one that will be booted."""
    found = []
    for name, kernel, what in (("module_on_disk", driver["kernel"], "the running kernel"), ("module_next_kernel", upcoming, "the kernel of the next boot")):
        version = (driver["modules"].get(kernel) or {}).get("version")
        if version in (own["driver_version"], driver["loaded"] or own["driver_version"]) or (name == "module_next_kernel" and kernel == driver["kernel"]):
            continue
        has = f"NVIDIA's module {version} on disk, and {own['driver_version']} is recorded" if version else "no NVIDIA module on disk"
        found.append(finding(name, f"{what}, {kernel}, has {has}: after the next reboot containers would be without the GPU", setup))
    return found


def _loaded_module(own, driver, found, setup):
    """Return what is wrong with the loaded module."""
    if driver["loaded"] is None:
        if ids(found) & {"secure_boot_on", "module_on_disk"}:
            return []
        return [finding("module_not_loaded", "the kernel has no NVIDIA module loaded; see: journalctl -u psw-nvidia", NODE_UNIT, there=True)]
    if driver["loaded"] != own["driver_version"]:
        return [finding("module_version", f"NVIDIA's module {driver['loaded']} is loaded, and {own['driver_version']} is recorded", setup)]
    wanted = own.get("kernel_modules")
    if wanted and driver["loaded_flavour"] != wanted:
        return [finding("module_flavour", f"the {driver['loaded_flavour']} kernel module is loaded, and the {wanted} one is recorded", setup)]
    return []


def _driver_source(own, driver, setup):
    """Return whether the driver came the recorded way: two ways of installing break each other at the next upgrade."""
    if None in (own.get("source"), driver["source"]) or driver["source"] == own["source"]:
        return []
    return [finding("driver_source", f"the driver was installed from {SOURCES[driver['source']]}, and {own['source']} is the recorded source", setup)]


def _nvidia_node(record, facts, setup):
    own, driver, found = record["nvidia"], facts["driver"], []
    if facts["secure_boot"] == "enabled" and record["secure_boot"] != "enabled":
        message = "secure boot was switched on, and with it the kernel rejects NVIDIA's module: switch it off in the firmware setup"
        found.append(finding("secure_boot_on", message, setup))
    found += _modules_on_disk(own, driver, facts["next_kernel"], setup)
    found += _loaded_module(own, driver, found, setup)
    found += userspace(driver["userspace"], [driver["loaded"] or own["driver_version"], own["driver_version"]], setup)
    found += _driver_source(own, driver, setup)
    found += toolkit(own, facts["toolkit"], setup)
    if driver["loaded"] is None:
        return found  # what binds cards, makes device nodes and is described to podman is the module
    found += _bindings(record, facts["gpus"], setup)
    found += missing_devices(facts["devices"], NODE_UNIT, there=True, why=NO_GUEST)
    if not ids(found) & {"driver_not_bound", "module_version", "userspace_version", "toolkit_version", "device_missing"}:
        found += cdi(own, facts["cdi"], driver["loaded"], NODE_UNIT)
    if facts["silent"] and not found:
        message = "nvidia-smi gives no answer although all else fits: the card may have fallen off the bus; see: dmesg | grep -e NVRM -e Xid"
        found.append(finding("driver_silent", message, "systemctl reboot", there=True))
    return found


def _group_numbers(own, groups, setup):
    """Return the groups of GPUs whose numbers are no longer those that were recorded."""
    found = []
    for group in _GROUPS:
        recorded, now = own.get(f"{group}_gid"), groups.get(group)
        if recorded not in (None, now):
            said = "is gone" if now is None else f"has the number {now}"
            found.append(finding("group_changed", f"the group {group} {said}, and {recorded} is recorded; after recording that, run: {CONVERGE}", setup))
    return found


def _compute(record, kfd, setup):
    """Return the AMD cards that ROCm would not find, or not as recorded."""
    found = []
    for gpu in record["gpus"]:
        gfx, recorded = kfd.get(gpu["address"]), record["amd"]["gfx"]
        if gfx is None:
            message = f"{label(gpu)} is not in the kernel's compute topology, so ROCm cannot use it; see: dmesg | grep -e kfd -e amdgpu"
            found.append(finding("compute_missing", message, setup))
        elif gfx != recorded and len(record["gpus"]) == 1:
            found.append(finding("gfx_changed", f"{label(gpu)} is {gfx}, and {recorded} is recorded", setup))
    return found


def _drm_node(record, facts, setup):
    """Return what is wrong with an AMD or Intel GPU: its driver is the kernel's own, so the libraries are not the node's business."""
    own, found = record[record["vendor"]], _bindings(record, facts["gpus"], setup)
    if found:
        return found  # device nodes and topology are the driver's
    found += missing_devices(facts["devices"], setup, there=False, why=NO_GUEST)
    # First the nodes, which a reboot would have put right, then the record.
    found += wrong_groups(facts["devices"], facts["groups"], UDEV, there=True)
    found += _group_numbers(own, facts["groups"], setup)
    with_rocm = record["vendor"] == "amd" and own.get("backend") != "vulkan"
    return found + (_compute(record, facts["kfd"], setup) if with_rocm else [])


def node_findings(record, facts, node):
    """Return everything that is wrong on a node, the deepest layer first."""
    setup = f"psw node setup-gpu {node}"
    found = cards(record, facts["gpus"], setup)
    if ids(found) & LOST:
        return found
    # A card that moved is asked nothing more at its old place.
    there = {gpu["address"] for gpu in facts["gpus"]}
    here = dict(record, gpus=[gpu for gpu in record["gpus"] if gpu["address"] in there])
    # What it was called may be gone, or another card's.
    called = {path for known, _now in own_devices(record, facts["gpus"]).values() for path in known}
    facts = dict(facts, devices={path: device for path, device in facts["devices"].items() if path not in called})
    found += renamed(record, facts["gpus"], setup)
    return found + (_nvidia_node if record["vendor"] == "nvidia" else _drm_node)(here, facts, setup)


def _renumbered(devices, uvm_major):
    """Return the uvm nodes with another number than the kernel gives them now: it changes when the module is loaded again."""
    stale = [path for path, device in devices.items() if device and "uvm" in path and uvm_major not in (None, int(device["number"].partition(":")[0]))]
    if not stale:
        return []
    message = f"{', '.join(stale)} stands for nothing: the kernel's number for nvidia-uvm is {uvm_major} now; a restart of the target passes it through anew"
    return [finding("device_stale", message, "systemctl reboot", there=True)]


def target_findings(record, facts, node):
    """Return everything that is wrong in a target that has the node's GPU."""
    own = record[record["vendor"]]
    # With another card's node in its place, psw-gpu-cards passed the card through under its new name; that it has one is the node's to say.
    found = missing_devices(facts["devices"], CONVERGE, there=False, why="so it is not passed through to this target", inherited=bool(facts["others"]))
    if record["vendor"] != "nvidia":
        return found + wrong_groups(facts["devices"], facts["groups"], CONVERGE, there=False)
    if facts["loaded"] is None:
        message = f"the kernel of {node} has no NVIDIA module loaded, so nothing here can use the GPU"
        return [finding("module_not_loaded", message, f"psw node setup-gpu {node}", inherited=True)]
    found += _renumbered(facts["devices"], facts["uvm_major"])
    found += closed(facts["devices"], CONVERGE)
    found += userspace(facts["userspace"], [facts["loaded"]], CONVERGE)
    found += toolkit(own, facts["toolkit"], CONVERGE)
    return found or cdi(own, facts["cdi"], facts["loaded"], TARGET_UNIT)
