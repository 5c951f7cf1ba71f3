# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which GPUs psw can use, and the sentence that says why not: pure functions over the records of _gpu."""

from __future__ import annotations

from ansible_collections.psw.ai.plugins.module_utils import _gpu_table as table
from ansible_collections.psw.ai.plugins.module_utils._gpu import BEFORE_MAXWELL

ANOTHER_CARD = "Put in an NVIDIA (Maxwell or newer), AMD or Intel Arc card with 8 GB or more, then run this again."


def label(gpu):
    """Return how messages call a card."""
    return f"{gpu['name']} ({gpu['address']})"


def _engine_keeps(gpu):
    """Tell whether the engine runs on an integrated GPU of this kind."""
    return gpu["vendor"] == "nvidia" or gpu["gfx"] in table.AMD_INTEGRATED_GFX


def reason(gpu, floor_mib, secure_boot):
    """Return the code that decides about one GPU: the first that applies, in the order of the contract."""
    if gpu["vfio"] or gpu["vm"]:
        return "vfio_bound"
    if gpu["integrated"] and not _engine_keeps(gpu):
        return "integrated_only"
    if gpu["arch"] == BEFORE_MAXWELL or (gpu["vendor"] == "amd" and gpu["gfx"] not in table.AMD_GFX):
        return "unsupported_arch"
    if gpu["usable_mib"] is not None and gpu["usable_mib"] < floor_mib:
        return "below_vram_floor"
    if gpu["vendor"] == "nvidia" and secure_boot == "enabled":
        return "secure_boot_enabled"
    return "ok"


def judge(gpus, floor_mib, secure_boot):
    """Return the GPUs as the contract shows them, each with its verdict."""
    judged = []
    for gpu in gpus:
        code = reason(gpu, floor_mib, secure_boot)
        shown = {key: value for key, value in gpu.items() if key not in ("vm", "vfio")}
        judged.append({**shown, "usable": code == "ok", "reason": code})
    return judged


def select(judged):
    """Return (vendor, addresses) of the GPUs to use: the vendor with the most usable memory, NVIDIA when two are even."""
    memory = {}
    for gpu in judged:
        if gpu["usable"]:
            memory[gpu["vendor"]] = memory.get(gpu["vendor"], 0) + (gpu["usable_mib"] or 0)
    if not memory:
        return None, []
    vendor = max(memory, key=lambda name: (memory[name], name == "nvidia", name))
    return vendor, [gpu["address"] for gpu in judged if gpu["usable"] and gpu["vendor"] == vendor]


def _best(gpus):
    """Return the GPU an owner would ask about: a card before an integrated one, then the one with the most memory."""
    return max(gpus, key=lambda gpu: (not gpu["integrated"], gpu["usable_mib"] or 0, gpu["vendor"] == "nvidia"))


def _vfio(gpu, _floor):
    held = f"is given to {gpu['vm']}" if gpu["vm"] else "is bound to vfio-pci, which keeps it for a VM"
    ways = "Remove its hostpci line from that VM" if gpu["vm"] else "Remove it from /etc/modprobe.d (vfio-pci ids)"
    return (
        f"{label(gpu)} {held}, so containers cannot use it.",
        f"psw never takes a card away from a VM. {ways}, reboot the node and run this again; or put in a second card.",
    )


def _integrated(gpu, _floor):
    return f"{label(gpu)} is an integrated GPU, and the engine does not run on it.", ANOTHER_CARD


def _arch(gpu, _floor):
    if gpu["vendor"] == "nvidia":
        return f"{label(gpu)} is older than NVIDIA's Maxwell generation, and no driver that containers need supports it.", ANOTHER_CARD
    if gpu["gfx"] is None:
        return (
            f"{label(gpu)} has an unknown gfx target, so nobody can say whether the engine runs on it.",
            "Load its driver (modprobe amdgpu), which tells the target, and run this again.",
        )
    override = table.AMD_OVERRIDES.get(gpu["gfx"])
    chance = f"The engine may run it as a relative with HSA_OVERRIDE_GFX_VERSION={override}, without any promise and not set by psw; or: " if override else ""
    return (
        f"{label(gpu)} is {gpu['gfx']}, which the engine's ROCm build does not support; it supports {', '.join(sorted(table.AMD_GFX))}.",
        chance + ANOTHER_CARD,
    )


def _floor(gpu, floor_mib):
    return f"{label(gpu)} has {gpu['usable_mib']} MiB of memory, and {floor_mib} MiB are needed.", ANOTHER_CARD


def _secure_boot(gpu, _floor):
    enrol = "mokutil --import /var/lib/dkms/mok.pub, reboot, confirm it in MokManager on the console"
    other = f"The other way, to enrol the key that signs the module ({enrol}), is one that psw cannot follow yet."
    return (
        f"Secure boot is on, and the kernel would reject the NVIDIA module that {label(gpu)} needs.",
        f"Turn secure boot off in the firmware setup, then run this again. {other}",
    )


_SENTENCES = {
    "vfio_bound": _vfio,
    "integrated_only": _integrated,
    "unsupported_arch": _arch,
    "below_vram_floor": _floor,
    "secure_boot_enabled": _secure_boot,
}


def verdict(gpus, judged, floor_mib):
    """Return the node's verdict: supported or not, the code, the sentence, and what to do next."""
    if not gpus:
        return {
            "supported": False,
            "code": "no_gpu",
            "message": "This node has no NVIDIA, AMD or Intel GPU.",
            "hint": f"{ANOTHER_CARD} If there is one, check that it is powered, seated, and shown by lspci.",
        }
    _vendor, selected = select(judged)
    if selected:
        cards = [f"{label(gpu)}, {gpu['usable_mib'] or 'unknown'} MiB" for gpu in judged if gpu["address"] in selected]
        return {"supported": True, "code": "ok", "message": f"Usable: {'; '.join(cards)}.", "hint": ""}
    best = _best(gpus)
    code = next(gpu["reason"] for gpu in judged if gpu["address"] == best["address"])
    message, hint = _SENTENCES[code](best, floor_mib)
    return {"supported": False, "code": code, "message": message, "hint": hint}
