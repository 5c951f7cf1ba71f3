"""The datasets and pools of the ZFS stand-in: what they are, on disk as JSON, and the real directories behind their mount points."""

import fcntl
import json
import os
import re
import subprocess
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .zfsprops import PROPERTIES, ZfsError, canonical, is_user

HOME = Path("/var/lib/psw-lab/datasets")
STATE = HOME / "zfs.json"
MACHINE = Path("/usr/lib/psw-lab/machine/machine.json")
GIB = 1 << 30


def guid(name: str) -> str:
    """Return a number that looks like a guid and is the same every time."""
    return str((zlib.crc32(name.encode()) << 32 | zlib.crc32(name[::-1].encode())) & (2**63 - 1))


def new_dataset(name: str, local: dict[str, str], txg: int) -> dict[str, Any]:
    """Return a fresh dataset."""
    return {"local": local, "creation": int(time.time()), "createtxg": txg, "guid": guid(f"{name}{txg}")}


def initial(machine: dict[str, Any]) -> dict[str, Any]:
    """Return the pools and datasets that a machine has when new, as Proxmox VE's installer makes them."""
    state: dict[str, Any] = {"pools": {}, "datasets": {}, "txg": 10}
    for pool in machine.get("pools") or []:
        name = str(pool["name"])
        state["pools"][name] = {"health": "ONLINE", "size_gib": 100, "used_gib": 0, "vdev": None, "devices": [], **pool}
        state["datasets"][name] = new_dataset(name, {}, 1)
        if name == "rpool":
            state["datasets"][name]["local"] = {"compression": "on", "atime": "on"}
            state["datasets"]["rpool/ROOT"] = new_dataset("rpool/ROOT", {"mountpoint": "none"}, 8)
            state["datasets"]["rpool/ROOT/pve-1"] = new_dataset("rpool/ROOT/pve-1", {"mountpoint": "legacy"}, 9)
            state["datasets"]["rpool/data"] = new_dataset("rpool/data", {}, 10)
    return state


class Store:
    """The state, with the questions and changes that the commands need."""

    def __init__(self, state: dict[str, Any]) -> None:
        self.state = state

    @property
    def datasets(self) -> dict[str, dict[str, Any]]:
        """Return the datasets and snapshots by name."""
        found: dict[str, dict[str, Any]] = self.state["datasets"]
        return found

    @property
    def pools(self) -> dict[str, dict[str, Any]]:
        """Return the pools by name."""
        found: dict[str, dict[str, Any]] = self.state["pools"]
        return found

    def need(self, name: str) -> dict[str, Any]:
        """Return a dataset, or zfs's refusal."""
        if name not in self.datasets:
            raise ZfsError(f"cannot open '{name}': dataset does not exist")
        return self.datasets[name]

    def children(self, name: str) -> list[str]:
        """Return the file systems below one, sorted."""
        return sorted(other for other in self.datasets if other.startswith(f"{name}/") and "@" not in other)

    def snapshots(self, name: str) -> list[str]:
        """Return a file system's own snapshots, oldest first."""
        return sorted((other for other in self.datasets if other.startswith(f"{name}@")), key=lambda other: self.datasets[other]["createtxg"])

    def next_txg(self) -> int:
        """Return a new transaction number."""
        self.state["txg"] += 1
        return int(self.state["txg"])

    def value(self, name: str, key: str) -> tuple[str, str]:
        """Return a settable property's stored value and where it comes from."""
        local = self.datasets[name]["local"]
        if key in local:
            return str(local[key]), "local"
        known = PROPERTIES.get(key)
        parent = name.partition("@")[0] if "@" in name else name.rpartition("/")[0]
        while parent and (known is None or known.inherits):
            if key in self.datasets[parent]["local"]:
                text = str(self.datasets[parent]["local"][key])
                if key == "mountpoint" and text.startswith("/"):
                    text = f"{text.rstrip('/')}{name.partition('@')[0][len(parent) :]}"
                return text, f"inherited from {parent}"
            parent = parent.rpartition("/")[0]
        if known is None:
            return "-", "-"
        return (f"/{name.partition('@')[0]}" if key == "mountpoint" else known.default), "default"

    def source_directory(self, name: str) -> Path:
        """Return the real directory that holds a dataset's files."""
        return HOME / name.replace("/", "@2F")

    def is_mounted(self, name: str) -> bool:
        """Tell whether a dataset's directory is mounted at its place."""
        place = self.value(name, "mountpoint")[0]
        if not place.startswith("/") or not Path(place).is_dir() or not self.source_directory(name).is_dir():
            return False
        try:
            return os.path.samestat(os.stat(place), os.stat(self.source_directory(name)))  # noqa: PTH116 - samestat wants stat results
        except OSError:
            return False

    def mount(self, name: str) -> None:
        """Mount a dataset where its properties say, unless they say not to."""
        place = self.value(name, "mountpoint")[0]
        if "@" in name or self.value(name, "canmount")[0] != "on" or not place.startswith("/") or self.is_mounted(name):
            return
        self.source_directory(name).mkdir(parents=True, exist_ok=True)
        Path(place).mkdir(parents=True, exist_ok=True)
        done = subprocess.run(["mount", "--bind", self.source_directory(name), place], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise ZfsError(f"cannot mount '{place}': {done.stderr.strip()}")

    def unmount(self, name: str) -> None:
        """Unmount a dataset."""
        if "@" in name or not self.is_mounted(name):
            return
        place = self.value(name, "mountpoint")[0]
        done = subprocess.run(["umount", place], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise ZfsError(f"cannot unmount '{place}': pool or dataset is busy")

    def own_used(self, name: str) -> int:
        """Return the bytes of a dataset's own files, and for a pool's root what the machine says is used."""
        used = 96 << 10
        source = self.source_directory(name.partition("@")[0])
        if source.is_dir() and "@" not in name:
            done = subprocess.run(["du", "-sxB1", source], capture_output=True, text=True, check=False)
            used += int((done.stdout.split() or ["0"])[0])
        if name in self.pools:
            used += int(float(self.pools[name]["used_gib"]) * GIB)
        return used

    def used(self, name: str) -> int:
        """Return the bytes of a dataset and everything below it."""
        return 0 if "@" in name else self.own_used(name) + sum(self.own_used(child) for child in self.children(name))

    def available(self, name: str) -> int:
        """Return the bytes that can still be written: what the pool has, held down by every quota on the way up."""
        pool = name.partition("/")[0].partition("@")[0]
        # A thirty-second of a pool is kept back.
        free = [int(float(self.pools[pool]["size_gib"]) * GIB * 31 / 32) - self.used(pool)]
        at = name
        while at:
            quota = int(self.datasets[at]["local"].get("quota", 0))
            if quota:
                free.append(quota - self.used(at))
            at = at.rpartition("/")[0]
        return max(0, min(free))

    def names_of_user_properties(self, name: str) -> list[str]:
        """Return the user properties that a dataset has or inherits, sorted."""
        parts = re.split(r"[/@]", name)
        above = ["/".join(parts[: n + 1]) for n in range(len(parts))] + [name]
        return sorted({key for at in above for key in self.datasets.get(at, {"local": {}})["local"] if is_user(canonical(key))})


@contextmanager
def opened(*, write: bool = False) -> Iterator[Store]:
    """Open the state, alone; written back where asked and nothing was raised."""
    HOME.mkdir(parents=True, exist_ok=True)
    with (HOME / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if STATE.exists():
            state = json.loads(STATE.read_text(encoding="utf-8"))
        else:
            state = initial(json.loads(MACHINE.read_text(encoding="utf-8")))
            write = True
        yield Store(state)
        if write:
            part = STATE.with_suffix(".tmp")
            part.write_text(json.dumps(state, indent=1), encoding="utf-8")
            part.rename(STATE)
