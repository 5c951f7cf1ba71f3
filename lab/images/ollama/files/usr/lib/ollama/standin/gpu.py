"""Which devices the engine may use. The truth is the container's: its device nodes, its driver library, and the kernel's driver.

The weights are computed on the CPU here in any case; a GPU counts when everything that the real engine needs for it is in place.
"""

import errno
import os
import re
import stat
from dataclasses import dataclass, replace
from pathlib import Path

from standin.settings import Settings

NODES = ("dev/nvidiactl", "dev/nvidia-uvm")  # beside those of the cards
LIBRARY_DIRECTORIES = ("usr/lib/x86_64-linux-gnu", "usr/lib64", "usr/local/nvidia/lib64", "usr/lib")
# The directory of a backend says that this image has it.
BACKENDS = "usr/lib/ollama"
# The lab's switches, each a file that is looked for when a model is loaded: no GPU is found; it has only so many MiB; what is said to lie on it is not there.
FORCE_CPU = "run/psw-lab/force-cpu"
GPU_MIB = "run/psw-lab/gpu-mib"
UNSEEN = "run/psw-lab/unseen"
# A container's own /proc may not show the driver's part; the lab puts it here too.
DRIVER = ("proc/driver/nvidia", "run/psw-lab/driver/nvidia")
_DEFAULT_MIB = 12288


@dataclass(frozen=True)
class Device:
    """One device for inference."""

    library: str
    identity: str
    name: str
    compute: str
    driver: str
    pci_id: str
    total: int
    seen: bool = True  # by whoever asks the driver what the card's memory holds


@dataclass(frozen=True)
class Found:
    """The GPU, or why there is none."""

    device: Device | None
    reason: str


def usable(path: Path) -> str:
    """Return why a device node cannot be used; empty when it can. A node without hardware behind it opens with ENXIO, which is fine."""
    try:
        if not stat.S_ISCHR(path.stat().st_mode):
            return f"/{path.name} is no device"
        os.close(os.open(path, os.O_RDWR | os.O_NONBLOCK))
    except OSError as exc:
        if exc.errno not in {errno.ENXIO, errno.ENODEV, errno.EIO}:
            return f"{path}: {exc.strerror}"
    return ""


def library_version(root: Path) -> str | None:
    """Return the version of the driver's library that the loader would take: libcuda.so.1 must lead to libcuda.so.<version>."""
    for directory in LIBRARY_DIRECTORIES:
        link = root / directory / "libcuda.so.1"
        if link.exists():
            return link.resolve().name.removeprefix("libcuda.so.")
    return None


def kernel_version(text: str) -> str | None:
    """Return the version in /proc/driver/nvidia/version."""
    found = re.search(r"Kernel Module(?: for \S+)?\s+(\d+(?:\.\d+)+)", text)
    return found.group(1) if found else None


def _fields(file: Path) -> dict[str, str]:
    """Return the `Name: value` lines of a file."""
    if not file.is_file():
        return {}
    pairs = (line.partition(":") for line in file.read_text(encoding="utf-8").splitlines())
    return {key.strip(): value.strip() for key, _, value in pairs}


def _switched_off(settings: Settings, root: Path) -> str:
    """Return who wants no GPU; empty when nobody does."""
    if settings.llm_library.startswith("cpu"):
        return f"OLLAMA_LLM_LIBRARY={settings.llm_library}"
    if settings.visible_devices in {"", "-1"}:
        return "CUDA_VISIBLE_DEVICES hides every GPU"
    return "the lab forces the CPU" if (root / FORCE_CPU).exists() else ""


def _driver(root: Path) -> tuple[Path | None, str | None]:
    """Return the directory where the kernel's driver shows itself, and its version."""
    home = next((root / place for place in DRIVER if (root / place / "version").is_file()), None)
    return home, kernel_version((home / "version").read_text(encoding="utf-8")) if home else None


def find(settings: Settings, root: Path = Path("/")) -> Found:
    """Return the first GPU that everything fits, or what hinders each backend of this image."""
    off = _switched_off(settings, root)
    if off:
        return Found(None, off)
    built = {file.name.partition("_")[0] for file in (root / BACKENDS).glob("*_v*")} | {"vulkan" for _ in (root / BACKENDS).glob("vulkan")}
    looks = {"cuda": _cuda, "rocm": _rocm, "vulkan": _vulkan if settings.vulkan else lambda _root: Found(None, "OLLAMA_VULKAN=0")}
    found = [look(root) for name, look in looks.items() if name in (built or {"cuda"})]
    device = next((each.device for each in found if each.device), None)
    return Found(_as_the_lab_wants(device, root), "") if device else Found(None, "; ".join(each.reason for each in found))


def _as_the_lab_wants(device: Device, root: Path) -> Device:
    size = root / GPU_MIB
    total = int(size.read_text(encoding="utf-8")) << 20 if size.exists() else device.total
    return replace(device, total=total, seen=not (root / UNSEEN).exists())


def _render_nodes(root: Path) -> str:
    """Return why no render node can be used; empty when one can."""
    nodes = sorted((root / "dev/dri").glob("renderD*"))
    return next(filter(None, map(usable, nodes)), "") if nodes else "no /dev/dri/renderD* here"


def _rocm(root: Path) -> Found:
    reason = usable(root / "dev/kfd") or _render_nodes(root)
    return Found(None, reason) if reason else Found(Device("ROCm", "0", "AMD GPU", "", "", "", _DEFAULT_MIB << 20), "")


def _vulkan(root: Path) -> Found:
    reason = _render_nodes(root)
    return Found(None, reason) if reason else Found(Device("Vulkan", "0", "GPU with Vulkan", "", "", "", _DEFAULT_MIB << 20), "")


def _cuda(root: Path) -> Found:
    home, kernel = _driver(root)
    cards = _cards(home)
    wrong = {node: usable(root / "dev" / node) for node in cards}
    # A container has the nodes of its own cards; the driver shows all that the machine has.
    mine = [card for node, card in cards.items() if not wrong[node]]
    reason = ("" if mine else next(iter(wrong.values()))) or next(filter(None, (usable(root / node) for node in NODES)), "")
    library = library_version(root)
    if reason:
        pass
    elif library is None:
        reason = "libcuda.so.1: cannot open shared object file: No such file or directory"
    elif kernel is None:
        reason = "the NVIDIA kernel module is not loaded"
    elif kernel != library:
        reason = f"system has unsupported display driver / cuda driver combination: library {library}, kernel module {kernel}"
    return Found(None, reason) if reason else Found(_device(mine[0], kernel), "")


def _cards(home: Path | None) -> dict[str, Path | None]:
    """Return the driver's cards by the names of their device nodes; without a driver, the node that any card would have first."""
    found = sorted((home / "gpus").glob("*")) if home else []
    return {f"nvidia{_fields(card / 'information').get('Device Minor', '0')}": card for card in found} or {"nvidia0": None}


def _device(card: Path | None, kernel: str | None) -> Device:
    about, lab = (_fields(card / "information"), _fields(card / "lab")) if card else ({}, {})
    total = int(lab.get("memory_mib", _DEFAULT_MIB)) << 20
    return Device(
        "CUDA", about.get("GPU UUID", "GPU-0"), about.get("Model", "NVIDIA GPU"), lab.get("compute", ""), kernel or "", card.name if card else "", total
    )
