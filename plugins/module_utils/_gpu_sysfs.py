# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a node's files say about its GPUs, as text: all the reading, none of the understanding.

Everything lies under one root, so a directory with recorded files stands in for a machine. A file that is missing or cannot be read is
None, and a name that the kernel or Proxmox VE would not give is passed over: a node must get a verdict whatever its files look like.
"""

from __future__ import annotations

import contextlib
import os
import re

# Display controllers, and processing accelerators, as which some compute cards present themselves.
GPU_CLASSES = ("0x03", "0x12")
# Far more than any of these files has; a stray device node in a recorded tree could be read for ever.
_MOST = 1 << 20
_ADDRESS = re.compile(r"[0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]")
_EFIVARS = "sys/firmware/efi/efivars"
_SECURE_BOOT = "SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"
_SHIM_STATE = "MokSBStateRT-605dab50-e046-4300-abb6-3dd810dd8b23"
_VMS = "etc/pve/qemu-server"
_DEVICE_FILES = (
    "vendor",
    "device",
    "driver_override",
    "mem_info_vram_total",
    "mem_info_gtt_total",
    "mem_info_vram_vendor",
    "board_info",
    "product_name",
)


def read_bytes(path):
    """Return a file's content, or None when there is no reading it."""
    try:
        with open(path, "rb") as file:
            return file.read(_MOST)
    except OSError:
        return None


def read_text(path):
    """Return a file's text without surrounding blanks, or None."""
    content = read_bytes(path)
    return None if content is None else content.decode("utf-8", "replace").strip()


def _entries(directory):
    """Return the names in a directory, sorted, or None when there is no listing it."""
    try:
        return sorted(os.fsencode(name).decode("utf-8", "replace") for name in os.listdir(directory))
    except OSError:
        return None


def _names(directory):
    return _entries(directory) or []


def _device(directory, pci_class):
    device = {"class": pci_class, "driver": None}
    for name in _DEVICE_FILES:
        device[name] = read_text(os.path.join(directory, name))
    with contextlib.suppress(OSError):  # no link: no driver is bound
        target = os.path.basename(os.readlink(os.path.join(directory, "driver")))
        device["driver"] = os.fsencode(target).decode("utf-8", "replace")
    # The drm directory names the nodes of this card: card0, renderD128.
    device["drm"] = _names(os.path.join(directory, "drm"))
    device["virtual_function"] = os.path.lexists(os.path.join(directory, "physfn"))
    return device


def read_devices(root):
    """Return the display and accelerator devices on the PCI bus by address, or None when the bus cannot be seen."""
    bus = os.path.join(root, "sys/bus/pci/devices")
    addresses = _entries(bus)
    if addresses is None:
        return None
    devices = {}
    for address in filter(_ADDRESS.fullmatch, addresses):
        directory = os.path.join(bus, address)
        pci_class = read_text(os.path.join(directory, "class")) or ""
        if pci_class.startswith(GPU_CLASSES):
            devices[address] = _device(directory, pci_class)
    return devices


def read_vms(root):
    """Return the configuration of this node's VMs by id, running or not; None when a node of Proxmox VE does not show them."""
    directory = os.path.join(root, _VMS)
    files = _entries(directory)
    if files is None:
        return None if os.path.isdir(os.path.join(root, "etc/pve")) else {}
    return {name[: -len(".conf")]: read_text(os.path.join(directory, name)) or "" for name in files if re.fullmatch(r"[0-9]+\.conf", name)}


def read_kfd(root):
    """Return the properties of every node in the compute topology of the amdgpu driver."""
    nodes = os.path.join(root, "sys/class/kfd/kfd/topology/nodes")
    return [read_text(os.path.join(nodes, name, "properties")) or "" for name in _names(nodes)]


def read_nvidia_gpus(root):
    """Return what the NVIDIA driver says about each card it drives, by address."""
    gpus = os.path.join(root, "proc/driver/nvidia/gpus")
    return {name: read_text(os.path.join(gpus, name, "information")) or "" for name in _names(gpus)}


def read_nodes(root):
    """Return the device nodes of GPUs that exist, whatever driver made them."""
    names = [name for name in _names(os.path.join(root, "dev")) if name.startswith("nvidia") or name == "kfd"]
    return [f"/dev/{name}" for name in names] + [f"/dev/dri/{name}" for name in _names(os.path.join(root, "dev/dri"))]


def read_modprobe(root):
    """Return the settings of kernel modules by file, as the user sees its path."""
    directory = os.path.join(root, "etc/modprobe.d")
    return {f"/etc/modprobe.d/{name}": read_text(os.path.join(directory, name)) or "" for name in _names(directory) if name.endswith(".conf")}


def read_machine(root="/"):
    """Return everything the verdict about a node's GPUs rests on."""
    return {
        "devices": read_devices(root),
        "kfd": read_kfd(root),
        "vms": read_vms(root),
        "mappings": read_text(os.path.join(root, "etc/pve/mapping/pci.cfg")) or "",
        "hostname": read_text(os.path.join(root, "proc/sys/kernel/hostname")),
        "kernel": read_text(os.path.join(root, "proc/sys/kernel/osrelease")),
        "cmdline": read_text(os.path.join(root, "proc/cmdline")) or "",
        "modprobe": read_modprobe(root),
        "meminfo": read_text(os.path.join(root, "proc/meminfo")) or "",
        "nvidia_version": read_text(os.path.join(root, "proc/driver/nvidia/version")),
        "nvidia_gpus": read_nvidia_gpus(root),
        "nodes": read_nodes(root),
        "efi": os.path.isdir(os.path.join(root, "sys/firmware/efi")),
        "secure_boot": read_bytes(os.path.join(root, _EFIVARS, _SECURE_BOOT)),
        "shim_state": read_bytes(os.path.join(root, _EFIVARS, _SHIM_STATE)),
    }
