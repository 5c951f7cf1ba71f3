# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which GPUs psw can use, and the verdict about the node: pure functions over the records of _gpu."""

from __future__ import annotations

from ansible_collections.psw.ai.plugins.module_utils import _gpu_table as table
from ansible_collections.psw.ai.plugins.module_utils._gpu import BEFORE_MAXWELL, device_nodes, find_gpus, own_nodes
from ansible_collections.psw.ai.plugins.module_utils._gpu_notes import about_gpus, about_node
from ansible_collections.psw.ai.plugins.module_utils._gpu_text import secure_boot_state
from ansible_collections.psw.ai.plugins.module_utils._gpu_words import NO_GPU, label, refusal

# What the world sees of a GPU, in the order of the contract.
SHOWN = ("address", "id", "name", "vendor", "arch", "gfx", "integrated", "driver", "vram_mib", "usable_mib", "vram_source", "usable", "reason")


def _engine_keeps(gpu):
    """Tell whether the engine runs on an integrated GPU of this kind."""
    return gpu["vendor"] == "nvidia" or gpu["gfx"] in table.AMD_INTEGRATED_GFX


def accepted_gfx(backend="rocm", override=None):
    """Return the gfx targets that count: those of the engine's ROCm build, and what the user lets in besides. None means any."""
    if backend == "vulkan":
        return None
    major = override.partition(".")[0] if override else None
    return (*table.AMD_GFX, *(gfx for gfx, known in table.AMD_OVERRIDES.items() if known.partition(".")[0] == major))


def _amd_runs(gpu, accepted):
    return gpu["gfx"] in accepted if accepted is not None else gpu["driver"] != "radeon"


def reason(gpu, floor_mib, secure_boot, gfx=table.AMD_GFX):
    """Return the code that decides about one GPU: the first that applies, in the order of the contract."""
    if gpu["vfio"] or gpu["vms"]:
        return "vfio_bound"
    if gpu["integrated"] and not _engine_keeps(gpu):
        return "integrated_only"
    if gpu["arch"] == BEFORE_MAXWELL or (gpu["vendor"] == "amd" and not _amd_runs(gpu, gfx)):
        return "unsupported_arch"
    # NVIDIA's and AMD's drivers will tell the memory of a card that the table does not know; Intel's never do.
    if (gpu["usable_mib"] is None and gpu["vendor"] == "intel") or (gpu["usable_mib"] is not None and gpu["usable_mib"] < floor_mib):
        return "below_vram_floor"
    if gpu["vendor"] == "nvidia" and secure_boot == "enabled":
        return "secure_boot_enabled"
    return "ok"


def judge(gpus, floor_mib, secure_boot, gfx=table.AMD_GFX):
    """Return the GPUs, each with its code and whether that makes it usable."""
    codes = [reason(gpu, floor_mib, secure_boot, gfx) for gpu in gpus]
    return [{**gpu, "usable": code == "ok", "reason": code} for gpu, code in zip(gpus, codes)]


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


def _verdict(code, message, hint):
    return {"supported": code == "ok", "code": code, "message": message, "hint": hint}


def verdict(judged, floor_mib):
    """Return (the node's verdict: supported or not, the code, the sentence, and what to do next; the addresses of the GPUs it speaks of)."""
    if not judged:
        return _verdict("no_gpu", *NO_GPU), []
    _vendor, selected = select(judged)
    if selected:
        cards = [f"{label(gpu)}, {gpu['usable_mib'] or 'unknown'} MiB" for gpu in judged if gpu["address"] in selected]
        return _verdict("ok", f"Usable: {'; '.join(cards)}.", ""), selected
    best = _best(judged)
    return _verdict(best["reason"], *refusal(best, floor_mib)), [best["address"]]


def assess(machine, floor_mib, smi=None, gfx=table.AMD_GFX):
    """Return what gpu_detect says about a machine that was read, and about what its nvidia-smi printed; gfx is as accepted_gfx() returns it."""
    secure_boot = secure_boot_state(machine["efi"], machine["secure_boot"], machine["shim_state"])
    judged = judge(find_gpus(machine, smi), floor_mib, secure_boot, gfx)
    vendor, selected = select(judged)
    said, spoken_of = verdict(judged, floor_mib)
    return {
        "gpus": [{**{key: gpu[key] for key in SHOWN}, "devices": own_nodes(machine, gpu)} for gpu in judged],
        "vendor": vendor,
        "selected": selected,
        "devices": device_nodes(machine, judged, selected),
        "secure_boot": secure_boot,
        "kernel": machine["kernel"],
        "verdict": said,
        "warnings_found": [*about_node(machine, judged, secure_boot), *about_gpus(judged, spoken_of, vendor, floor_mib)],
    }
