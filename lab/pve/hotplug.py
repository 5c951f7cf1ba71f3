"""Bring a mount of the node into a running container, as Proxmox VE hotplugs devN and mpN. Run as `run.py hotplug PID SOURCE TARGET MODE`."""

import ctypes
import os
import sys
from pathlib import Path

from .lxcconf import ROOT_ID

_OPEN_TREE, _MOVE_MOUNT = 428, 429
_AT_FDCWD = -100
_CLONE, _RECURSIVE, _EMPTY_PATH = 0x1, 0x8000, 0x4


def main(argv: list[str]) -> int:
    """Clone the source mount here, then attach it at the target inside the container."""
    pid, source, target, kind = argv
    libc = ctypes.CDLL(None, use_errno=True)
    tree = libc.syscall(_OPEN_TREE, _AT_FDCWD, source.encode(), _CLONE | (_RECURSIVE if kind == "dir" else 0))
    if tree < 0:
        raise OSError(ctypes.get_errno(), f"open_tree {source}")
    with Path(f"/proc/{pid}/ns/mnt").open("rb") as namespace:
        os.setns(namespace.fileno(), os.CLONE_NEWNS)  # type: ignore[attr-defined, unused-ignore] # Python 3.12, which the node has
    place = Path(target)
    # The container's file systems know only its own ids, so what is made there is made as its root.
    os.setegid(ROOT_ID)
    os.seteuid(ROOT_ID)
    (place if kind == "dir" else place.parent).mkdir(parents=True, exist_ok=True)
    if kind == "file":
        place.touch()
    os.seteuid(0)
    os.setegid(0)
    if libc.syscall(_MOVE_MOUNT, tree, b"", _AT_FDCWD, target.encode(), _EMPTY_PATH) < 0:
        raise OSError(ctypes.get_errno(), f"move_mount {target}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
