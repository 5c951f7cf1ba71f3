# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From what a node's files say to a list of GPUs: pure functions, text in, records out."""

from __future__ import annotations

from ansible_collections.psw.ai.plugins.module_utils import _gpu_table as table
from ansible_collections.psw.ai.plugins.module_utils._gpu_claims import claimed_by, claims, reservations
from ansible_collections.psw.ai.plugins.module_utils._gpu_text import field, hex_number, kfd_gfx, mib, number, parse_smi, printable, without_maker

VENDORS = {"10de": "nvidia", "1002": "amd", "8086": "intel"}
BRANDS = {"nvidia": "NVIDIA", "amd": "AMD", "intel": "Intel"}
# The drivers that give a card to containers; the first is the one to ask for.
WORKING_DRIVERS = {"nvidia": ("nvidia",), "amd": ("amdgpu",), "intel": ("xe", "i915")}
# The kernel's own drivers for NVIDIA's cards, which take them first: what /sys/bus/pci/drivers calls them, and modprobe.
KERNELS_OWN = {"nouveau": "nouveau", "NovaCore": "nova_core", "nova-core": "nova_core"}
BEFORE_MAXWELL = "before Maxwell"
NVIDIA_SHARED_NODES = ["/dev/nvidiactl", "/dev/nvidia-uvm", "/dev/nvidia-uvm-tools"]
_DISPLAY = "0x03"
_GIB_MIB = 1024


def nvidia_arch(device):
    """Return the architecture of an NVIDIA device number that is not in the table, from the block it lies in."""
    return next(arch for first, arch in reversed(table.NVIDIA_BLOCKS) if int(device, 16) >= first)


def is_gpu(device):
    """Tell whether a display or accelerator is a GPU: those of management controllers and virtual machines have other makers."""
    vendor = hex_number(device["vendor"])
    if vendor not in VENDORS or hex_number(device["device"]) is None or device["virtual_function"]:
        return False
    # Intel's processing accelerators are NPUs.
    return VENDORS[vendor] != "intel" or device["class"].startswith(_DISPLAY)


def _is_integrated(vendor, address, device, card):
    """Tell an integrated GPU from a card, for ids that are not in the table."""
    if vendor == "intel":
        return address.startswith("0000:00:")
    if vendor == "nvidia":
        return bool(card and card["shared"])
    if device["mem_info_vram_vendor"] is None and device["board_info"] is None:
        # The engine's own rule: a small carve-out beside a large pool of shared memory.
        vram, gtt = mib(device["mem_info_vram_total"]) or 0, mib(device["mem_info_gtt_total"]) or 0
        return 0 < vram <= 4 * _GIB_MIB and gtt >= max(8 * _GIB_MIB, 4 * vram)
    return False


def _memory(gpu, device, card, sizes, meminfo):
    """Return (vram, usable, source) in MiB; None is 'nobody knows yet'. The driver wins over sysfs, and sysfs over the table."""
    vram, source = (sizes[0], "table") if sizes else (None, None)
    if gpu["vendor"] == "amd" and mib(device["mem_info_vram_total"]):
        vram, source = mib(device["mem_info_vram_total"]), "sysfs"
    if card and card["vram_mib"]:
        vram, source = card["vram_mib"], "driver"
    usable = vram
    if gpu["integrated"] and gpu["vendor"] == "amd" and vram is not None:
        usable = vram + (mib(device["mem_info_gtt_total"]) or 0)
    elif gpu["integrated"] and gpu["vendor"] == "nvidia" and source != "driver":
        # All of the machine's memory is the GPU's too.
        total = number((field(meminfo, "MemTotal") or "").partition(" ")[0])
        if total:
            vram = usable = total // 1024
            source = "sysfs"
    return vram, usable, source


def _name(gpu, card, known, model, product):
    """Return what a card is called: by its driver, by the table, by the files of its driver, or by its id."""
    if card:
        return card["name"]
    return known or (model and without_maker(model)) or (product and printable(product)) or f"{BRANDS[gpu['vendor']]} GPU {gpu['id']}"


def _held(device, reserved):
    """Return whether vfio-pci has a card, or will have it from the next boot on."""
    if "vfio-pci" in (device["driver"], device["driver_override"]):
        return True
    return bool(reserved) and device["driver"] not in WORKING_DRIVERS[VENDORS[hex_number(device["vendor"])]]


def describe(address, device, machine, smi):
    """Return one GPU with what is known about it, not yet judged. The keys of the contract come first, then what judging and warning need."""
    vendor, model_number = VENDORS[hex_number(device["vendor"])], hex_number(device["device"])
    pci_id = f"{hex_number(device['vendor'])}:{model_number}"
    known, arch, table_gfx, sizes, integrated = table.CARDS.get(pci_id, (None, None, None, (), None))
    card = smi.get(address)
    gpu = {
        "address": address,
        "id": pci_id,
        "name": None,
        "vendor": vendor,
        "arch": arch or (nvidia_arch(model_number) if vendor == "nvidia" else None),
        "gfx": machine["gfx"].get(address, table_gfx),
        "integrated": _is_integrated(vendor, address, device, card) if integrated is None else integrated,
        "driver": device["driver"] and KERNELS_OWN.get(device["driver"], printable(device["driver"])),
    }
    gpu["name"] = _name(gpu, card, known, field(machine["nvidia_gpus"].get(address), "Model"), device["product_name"])
    gpu["vram_mib"], gpu["usable_mib"], gpu["vram_source"] = _memory(gpu, device, card, sizes, machine["meminfo"])
    reserved = machine["reserved"].get(pci_id)
    return {
        **gpu,
        "known": known is not None,
        "sizes": sizes,
        "vms": claimed_by(address, machine["claims"]),
        "reserved": reserved,
        "vfio": _held(device, reserved),
        "compute": address in machine["gfx"],
        "answers": bool(card) if smi else None,
    }


def find_gpus(machine, smi_text=None):
    """Return every GPU, sorted by address."""
    found = {
        **machine,
        "gfx": kfd_gfx(machine["kfd"]),
        "claims": claims(machine["vms"] or {}, machine["mappings"], machine["hostname"]),
        "reserved": reservations(machine["modprobe"], machine["cmdline"]),
    }
    smi = parse_smi(smi_text)
    return [describe(address, device, found, smi) for address, device in sorted((machine["devices"] or {}).items()) if is_gpu(device)]


def has_nvidia(machine):
    """Tell whether there is an NVIDIA GPU, whose driver could be asked."""
    return any(is_gpu(device) and hex_number(device["vendor"]) == "10de" for device in (machine["devices"] or {}).values())


def own_nodes(machine, gpu):
    """Return the device nodes of this very GPU, those that exist; the driver makes and numbers them."""
    if gpu["vendor"] == "nvidia":
        minor = number(field(machine["nvidia_gpus"].get(gpu["address"]), "Device Minor"))
        nodes = [] if minor is None else [f"/dev/nvidia{minor}"]
    else:
        nodes = [f"/dev/dri/{name}" for name in machine["devices"][gpu["address"]]["drm"] if name.startswith("renderD")]
    return [node for node in nodes if node in machine["nodes"]]


def device_nodes(machine, judged, selected):
    """Return the device nodes that containers need for the selected GPUs, those that exist: each card's own, then those that all share."""
    chosen = [gpu for gpu in judged if gpu["address"] in selected]
    nodes = [node for gpu in chosen for node in own_nodes(machine, gpu)]
    shared = {"nvidia": NVIDIA_SHARED_NODES, "amd": ["/dev/kfd"]}.get(chosen[0]["vendor"], []) if chosen else []
    return nodes + [node for node in shared if node in machine["nodes"]]
