# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From what a node's files say to a list of GPUs: pure functions, text in, records out."""

from __future__ import annotations

import re

from ansible_collections.psw.ai.plugins.module_utils import _gpu_table as table

VENDORS = {"10de": "nvidia", "1002": "amd", "8086": "intel"}
BRANDS = {"nvidia": "NVIDIA", "amd": "AMD", "intel": "Intel"}
BEFORE_MAXWELL = "before Maxwell"
_MIB = 1024 * 1024
_GIB_MIB = 1024
NVIDIA_SHARED_NODES = ["/dev/nvidiactl", "/dev/nvidia-uvm", "/dev/nvidia-uvm-tools"]
SMI_FIELDS = ("pci.bus_id", "name", "memory.total", "driver_version")


def hex_number(text):
    """Return the four hex digits of a sysfs id such as 0x10de, or None for anything else."""
    found = re.match(r"^(?:0x)?([0-9a-fA-F]{4})$", text or "")
    return found.group(1).lower() if found else None


def mib(text):
    """Return a count of bytes in MiB, or None for what is no number."""
    return int(text) // _MIB if text and text.isdigit() else None


def secure_boot_state(efi, variable):
    """Return enabled, disabled, unsupported (BIOS boot) or unknown; the fifth byte of the EFI variable is its value."""
    if not efi:
        return "unsupported"
    value = (variable or b"")[4:5]
    return {b"\x00": "disabled", b"\x01": "enabled"}.get(value, "unknown")


def gfx_name(version):
    """Return the target's name in a KFD gfx_target_version: 90010 is gfx90a, 110501 is gfx1151."""
    major, rest = divmod(version, 10000)
    minor, step = divmod(rest, 100)
    return f"gfx{major}{minor:x}{step:x}"


def kfd_gfx(nodes):
    """Return the gfx target by PCI address, from the compute topology; CPUs have none."""
    found = {}
    for text in nodes:
        properties = dict(re.findall(r"^(\w+) (\d+)$", text, re.MULTILINE))
        version = int(properties.get("gfx_target_version", 0))
        if version:
            place = int(properties.get("location_id", 0))
            domain = int(properties.get("domain", 0))
            found[f"{domain:04x}:{place >> 8 & 0xFF:02x}:{place >> 3 & 0x1F:02x}.{place & 7}"] = gfx_name(version)
    return found


def parse_smi(text):
    """Return what nvidia-smi says about each card, by PCI address in sysfs's form: its answer has a domain of eight digits."""
    cards = {}
    for line in (text or "").splitlines():
        values = [value.strip() for value in line.split(",")]
        found = re.match(r"^(?:[0-9A-Fa-f]{4})?([0-9A-Fa-f]{4}(?::[0-9A-Fa-f]{2}){2}\.[0-7])$", values[0])
        if found and len(values) == len(SMI_FIELDS):
            name = re.sub(r"^NVIDIA ", "", values[1])
            cards[found.group(1).lower()] = {"name": name, "vram_mib": int(values[2]) if values[2].isdigit() else None}
    return cards


def _expand(address):
    """Return a hostpci address as sysfs starts it: the domain may be missing, and so may the function, which means all of them."""
    return address if address.count(":") > 1 else f"0000:{address}"


def _mapped(mappings, name, hostname):
    """Return the addresses on this node behind a cluster-wide resource mapping."""
    section, paths = None, []
    for line in mappings.splitlines():
        if line and not line[0].isspace():
            section = line.split(":")[-1].strip()
        elif section == name:
            values = dict(pair.split("=", 1) for pair in line.strip().replace("map ", "", 1).split(",") if "=" in pair)
            if values.get("node") in (None, hostname) or hostname is None:
                paths += values.get("path", "").split(";")
    return [path.strip() for path in paths if path.strip()]


def claims(vms, mappings="", hostname=None):
    """Return [(address prefix, VM)] for every PCI device that a VM of this node lists, running or not."""
    found = []
    for vmid, text in sorted(vms.items()):
        current = text.split("\n[", 1)[0]  # what follows a section header are snapshots
        named = re.search(r"^name:\s*(\S+)", current, re.MULTILINE)
        vm = f"VM {vmid} ({named.group(1)})" if named else f"VM {vmid}"
        for value in re.findall(r"^hostpci\d+:\s*(\S+)", current, re.MULTILINE):
            options = [part.partition("=") for part in value.split(",")]
            for key, equals, rest in options:
                if key == "mapping":
                    found += [(_expand(path), vm) for path in _mapped(mappings, rest, hostname)]
                elif key == "host" or not equals:
                    found += [(_expand(address.lower()), vm) for address in (rest if equals else key).split(";")]
    return found


def claimed_by(address, found):
    """Return the VM that lists this address, or None."""
    return next((vm for prefix, vm in found if address == prefix or address.startswith(f"{prefix}.")), None)


def nvidia_arch(device):
    """Return the architecture of an NVIDIA device number that is not in the table, from the block it lies in."""
    return next(arch for first, arch in reversed(table.NVIDIA_BLOCKS) if int(device, 16) >= first)


def _is_integrated(vendor, address, device):
    """Tell an integrated GPU from a card, for ids that are not in the table."""
    if vendor == "intel":
        return address.startswith("0000:00:")
    if vendor == "amd" and device["mem_info_vram_vendor"] is None and device["board_info"] is None:
        # The engine's own rule: a small carve-out beside a large pool of shared memory.
        vram, gtt = mib(device["mem_info_vram_total"]) or 0, mib(device["mem_info_gtt_total"]) or 0
        return 0 < vram <= 4 * _GIB_MIB and gtt >= max(8 * _GIB_MIB, 4 * vram)
    return False


def _memory(gpu, device, smi, sizes, meminfo):
    """Return (vram, usable, source) in MiB; None is 'nobody knows yet'."""
    vram, source = sizes[0] if sizes else None, "table" if sizes else None
    if gpu["vendor"] == "amd" and mib(device["mem_info_vram_total"]):
        vram, source = mib(device["mem_info_vram_total"]), "sysfs"
    if smi and smi["vram_mib"]:
        vram, source = smi["vram_mib"], "driver"
    usable = vram
    if gpu["integrated"] and gpu["vendor"] == "amd" and vram is not None:
        usable = vram + (mib(device["mem_info_gtt_total"]) or 0)
    elif gpu["integrated"] and gpu["vendor"] == "nvidia":
        total = re.search(r"^MemTotal:\s+(\d+) kB", meminfo, re.MULTILINE)
        usable = int(total.group(1)) // 1024 if total else vram
    return vram, usable, source


def is_gpu(device):
    """Tell whether a display device is a GPU: those of management controllers and virtual machines have other makers."""
    return hex_number(device["vendor"]) in VENDORS and hex_number(device["device"]) is not None and not device["virtual_function"]


def find_gpus(machine, smi_text=None):
    """Return (gpus sorted by address, warnings): every GPU with what is known about it, not yet judged."""
    smi, gfx = parse_smi(smi_text), kfd_gfx(machine["kfd"])
    taken = claims(machine["vms"], machine["mappings"], machine["hostname"])
    gpus, warnings = [], []
    for address, device in sorted(machine["devices"].items()):
        if not is_gpu(device):
            continue
        vendor, number = VENDORS[hex_number(device["vendor"])], hex_number(device["device"])
        pci_id = f"{hex_number(device['vendor'])}:{number}"
        name, arch, table_gfx, sizes, integrated = table.CARDS.get(pci_id, (None, None, None, (), None))
        card = smi.get(address)
        gpu = {
            "address": address,
            "id": pci_id,
            "name": (card and card["name"]) or name or f"{BRANDS[vendor]} GPU {pci_id}",
            "vendor": vendor,
            "arch": arch or (nvidia_arch(number) if vendor == "nvidia" else None),
            "gfx": gfx.get(address, table_gfx),
            "integrated": _is_integrated(vendor, address, device) if integrated is None else integrated,
            "driver": device["driver"],
        }
        gpu["vram_mib"], gpu["usable_mib"], gpu["vram_source"] = _memory(gpu, device, card, sizes, machine["meminfo"])
        gpu["vm"] = claimed_by(address, taken)
        gpu["vfio"] = "vfio-pci" in (device["driver"], device["driver_override"])
        gpus.append(gpu)
        if name is None:
            warnings.append(f"{gpu['name']} ({address}) is not in psw's table of cards; what it is was worked out from the node alone.")
        if gpu["usable_mib"] is None:
            warnings.append(f"The memory of {gpu['name']} ({address}) is not known until its driver is loaded.")
        elif gpu["vram_source"] == "table" and not gpu["integrated"]:
            sold = " or ".join(str(size) for size in sizes)
            warnings.append(f"The memory of {gpu['name']} ({address}) is estimated from its id: {sold} MiB. The driver will tell.")
    return gpus, warnings


def has_nvidia(machine):
    """Tell whether there is an NVIDIA GPU, whose driver could be asked."""
    return any(is_gpu(device) and hex_number(device["vendor"]) == "10de" for device in machine["devices"].values())


def device_nodes(machine, judged, selected):
    """Return the device nodes that containers need for the selected GPUs, those that exist; the driver makes them."""
    chosen = [gpu for gpu in judged if gpu["address"] in selected]
    nodes = []
    for gpu in chosen:
        if gpu["vendor"] == "nvidia":
            minor = re.search(r"^Device Minor:\s+(\d+)$", machine["nvidia_gpus"].get(gpu["address"], ""), re.MULTILINE)
            nodes += [f"/dev/nvidia{minor.group(1)}"] if minor else []
        else:
            nodes += [f"/dev/dri/{name}" for name in machine["devices"][gpu["address"]]["drm"] if name.startswith("renderD")]
    shared = {"nvidia": NVIDIA_SHARED_NODES, "amd": ["/dev/kfd"]}.get(chosen[0]["vendor"], []) if chosen else []
    return [node for node in nodes + shared if node in machine["nodes"]]
