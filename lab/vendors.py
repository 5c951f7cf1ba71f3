"""Stand-ins of vendors' web servers: NVIDIA's drivers and container toolkit, and Proxmox's packages, at their real addresses."""

import gzip
import hashlib
import io
import json
import shutil
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from lab import elf, nvidia_packages, packages
from lab.paths import DATA

NVIDIA = DATA / "nvidia"
CATALOGUE = DATA.parent / "catalog" / "gpus.yml"
DRIVERS = ("580.142", "580.159.04", "580.178.04", "590.48.01")
TOOLKITS = ("1.19.2", "1.20.0", "1.21.0")
LIBRARIES = ("libcuda", "libnvidia-ml", "libnvidia-ptxjitcompiler", "libnvidia-nvvm", "libnvidia-cfg", "libcudadebugger")
HEAD = "runfile-head"
PROXMOX_KEYRING = "usr/share/keyrings/proxmox-archive-keyring.gpg"
_GIB_MIB = 1024


def supported_gpus() -> str:
    """Return what a driver knows about cards, as its own supported-gpus.json would say it."""
    catalogue = yaml.safe_load(CATALOGUE.read_text(encoding="utf-8"))
    flavours = {name: entry["kernel_modules"] for name, entry in catalogue["nvidia"]["architectures"].items()}
    cards = {}
    for pci_id, card in catalogue["gpus"].items():
        if pci_id.startswith("10de:"):
            sizes = card["vram_gib"] if isinstance(card["vram_gib"], list) else [card["vram_gib"]]
            flavour = card.get("kernel_modules") or flavours[card["arch"]]
            cards[pci_id] = {"name": card["name"], "memory_mib": max(sizes) * _GIB_MIB, "compute": card["compute"], "kernel_modules": flavour}
    return "".join(["{\n", ",\n".join(f'"{pci_id}": {json.dumps(card)}' for pci_id, card in cards.items()), "\n}\n"])


def runfile(version: str) -> bytes:
    """Return NVIDIA-Linux-x86_64-<version>.run."""
    files = {
        name: (NVIDIA / "driver" / name).read_bytes() for name in ("nvidia-installer", "nvidia-smi", "nvidia-modprobe", "nvidia-persistenced", "recommend")
    }
    files |= {f"kernel/{file.name}": file.read_bytes() for file in sorted((NVIDIA / "modules").iterdir())}
    files = {name: content.replace(b"@VERSION@", version.encode()) for name, content in files.items()}
    files |= {f"lib/{name}.so": elf.shared_library(f"{name}.so.1") for name in LIBRARIES}
    files["supported-gpus.json"] = supported_gpus().encode()
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o755
            tar.addfile(entry, io.BytesIO(content))
    head = (NVIDIA / "driver" / HEAD).read_text(encoding="utf-8").replace("@VERSION@", version)
    return head.encode() + gzip.compress(archive.getvalue(), 1, mtime=0)


def _drivers(www: Path) -> None:
    for version in DRIVERS:
        name = f"NVIDIA-Linux-x86_64-{version}.run"
        place = www / "download.nvidia.com/XFree86/Linux-x86_64" / version
        place.mkdir(parents=True, exist_ok=True)
        content = runfile(version)
        (place / name).write_bytes(content)
        (place / f"{name}.sha256sum").write_text(f"{hashlib.sha256(content).hexdigest()}  {name}\n", encoding="utf-8")


def _toolkit(www: Path) -> None:
    root = www / "nvidia.github.io/libnvidia-container"
    pool = root / "stable/deb/amd64"
    source = NVIDIA / "toolkit"
    for version in TOOLKITS:
        programs = {f"usr/bin/{name}": (source / name).read_bytes().replace(b"@VERSION@", version.encode()) for name in ("nvidia-ctk", "nvidia-cdi-hook")}
        units = {f"etc/systemd/system/{name}": (source / name).read_bytes() for name in ("nvidia-cdi-refresh.service", "nvidia-cdi-refresh.path")}
        enable = "systemctl daemon-reload || :\nsystemctl enable --now nvidia-cdi-refresh.path nvidia-cdi-refresh.service || :"
        base = {"Package": "nvidia-container-toolkit-base", "Version": f"{version}-1", "Description": "NVIDIA Container Toolkit Base"}
        packages.build(pool, base, programs | units, {"postinst": enable})
        full = {"Package": "nvidia-container-toolkit", "Version": f"{version}-1", "Depends": f"nvidia-container-toolkit-base (= {version}-1)"}
        packages.build(pool, {**full, "Description": "NVIDIA Container toolkit"}, {})
    packages.publish(pool, "nvidia")
    (root / "gpgkey").write_text(packages.key("nvidia"), encoding="utf-8")


def _headers(pool: Path, kernel: str) -> None:
    """One kernel's headers, with what building an out-of-tree module asks for first."""
    source = f"usr/src/linux-headers-{kernel}"
    files: dict[str, bytes | Path] = {
        f"{source}/Makefile": b"# Headers of a kernel that is not here.\n",
        f"{source}/.config": b"CONFIG_MODULES=y\n",
        f"{source}/include/generated/utsrelease.h": f'#define UTS_RELEASE "{kernel}"\n'.encode(),
        f"usr/lib/modules/{kernel}/build": Path(f"/{source}"),
    }
    packages.build(pool, {"Package": f"proxmox-headers-{kernel}", "Version": kernel.removesuffix("-pve"), "Description": f"Headers of kernel {kernel}"}, files)


def _proxmox(www: Path, machine: Mapping[str, Any]) -> None:
    root = www / "download.proxmox.com/debian/pve"
    pool = root / "pool"
    kernels = [machine.get("kernel", "6.17.2-1-pve"), *machine.get("other_kernels", [])]
    for kernel in kernels:
        _headers(pool, kernel)
    newest = kernels[-1]
    meta = {"Package": "proxmox-default-headers", "Version": "2.0.0", "Depends": f"proxmox-headers-{newest}", "Description": "Headers of the default kernel"}
    packages.build(pool, meta, {})
    newest_of = {".".join(kernel.split(".")[:2]): kernel for kernel in kernels}  # the last of a series is its newest
    for name, kernel in newest_of.items():
        meta = {"Package": f"proxmox-headers-{name}", "Version": "2.0.0", "Depends": f"proxmox-headers-{kernel}", "Description": f"Headers of kernels {name}"}
        packages.build(pool, meta, {})
        packages.build(pool, {"Package": f"proxmox-kernel-{name}", "Version": "2.0.0", "Description": f"Kernels {name}, which are here without a package"}, {})
    firmware: dict[str, bytes | Path] = {f"usr/lib/firmware/{name}.bin": b"" for name in ("amdgpu/gc_11_0_0_pfp", "i915/dg2_guc_70", "xe/bmg_guc_70")}
    packages.build(pool, {"Package": "pve-firmware", "Version": "3.17-1", "Description": "Binary firmware code for the pve-kernel"}, firmware)
    packages.publish(root, "proxmox", "trixie", "pve-no-subscription")
    (www / "enterprise.proxmox.com").mkdir(exist_ok=True)


def keyrings() -> Path:
    """Return a directory with the keyrings that an installed node has, to be laid over its root."""
    directory = packages.KEYS / "node"
    packages.keyring("proxmox", directory / PROXMOX_KEYRING)
    return directory / "usr/share/keyrings"


def _fingerprint(machine: Mapping[str, Any]) -> str:
    digest = hashlib.sha256(repr((DRIVERS, TOOLKITS, machine.get("kernel"), machine.get("other_kernels"))).encode())
    for file in [
        CATALOGUE,
        *(Path(module.__file__ or "") for module in (nvidia_packages, packages)),
        Path(__file__),
        *sorted(file for file in NVIDIA.rglob("*") if file.is_file()),
    ]:
        digest.update(file.read_bytes())
    return digest.hexdigest()


def publish(www: Path, machine: Mapping[str, Any]) -> None:
    """Write what this machine's node can download from vendors, by host name; nothing is rewritten that is there already."""
    www.mkdir(parents=True, exist_ok=True)
    stamp, wanted = www / ".vendors", _fingerprint(machine)
    if stamp.is_file() and stamp.read_text(encoding="ascii") == wanted:
        return
    for host in ("download.nvidia.com", "developer.download.nvidia.com", "nvidia.github.io", "download.proxmox.com"):
        shutil.rmtree(www / host, ignore_errors=True)
    _drivers(www)
    _toolkit(www)
    nvidia_packages.publish(www / nvidia_packages.PLACE, supported_gpus())
    _proxmox(www, machine)
    stamp.write_text(wanted, encoding="ascii")
