"""Stand-ins of the packages in NVIDIA's repository for Debian 13: names, versions and relations as NVIDIA's, contents as the .run file's."""

from pathlib import Path

from lab import elf, packages
from lab.paths import DATA

SOURCE = DATA / "nvidia"
PLACE = "developer.download.nvidia.com/compute/cuda/repos/debian13/x86_64"
KEY = "8793F200.pub"
VERSIONS = ("590.44.01", "590.48.01", "610.43.03")
MODULES = {"open": "nvidia-kernel-open-dkms", "proprietary": "nvidia-kernel-dkms"}
LIBRARIES = {
    "libcuda1": ("libcuda",),
    "libnvcuvid1": ("libnvcuvid",),
    "libnvidia-ml1": ("libnvidia-ml",),
    "libnvidia-ptxjitcompiler1": ("libnvidia-ptxjitcompiler",),
}
DIRECTORY = "usr/lib/x86_64-linux-gnu"
# What dh_dkms puts into maintainer scripts.
ADD = """\
if [ "$1" = configure ] && [ -x /usr/lib/dkms/common.postinst ]; then
    /usr/lib/dkms/common.postinst nvidia @VERSION@ /usr/share/nvidia "" "$2"
fi"""
REMOVE = """\
case $1 in remove | upgrade | deconfigure)
    if [ "$(dkms status -m nvidia -v @VERSION@)" ]; then dkms remove -m nvidia -v @VERSION@ --all; fi ;;
esac"""


def publish(root: Path, supported_gpus: str) -> None:
    """Write the repository, signed with a key of its own."""
    for version in VERSIONS:
        _libraries(root, version)
        _programs(root, version)
        packages.build(root, _control(version, Package="firmware-nvidia-gsp"), {f"usr/lib/firmware/nvidia/{version}/gsp_ga10x.bin": b""})
        for flavour, name, other in (
            ("open", "nvidia-kernel-open-dkms", "nvidia-kernel-dkms"),
            ("proprietary", "nvidia-kernel-dkms", "nvidia-kernel-open-dkms"),
        ):
            _modules(root, version, flavour, {"Package": name, "Conflicts": other, "Replaces": other}, supported_gpus)
    packages.publish(root, "cuda")
    (root / KEY).write_text(packages.key("cuda"), encoding="utf-8")


def _text(name: str, version: str) -> bytes:
    return (SOURCE / name).read_bytes().replace(b"@VERSION@", version.encode())


def _control(version: str, **fields: str) -> dict[str, str]:
    return {"Version": f"{version}-1", "Source": "nvidia-graphics-drivers", "Description": "part of NVIDIA's driver", **fields}


def _libraries(root: Path, version: str) -> None:
    for package, libraries in LIBRARIES.items():
        tree: dict[str, bytes | Path] = {}
        for name in libraries:
            tree[f"{DIRECTORY}/{name}.so.{version}"] = elf.shared_library(f"{name}.so.1")
            tree[f"{DIRECTORY}/{name}.so.1"] = Path(f"{name}.so.{version}")
        packages.build(root, _control(version, Package=package), tree, {"postinst": "ldconfig"})


def _programs(root: Path, version: str) -> None:
    same = f"(= {version}-1)"
    needs = ", ".join(f"{library} {same}" for library in LIBRARIES)
    # Recommends pull modules into containers, as the real ones do.
    smi = _control(version, Package="nvidia-driver-cuda", Depends=needs, Recommends="nvidia-kernel-open-dkms | nvidia-kernel-dkms, nvidia-persistenced")
    packages.build(root, smi, {"usr/bin/nvidia-smi": _text("driver/nvidia-smi", version)})
    for name in ("nvidia-modprobe", "nvidia-persistenced"):
        packages.build(root, _control(version, Package=name), {f"usr/bin/{name}": _text(f"driver/{name}", version)})


def _modules(root: Path, version: str, flavour: str, control: dict[str, str], supported_gpus: str) -> None:
    home = f"usr/src/nvidia-{version}"
    tree: dict[str, bytes | Path] = {f"{home}/{file.name}": _text(f"modules/{file.name}", version) for file in sorted((SOURCE / "modules").iterdir())}
    tree[f"{home}/flavour.mk"] = f"VERSION = {version}\nFLAVOUR = {flavour}\n".encode()
    tree["usr/share/nvidia/supported-gpus.json"] = supported_gpus.encode()
    scripts = {"postinst": ADD.replace("@VERSION@", version), "prerm": REMOVE.replace("@VERSION@", version)}
    packages.build(root, _control(version, Depends=f"dkms, firmware-nvidia-gsp (= {version}-1)", **control), tree, scripts)
