# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the owner should know about a node's GPUs beside the verdict: pure functions over the records of _gpu and their codes."""

from __future__ import annotations

from ansible_collections.psw.ai.plugins.module_utils._gpu import BRANDS, WORKING_DRIVERS
from ansible_collections.psw.ai.plugins.module_utils._gpu_words import label, refusal

# With these codes a card is refused before anybody asks for its memory.
_MEMORY_IS_NO_MATTER = ("vfio_bound", "integrated_only", "unsupported_arch")


def _memory(gpu):
    if gpu["usable_mib"] is None and gpu["vendor"] == "intel":
        return  # its drivers never tell; the refusal says so
    if gpu["usable_mib"] is None:
        yield f"The memory of {label(gpu)} is not known until its driver is loaded."
    elif gpu["vram_source"] == "table":
        sold = " or ".join(str(size) for size in gpu["sizes"])
        least = ", of which the smaller counts" if len(gpu["sizes"]) > 1 else ""
        yield f"The memory of {label(gpu)} is estimated from its id: {sold} MiB{least}. The driver will tell."


def _driver(gpu):
    """Say what stands between a usable GPU and its driver. A missing NVIDIA driver is no news: psw brings it; the others come with the kernel."""
    working = WORKING_DRIVERS[gpu["vendor"]]
    if gpu["driver"] in working:
        if gpu["answers"] is False and gpu["vendor"] == "nvidia":
            yield f"nvidia-smi does not list {label(gpu)}, although the nvidia driver has it: it may have fallen off the bus; see dmesg | grep Xid."
        if gpu["vendor"] == "amd" and not gpu["compute"]:
            yield f"amdgpu drives {label(gpu)}, but /sys/class/kfd has no compute node for it: see dmesg | grep kfd; often the slot lacks PCIe atomics."
        if gpu["reserved"]:
            yield f"{label(gpu)} works with {gpu['driver']}, but {gpu['reserved']} sets {gpu['id']} aside for VMs: one of the two will lose at a boot."
    elif gpu["vendor"] == "nvidia":
        if gpu["driver"]:
            yield f"The {gpu['driver']} driver holds {label(gpu)}; NVIDIA's can take it over after a reboot only."
    else:
        held = f"The {gpu['driver']} driver holds {label(gpu)}" if gpu["driver"] else f"No driver is bound to {label(gpu)}"
        yield f"{held}: {' or '.join(working)} comes with the kernel, so try modprobe {working[0]}, and look for a blacklist in /etc/modprobe.d."


def _left_out(gpu, vendor, floor_mib):
    """Say why a card is not used that its owner may count on."""
    if gpu["usable"]:
        rule = f"a node uses one vendor's GPUs, and those of {BRANDS[vendor]} have no less memory"
        yield f"{label(gpu)} is left out: {rule}; gpu: {{vendor: {gpu['vendor']}}} in psw.yml chooses it."
    elif not gpu["integrated"]:
        yield f"Left out: {refusal(gpu, floor_mib)[0]}"


def about_node(machine, gpus, secure_boot):
    """Say what of the node could not be seen."""
    if machine["devices"] is None:
        yield "No PCI device can be seen: there is no /sys/bus/pci/devices, or it cannot be read."
    if machine["vms"] is None and gpus:
        yield "The configuration of this node's VMs cannot be read (/etc/pve/qemu-server), so a card that belongs to a VM may look free."
    if secure_boot == "unknown" and any(gpu["vendor"] == "nvidia" and gpu["usable"] for gpu in gpus):
        yield "Nobody can say whether secure boot is on: its EFI variable cannot be read. If it is, the kernel will reject the NVIDIA module."


def about_gpus(gpus, spoken_of, vendor, floor_mib):
    """Say what is uncertain or in the way; spoken_of are the addresses of the GPUs that the verdict is about."""
    for gpu in gpus:
        if not gpu["known"]:
            yield f"{label(gpu)} is not in psw's table of cards; what it is was worked out from the node alone."
        if gpu["reason"] not in _MEMORY_IS_NO_MATTER:
            yield from _memory(gpu)
        if gpu["address"] not in spoken_of:
            yield from _left_out(gpu, vendor, floor_mib)
        elif gpu["usable"]:
            yield from _driver(gpu)
