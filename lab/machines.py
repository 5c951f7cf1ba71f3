"""Fixture machines: the sysfs, procfs and device nodes that a machine.yml describes, as a tree of files for the node to lay over its own."""

import contextlib
import json
import re
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from lab import elf
from lab.host import LabError
from lab.paths import DATA

MACHINES = DATA / "machines"
_BRIDGE = "devices/pci0000:00"
_EFI_GUID = "8be4df61-93ca-11d2-aa0d-00e098032b8c"
_SHIM_GUID = "605dab50-e046-4300-abb6-3dd810dd8b23"
DRM_MAJOR = 226
_NAME = re.compile(r"(?:[0-9a-f]{4}:)?[0-9a-f]{2}:[0-9a-f]{2}(?:\.[0-7])?|renderD\d+")


def known() -> list[str]:
    """Return the names of the fixture machines, sorted."""
    return sorted(file.parent.name for file in MACHINES.glob("*/machine.yml"))


def load(name: str) -> dict[str, Any]:
    """Return a machine's description."""
    file = MACHINES / name / "machine.yml"
    if not file.is_file():
        raise LabError(f"no machine called {name!r} in the lab; known machines: {', '.join(known()) or 'none'}")
    machine: dict[str, Any] = {"name": name, **yaml.safe_load(file.read_text(encoding="utf-8"))}
    return machine


def moves(words: Iterable[str]) -> dict[str, str]:
    """Return what `--move OLD=NEW` asks for; a name that is taken changes places with the old one."""
    found: dict[str, str] = {}
    for word in words:
        old, _, new = word.partition("=")
        if not _NAME.fullmatch(old) or not _NAME.fullmatch(new) or old.startswith("renderD") != new.startswith("renderD"):
            raise LabError(f"--move takes two slots (01:00=02:00) or two render nodes (renderD128=renderD129); {word!r} is neither")
        found |= {old: new, new: old}
    return found


def _also(name: str) -> str:
    """Return how KFD speaks of the same render node or slot: as a number."""
    if name.startswith("renderD"):
        return f"drm_render_minor: {name.removeprefix('renderD')}"
    bus, device = name.partition(".")[0].split(":")[-2:]
    return f"location_id: {int(bus, 16) << 8 | int(device, 16) << 3}"


def renamed(machine: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """Return a machine on which slots and render nodes are called otherwise, wherever they are spoken of."""
    every = dict(names) | {_also(old): _also(new) for old, new in names.items()}
    pattern = "|".join(rf"(?<!\w){re.escape(old)}(?!\w)" for old in every)
    text = yaml.safe_dump(dict(machine), sort_keys=False, width=1 << 20)
    found: dict[str, Any] = yaml.safe_load(re.sub(pattern, lambda word: every[word[0]], text))
    return found


def _write(file: Path, value: object) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(value, bytes):
        file.write_bytes(value)
    else:
        file.write_text(f"{value}\n" if not str(value).endswith("\n") else str(value), encoding="utf-8")


def _link(link: Path, target: str) -> None:
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(target)


def _config_space(vendor: str, model: str, kind: str) -> bytes:
    """The header that `lspci` reads: ids, class, nothing else."""
    ids = int(vendor, 16).to_bytes(2, "little") + int(model, 16).to_bytes(2, "little")
    return (ids + bytes(4) + b"\xa1" + bytes.fromhex(kind)[::-1]).ljust(64, b"\0")


def _pci(sys: Path, device: Mapping[str, Any]) -> None:
    """One PCI device as the kernel shows it: its attributes, its bus link, its driver, its DRM nodes."""
    address = str(device["address"])
    home = sys / _BRIDGE / address
    attributes = {
        "class": device["class"],
        "vendor": device["vendor"],
        "device": device["device"],
        "subsystem_vendor": device.get("subsystem_vendor", device["vendor"]),
        "subsystem_device": device.get("subsystem_device", "0x0000"),
        "revision": device.get("revision", "0xa1"),
        "boot_vga": device.get("boot_vga"),
        "enable": 1,
        "current_link_speed": device.get("link_speed"),
        "max_link_speed": device.get("link_speed"),
        "current_link_width": device.get("link_width"),
        "max_link_width": device.get("link_width"),
        "mem_info_vram_used": 27 << 20 if "mem_info_vram_total" in device.get("files", {}) else None,  # kept true by the node's `gpus watch`
        **device.get("files", {}),
    }
    for name, value in attributes.items():
        if value is not None:
            _write(home / name, value)
    vendor, model, kind = (str(device[key]).removeprefix("0x").upper() for key in ("vendor", "device", "class"))
    alias = f"pci:v{vendor:0>8}d{model:0>8}sv*sd*bc{kind[0:2]}sc{kind[2:4]}i{kind[4:6]}"
    _write(home / "modalias", alias)
    with contextlib.suppress(ValueError):  # a broken device shows no readable ids
        _write(home / "config", _config_space(vendor, model, kind))
    driver = f"DRIVER={device['driver']}\n" if device.get("driver") else ""
    _write(home / "uevent", f"{driver}PCI_CLASS={kind.lstrip('0')}\nPCI_ID={vendor}:{model}\nPCI_SLOT_NAME={address}\nMODALIAS={alias}")
    _link(sys / "bus/pci/devices" / address, f"../../../{_BRIDGE}/{address}")
    _link(home / "subsystem", "../../../bus/pci")
    if device.get("driver"):
        drivers = sys / "bus/pci/drivers" / str(device["driver"])
        _link(home / "driver", f"../../../bus/pci/drivers/{device['driver']}")
        _link(drivers / address, f"../../../../{_BRIDGE}/{address}")
        (sys / "module" / str(device["driver"]).replace("-", "_")).mkdir(parents=True, exist_ok=True)
    if device.get("iommu_group") is not None:
        (sys / "kernel/iommu_groups" / str(device["iommu_group"])).mkdir(parents=True, exist_ok=True)
        _link(home / "iommu_group", f"../../../kernel/iommu_groups/{device['iommu_group']}")
    for pair in device.get("drm", []):
        for node in (pair["card"], pair.get("render")):
            if node:
                _write(home / "drm" / node / "dev", f"{DRM_MAJOR}:{drm_minor(node)}")
                _write(home / "drm" / node / "uevent", f"MAJOR={DRM_MAJOR}\nMINOR={drm_minor(node)}\nDEVNAME=dri/{node}\nDEVTYPE=drm_minor")
                _link(home / "drm" / node / "device", "../..")
                _link(sys / "class/drm" / node, f"../../{_BRIDGE}/{address}/drm/{node}")


def drm_minor(node: str) -> int:
    """Return the minor number in a DRM node's name: card0 is 0, renderD128 is 128."""
    return int(node.removeprefix("card").removeprefix("renderD"))


def _kfd(sys: Path, node: Mapping[str, Any]) -> None:
    home = sys / "devices/virtual/kfd/kfd/topology/nodes" / str(node["node"])
    _write(home / "gpu_id", node.get("gpu_id", 0))
    _write(home / "name", node.get("name", ""))
    _write(home / "properties", "".join(f"{key} {value}\n" for key, value in node.get("properties", {}).items()))
    for number, bank in enumerate(node.get("mem_banks", [])):
        _write(home / "mem_banks" / str(number) / "properties", "".join(f"{key} {value}\n" for key, value in bank.items()))


def _disk(sys: Path, home: str, name: str, disk: Mapping[str, Any]) -> None:
    """A block device with its queue; home is its directory under /sys."""
    directory = sys / home / name
    _write(directory / "size", int(disk.get("size_gib", 1)) * 2 * 1024 * 1024)
    _write(directory / "queue/rotational", disk.get("rotational", 0))
    _write(directory / "removable", 0)
    _write(directory / "dev", disk.get("dev", "259:0"))
    for number in range(1, int(disk.get("partitions", 0)) + 1):
        part = f"{name}p{number}" if name[-1].isdigit() else f"{name}{number}"
        _write(directory / part / "partition", number)
        _link(sys / "class/block" / part, f"../../{home}/{name}/{part}")
    _link(sys / "block" / name, f"../{home}/{name}")
    _link(sys / "class/block" / name, f"../../{home}/{name}")


def _nvme(sys: Path, number: int, disk: Mapping[str, Any]) -> None:
    """An NVMe controller behind its own PCI function, and its namespace."""
    name = str(disk["name"])
    address = str(disk.get("address", f"0000:0{number + 4}:00.0"))
    speed, width = disk.get("link_speed", "16.0 GT/s PCIe"), disk.get("link_width", 4)
    _pci(
        sys,
        {"address": address, "class": "0x010802", "vendor": "0x144d", "device": "0xa80c", "driver": "nvme", "link_speed": speed, "link_width": width,
         **disk.get("pci", {})},
    )  # fmt: skip
    home = f"{_BRIDGE}/{address}/nvme/{name}"
    for key, fallback in (("transport", "pcie"), ("model", "Lab NVMe SSD"), ("serial", f"LAB{number:04d}"), ("state", "live")):
        _write(sys / home / key, disk.get(key, fallback))
    _link(sys / home / "device", f"../../../{address}")
    _link(sys / "class/nvme" / name, f"../../{home}")
    namespace = str(disk.get("namespace", f"{name}n1"))
    _disk(sys, home, namespace, {**disk, "dev": f"259:{number * 8}"})
    _link(sys / home / namespace / "device", f"../../{name}")


def _firmware(sys: Path, secure_boot: str) -> None:
    """EFI variables: four bytes of attributes, then the value. A firmware may not show them (unknown), and a shim may be told to accept anything."""
    (sys / "firmware").mkdir(parents=True, exist_ok=True)
    if secure_boot == "unsupported":
        return
    _write(sys / "firmware/efi/fw_platform_size", 64)
    variables = sys / "firmware/efi/efivars"
    if secure_boot == "unknown":
        variables.mkdir()
        return
    _write(variables / f"SecureBoot-{_EFI_GUID}", b"\x06\x00\x00\x00" + (b"\x00" if secure_boot == "disabled" else b"\x01"))
    _write(variables / f"SetupMode-{_EFI_GUID}", b"\x06\x00\x00\x00\x00")
    if secure_boot == "disabled_in_shim":
        _write(variables / f"MokSBStateRT-{_SHIM_GUID}", b"\x06\x00\x00\x00\x01")


def _kernels(tree: Path, machine: Mapping[str, Any]) -> None:
    """The module directories of the installed kernels, as depmod and dkms expect to find them: with at least one module of the kernel's own."""
    for kernel in [machine.get("kernel", "6.17.2-1-pve"), *machine.get("other_kernels", [])]:
        home, own = tree / "usr/lib/modules" / kernel, "kernel/drivers/net/dummy.ko"
        for name in ("modules.order", "modules.builtin", "modules.builtin.modinfo"):
            _write(home / name, b"")
        _write(home / "modules.dep", f"{own}:")
        _write(home / own, elf.kernel_module(name="dummy", license="GPL", vermagic=f"{kernel} SMP preempt mod_unload modversions "))


def generate(machine: Mapping[str, Any], target: Path) -> None:
    """Write machine.json and tree/ for the node into the target directory, from scratch."""
    shutil.rmtree(target, ignore_errors=True)
    sys = target / "tree/sys"
    for top in ("bus/pci/devices", "bus/pci/drivers", "class/drm", "class/nvme", "devices", "block", "module"):
        (sys / top).mkdir(parents=True)
    for device in machine.get("pci", []):
        _pci(sys, device)
    if machine.get("kfd"):
        _link(sys / "class/kfd/kfd", "../../devices/virtual/kfd/kfd")
        for node in machine["kfd"]:
            _kfd(sys, node)
    for number, disk in enumerate(machine.get("nvme", [])):
        _nvme(sys, number, disk)
    for disk in machine.get("disks", []):
        _disk(sys, "devices/virtual/block", str(disk["name"]), disk)
    _firmware(sys, str(machine.get("secure_boot", "disabled")))
    _kernels(target / "tree", machine)
    own = MACHINES / str(machine["name"]) / "tree"
    if own.is_dir():
        shutil.copytree(own, target / "tree", dirs_exist_ok=True, symlinks=True)
    (target / "machine.json").write_text(json.dumps(machine, indent=1), encoding="utf-8")


def lay_out(machine: Mapping[str, Any], target: Path) -> Path:
    """Write a machine as gpu_detect reads one, without a node around it; return the root of its files.

    On a node of the lab the same comes from generate(), from the lab's Proxmox VE and from the running system.
    """
    generate({"name": "of_no_name", **machine}, target)
    root = target / "tree"
    (root / "etc/pve/qemu-server").mkdir(parents=True)
    files = {f"etc/pve/qemu-server/{name}": text for name, text in machine.get("vms", {}).items()}
    files |= {"etc/pve/mapping/pci.cfg": machine.get("mappings", ""), "proc/sys/kernel/hostname": "pve1", "proc/meminfo": "MemTotal: 131072000 kB"}
    files |= {"proc/sys/kernel/osrelease": machine.get("kernel", "6.17.2-1-pve"), "proc/cmdline": machine.get("cmdline", "quiet")}
    for name, text in files.items():
        _write(root / name, text)
    return root
