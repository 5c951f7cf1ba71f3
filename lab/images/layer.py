"""Layers: a directory as a compressed archive, as the OCI image specification wants it."""

import hashlib
import os
import stat
import subprocess
import tarfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

# What is only there to build with (the machine's mirror is its own business), or is made anew in every container.
LEFT_OUT_FILES = ("etc/apt/sources.list",)
LEFT_OUT = ("dev", "proc", "sys", "run", "tmp", "var/lib/apt/lists", "var/cache/apt", "var/log", "etc/apt/sources.list.d", "etc/apt/apt.conf.d")
WHITEOUT = ".wh."
OPAQUE = ".wh..wh..opq"


@dataclass(frozen=True)
class Layer:
    """A packed layer: the digest of its archive before and after compression, and the file."""

    diff_id: str
    digest: str
    size: int
    file: str

    def facts(self) -> dict[str, Any]:
        """Return the layer as plain data, to be kept beside the file."""
        return asdict(self)


class _Hashed:
    """A stream that remembers the hash of what went through."""

    def __init__(self, stream: IO[bytes]) -> None:
        self.stream = stream
        self.sha = hashlib.sha256()

    def write(self, data: bytes) -> int:
        self.sha.update(data)
        return self.stream.write(data)


def _paths(root: Path) -> Iterator[tuple[Path, str]]:
    """Yield everything under the root that belongs in a layer, directories before what they hold."""
    for folder, directories, files in os.walk(root):
        relative = os.path.relpath(folder, root)
        inside = "" if relative == "." else f"{relative}/"
        directories.sort()
        if relative in LEFT_OUT:
            directories.clear()
            continue
        for name in sorted([*directories, *files]):
            if f"{inside}{name}" not in LEFT_OUT_FILES:
                yield Path(folder, name), f"{inside}{name}"


def _is_opaque(path: Path) -> bool:
    try:
        return os.getxattr(path, "trusted.overlay.opaque") == b"y"
    except OSError:
        return False


def _marker(name: str) -> tarfile.TarInfo:
    return tarfile.TarInfo(name)


def write(root: Path, stream: IO[bytes]) -> None:
    """Write a directory as a tar stream; an overlay's traces of deleted files become the format's whiteouts."""
    with tarfile.open(fileobj=stream, mode="w|", format=tarfile.PAX_FORMAT, bufsize=1 << 20) as archive:
        for path, name in _paths(root):
            status = path.lstat()
            if stat.S_ISCHR(status.st_mode) and status.st_rdev == 0:
                archive.addfile(_marker(str(Path(name).with_name(f"{WHITEOUT}{path.name}"))))
                continue
            member = archive.gettarinfo(path, name)
            if member is None or member.ischr() or member.isblk():
                continue  # sockets and devices: a container makes its own
            member.mtime = int(member.mtime)
            member.uname = member.gname = ""
            if member.isreg():
                with path.open("rb") as content:
                    archive.addfile(member, content)
            else:
                archive.addfile(member)
            if member.isdir() and _is_opaque(path):
                archive.addfile(_marker(f"{name}/{OPAQUE}"))


def pack(root: Path, target: Path) -> Layer:
    """Pack a directory into a file."""
    with target.open("wb") as out, subprocess.Popen(["zstd", "-q", "-T0", "-3"], stdin=subprocess.PIPE, stdout=out) as packer:
        if packer.stdin is None:
            raise RuntimeError("zstd has no input")
        hashed = _Hashed(packer.stdin)
        write(root, hashed)  # type: ignore[arg-type]  # tarfile only writes to it
    if packer.returncode != 0:
        raise OSError(f"zstd failed with {packer.returncode} while packing {root}")
    with target.open("rb") as packed:
        digest = hashlib.file_digest(packed, "sha256").hexdigest()
    return Layer(f"sha256:{hashed.sha.hexdigest()}", f"sha256:{digest}", target.stat().st_size, str(target))
