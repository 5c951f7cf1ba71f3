# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a node's /sys, /proc, /dev and /etc/pve say about its GPUs, as text: all the reading, none of the understanding.

Everything lies under one root, so a directory with recorded files stands in for a machine. A file that is missing or cannot be read is
None: a node must get a verdict whatever its sysfs looks like.
"""

from __future__ import annotations

import contextlib
import os

# Display controllers, and processing accelerators, as which some compute cards present themselves.
GPU_CLASSES = ("0x03", "0x12")
_SECURE_BOOT = "sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"
_DEVICE_FILES = (
    "vendor",
    "device",
    "driver_override",
    "mem_info_vram_total",
    "mem_info_gtt_total",
    "mem_info_vram_vendor",
    "board_info",
)


def read_bytes(path):
    """Return a file's content, or None when there is no reading it."""
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return None


def read_text(path):
    """Return a file's text without surrounding blanks, or None."""
    content = read_bytes(path)
    return None if content is None else content.decode("utf-8", "replace").strip()


def _names(directory):
    try:
        return sorted(os.listdir(directory))
    except OSError:
        return []


def _device(directory, pci_class):
    device = {"class": pci_class, "driver": None}
    for name in _DEVICE_FILES:
        device[name] = read_text(os.path.join(directory, name))
    with contextlib.suppress(OSError):  # no link: no driver is bound
        device["driver"] = os.path.basename(os.readlink(os.path.join(directory, "driver")))
    # The drm directory names the nodes of this card: card0, renderD128.
    device["drm"] = _names(os.path.join(directory, "drm"))
    device["virtual_function"] = os.path.lexists(os.path.join(directory, "physfn"))
    return device


def read_devices(root):
    """Return the display and accelerator devices on the PCI bus by address."""
    bus = os.path.join(root, "sys/bus/pci/devices")
    devices = {}
    for address in _names(bus):
        directory = os.path.join(bus, address)
        pci_class = read_text(os.path.join(directory, "class")) or ""
        if pci_class.startswith(GPU_CLASSES):
            devices[address] = _device(directory, pci_class)
    return devices


def read_vms(root):
    """Return the configuration of this node's VMs, running or not, by id."""
    directory = os.path.join(root, "etc/pve/qemu-server")
    return {name[: -len(".conf")]: read_text(os.path.join(directory, name)) or "" for name in _names(directory) if name.endswith(".conf")}


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


def read_machine(root="/"):
    """Return everything the verdict about a node's GPUs rests on."""
    return {
        "devices": read_devices(root),
        "kfd": read_kfd(root),
        "vms": read_vms(root),
        "mappings": read_text(os.path.join(root, "etc/pve/mapping/pci.cfg")) or "",
        "hostname": read_text(os.path.join(root, "proc/sys/kernel/hostname")),
        "kernel": read_text(os.path.join(root, "proc/sys/kernel/osrelease")),
        "meminfo": read_text(os.path.join(root, "proc/meminfo")) or "",
        "nvidia_version": read_text(os.path.join(root, "proc/driver/nvidia/version")),
        "nvidia_gpus": read_nvidia_gpus(root),
        "nodes": read_nodes(root),
        "efi": os.path.isdir(os.path.join(root, "sys/firmware/efi")),
        "secure_boot": read_bytes(os.path.join(root, _SECURE_BOOT)),
    }
