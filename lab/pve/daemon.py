"""The API server of the node: `pvedaemon` and `pveproxy` in one."""

import asyncio
import contextlib
import os
import socket
import subprocess
from pathlib import Path  # noqa: TC003 - a plain import reads better than a guarded one

from .api import NodePve, load_machine
from .ondisk import PVE

SOCKET = "/run/pvedaemon.sock"


def _certificate(node: str) -> tuple[str, str]:
    """Return the node's own certificate, made on first use, at Proxmox VE's place."""
    place = PVE / "nodes" / node
    place.mkdir(parents=True, exist_ok=True)
    cert, key = place / "pve-ssl.pem", place / "pve-ssl.key"
    if not cert.exists():
        curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
        command: list[str | Path] = ["openssl", "req", "-x509", *curve, "-nodes", "-days", "730", "-subj", f"/CN={node}", "-keyout", key, "-out", cert]
        subprocess.run(command, check=True, capture_output=True)
    return str(cert), str(key)


def _links(node: str) -> None:
    """Lay out /etc/pve as Proxmox VE does: the node's own directories are what the short names link to."""
    (PVE / "local").unlink(missing_ok=True)
    (PVE / "local").symlink_to(f"nodes/{node}")
    for kind in ("lxc", "qemu-server"):
        (PVE / "nodes" / node / kind).mkdir(parents=True, exist_ok=True)
        (PVE / kind).unlink(missing_ok=True)
        (PVE / kind).symlink_to(f"nodes/{node}/{kind}")


def _notify(text: str) -> None:
    """Tell systemd; without it there is nobody to tell."""
    address = os.environ.get("NOTIFY_SOCKET")
    if address:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as door:
            door.sendto(text.encode(), f"\0{address[1:]}" if address.startswith("@") else address)


def storages(machine: dict[str, object]) -> dict[str, dict[str, object]]:
    """Return the node's storages: local, and local-zfs on rpool or local-lvm where the machine has no rpool."""
    pools = machine.get("pools") or []
    names = {pool["name"] for pool in pools} if isinstance(pools, list) else set()
    found: dict[str, dict[str, object]] = {
        "local": {
            "type": "dir",
            "active": 1,
            "content": "backup,iso,vztmpl",
            "files": set(),
            "volumes": {},
            "path": "/var/lib/vz",
            "avail": 50 << 30,
            "total": 90 << 30,
        },
    }
    common: dict[str, object] = {"active": 1, "content": "images,rootdir", "files": set(), "volumes": {}, "avail": 400 << 30, "total": 450 << 30}
    if "rpool" in names:
        found["local-zfs"] = {"type": "zfspool", "pool": "rpool/data", "sparse": 1, **common}
    else:
        found["local-lvm"] = {"type": "lvmthin", "vgname": "pve", "thinpool": "data", **common}
    return found


def storage_cfg(found: dict[str, dict[str, object]]) -> str:
    """Return storage.cfg's text."""
    hidden = {"type", "active", "files", "volumes", "avail", "total"}
    return "\n".join(
        f"{store['type']}: {name}\n" + "".join(f"\t{key} {value}\n" for key, value in store.items() if key not in hidden) for name, store in found.items()
    )


async def serve() -> None:
    """Serve until stopped."""
    node = socket.gethostname()
    machine = load_machine()
    _links(node)
    pve = NodePve(node, machine)
    pve.storages = storages(machine)
    (PVE / "storage.cfg").write_text(storage_cfg(pve.storages), encoding="utf-8")
    vms = machine.get("vms") or {}
    for name, text in vms.items():
        (PVE / "qemu-server" / name).write_text(text, encoding="utf-8")
    (PVE / "mapping").mkdir(exist_ok=True)
    (PVE / "mapping/pci.cfg").write_text(str(machine.get("mappings", "")), encoding="utf-8")
    pve.look_at_templates()
    pve.sync_in()
    await pve.serve(*_certificate(node), SOCKET)
    _notify("READY=1")
    await asyncio.Event().wait()


def main(_argv: list[str]) -> int:
    """Run the server."""
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve())
    return 0
