# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sentences about a GPU that cannot be used: what is wrong, and what to do next. Pure functions over the records of _gpu."""

from __future__ import annotations

from ansible_collections.psw.ai.plugins.module_utils import _gpu_table as table
from ansible_collections.psw.ai.plugins.module_utils._gpu_claims import CMDLINE

ANOTHER_CARD = "Put in an NVIDIA (Maxwell or newer), AMD or Intel Arc card with 8 GB or more, then run this again."
NO_GPU = (
    "This node has no NVIDIA, AMD or Intel GPU.",
    f"{ANOTHER_CARD} If there is one, check that it is powered, seated, and shown by lspci.",
)


def label(gpu):
    """Return how messages call a card."""
    return f"{gpu['name']} ({gpu['address']})"


def _vfio(gpu, _floor):
    steps = []
    if gpu["vms"]:
        holders = " and ".join(gpu["vms"])
        held = f"is given to {holders}"
        steps.append(f"remove its hostpci line from {holders}")
    elif gpu["reserved"]:
        held = f"is set aside for VMs by {gpu['reserved']}"
    else:
        held = "is bound to vfio-pci, which keeps it for a VM"
    if gpu["reserved"]:
        steps.append(f"take {gpu['id']} out of {gpu['reserved']}" + ("" if gpu["reserved"] == CMDLINE else " and run update-initramfs -u"))
    elif gpu["vfio"] and not gpu["vms"]:
        steps.append("undo what binds it (driverctl list-overrides, or a script that runs at boot)")
    if gpu["vfio"]:
        steps.append("reboot the node")
    return (
        f"{label(gpu)} {held}, so containers cannot use it.",
        f"psw never takes a card away from a VM. To use it here: {'; '.join(steps)}; then run this again. Or put in a second card.",
    )


def _integrated(gpu, _floor):
    return f"{label(gpu)} is an integrated GPU, and the engine does not run on it.", ANOTHER_CARD


def _unknown_gfx(gpu):
    if gpu["driver"] == "radeon":
        return f"{label(gpu)} is so old that only the radeon driver knows it, which has no compute.", ANOTHER_CARD
    if gpu["driver"] == "amdgpu":
        return (
            f"{label(gpu)} has an unknown gfx target: amdgpu drives it, but offers no compute node for it in /sys/class/kfd.",
            f"See why in dmesg | grep kfd; often the slot lacks PCIe atomics, and another slot has them. Or: {ANOTHER_CARD}",
        )
    return (
        f"{label(gpu)} has an unknown gfx target, so nobody can say whether the engine runs on it.",
        "Load its driver (modprobe amdgpu), which tells the target, and run this again.",
    )


def _arch(gpu, _floor):
    if gpu["vendor"] == "nvidia":
        return f"{label(gpu)} is older than NVIDIA's Maxwell generation, and no driver that containers need supports it.", ANOTHER_CARD
    if gpu["gfx"] is None:
        return _unknown_gfx(gpu)
    override = table.AMD_OVERRIDES.get(gpu["gfx"])
    relative = f"as a relative that it supports, with gpu: {{gfx_override: {override}}}, or " if override else ""
    chance = f"You can let the engine try it, without any promise, in psw.yml: {relative}without ROCm, with gpu: {{backend: vulkan}}. Or: "
    return (
        f"{label(gpu)} is {gpu['gfx']}, which the engine's ROCm build does not support; it supports {', '.join(sorted(table.AMD_GFX))}.",
        chance + ANOTHER_CARD,
    )


def _floor(gpu, floor_mib):
    if gpu["usable_mib"] is None:
        return (
            f"Nobody can say how much memory {label(gpu)} has: psw does not know this card, and its driver does not tell. {floor_mib} MiB are needed.",
            f"A newer psw may know it. Or: {ANOTHER_CARD}",
        )
    return f"{label(gpu)} has {gpu['usable_mib']} MiB of memory, and {floor_mib} MiB are needed.", ANOTHER_CARD


def _secure_boot(gpu, _floor):
    enrol = "mokutil --import /var/lib/dkms/mok.pub, reboot, confirm it in MokManager on the console"
    limit = "psw sets up no NVIDIA card while secure boot is on, enrolled key or not"
    other = f"The other way, to enrol the key that signs the module ({enrol}), is yours alone: {limit}."
    return (
        f"Secure boot is on, and the kernel would reject the NVIDIA module that {label(gpu)} needs.",
        f"Turn secure boot off in the firmware setup, then run this again. {other}",
    )


SENTENCES = {
    "vfio_bound": _vfio,
    "integrated_only": _integrated,
    "unsupported_arch": _arch,
    "below_vram_floor": _floor,
    "secure_boot_enabled": _secure_boot,
}


def refusal(gpu, floor_mib):
    """Return (message, hint) for a GPU that is refused."""
    return SENTENCES[gpu["reason"]](gpu, floor_mib)
