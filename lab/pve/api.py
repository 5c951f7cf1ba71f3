"""The node's whole API: containers, and what the node tells about itself."""

import asyncio
import json
import os
from pathlib import Path
from typing import Any

from aiohttp import web
from fakepve.model import PveError, TaskError

from . import guest
from .conf import properties
from .containers import TEMPLATES
from .troubles import AVAILABLE, Troubles

GIB = 1 << 30


class NodePve(Troubles):
    """One node: fakepve's answers where nothing is said here."""

    async def answer(self, request: Any, match: Any, values: Any, user: Any, call: Any = None) -> Any:
        """Answer with our own handler where there is one, after the schema's checks."""
        own = {
            ("GET", "/nodes/{node}/aplinfo"): self._aplinfo,
            ("POST", "/nodes/{node}/aplinfo"): self._apl_download,
            ("POST", "/nodes/{node}/startall"): self._startall,
            ("POST", "/nodes/{node}/stopall"): self._stopall,
            ("GET", "/nodes/{node}/disks/zfs"): self._disks_zfs,
            ("GET", "/nodes/{node}/status"): self._node_status,
        }.get((request.method, match.template if match else ""))
        if own is not None:

            async def checked(_match: Any, checked_values: dict[str, Any]) -> Any:
                return await own(checked_values, user)

            call = checked
        return await super().answer(request, match, values, user, call)

    async def _aplinfo(self, _values: dict[str, Any], _user: str) -> list[dict[str, Any]]:
        common = {
            "package": "debian-13-standard",
            "section": "system",
            "os": "debian-13",
            "type": "lxc",
            "architecture": "amd64",
            "headline": "Debian 13 Trixie (standard)",
            "description": "A small Debian 13 system.",
            "source": "lab",
            "sha512sum": "0" * 128,
            "infopage": "https://pve.proxmox.com/wiki/Linux_Container#pct_supported_distributions",
        }
        names = sorted(os.listdir(AVAILABLE)) if AVAILABLE.is_dir() else []  # noqa: PTH208 - one quick look
        return [{**common, "template": name, "version": name.split("_")[1], "location": f"http://download.proxmox.com/images/system/{name}"} for name in names]

    async def _apl_download(self, values: dict[str, Any], user: str) -> str:
        source = AVAILABLE / Path(str(values["template"])).name
        if not source.exists():
            raise PveError(400, "Parameter verification failed.", {"template": f"no such template '{values['template']}'"})
        if values["storage"] != "local":
            raise PveError(500, f"storage '{values['storage']}' does not support templates")

        async def body() -> str:
            TEMPLATES.mkdir(parents=True, exist_ok=True)
            if not (TEMPLATES / source.name).exists():
                (TEMPLATES / source.name).hardlink_to(source)
            self.look_at_templates()
            return f"downloading {source.name}"

        return await self.task(str(values["node"]), "download", source.name, user, body)

    async def _disks_zfs(self, _values: dict[str, Any], _user: str) -> list[dict[str, Any]]:
        done = await asyncio.to_thread(guest.call, "zpool", "list", "-Hp", "-o", "name,size,alloc,free,frag,dedup,health")
        rows = [line.split("\t") for line in done.stdout.splitlines()]
        return [
            {"name": name, "size": int(size), "alloc": int(used), "free": int(free), "frag": int(frag), "dedup": float(dedup), "health": health}
            for name, size, used, free, frag, dedup, health in rows
        ]

    async def _node_status(self, values: dict[str, Any], _user: str) -> dict[str, Any]:
        kernel = str(self.machine.get("kernel", "6.17.2-1-pve"))
        cores = int(self.machine.get("cores", 16))
        total = int(self.machine.get("memory_mib", 65536)) << 20
        free = total - total // 8
        secure = str(self.machine.get("secure_boot"))
        return {
            "node": values["node"],
            "kversion": f"Linux {kernel}",
            "current-kernel": {"sysname": "Linux", "release": kernel, "version": "#1 SMP PREEMPT_DYNAMIC", "machine": "x86_64"},
            "pveversion": f"pve-manager/{self.version}/lab",
            "cpuinfo": {"cpus": cores, "cores": cores, "sockets": 1, "model": "Lab CPU", "hvm": "1", "mhz": "3000", "flags": "", "user_hz": 100},
            "memory": {"total": total, "used": total - free, "free": free, "available": free},
            "swap": {"total": 0, "used": 0, "free": 0},
            "rootfs": {"total": 64 * GIB, "used": 8 * GIB, "free": 56 * GIB, "avail": 56 * GIB},
            "boot-info": {"mode": "legacy-bios" if secure == "unsupported" else "efi", "secureboot": int(secure == "enabled")},
            "cpu": 0.02,
            "wait": 0,
            "idle": 0,
            "uptime": int(asyncio.get_running_loop().time()),
            "loadavg": ["0.00", "0.00", "0.00"],
        }

    def _boot_order(self) -> list[tuple[Any, dict[str, str]]]:
        """Return the onboot containers in startup order, each with its startup options."""
        rows = [(ct, properties(str(ct.config.get("startup", "")), "order")) for ct in self.cts if ct.config.get("onboot") and not ct.template]
        return sorted(rows, key=lambda row: (int(row[1].get("order") or 1 << 20), row[0].vmid))

    async def _startall(self, values: dict[str, Any], user: str) -> str:
        async def body() -> None:
            for ct, startup in self._boot_order():
                if ct.status != "running":
                    try:
                        await self._start_steps(ct, user)
                    except TaskError as error:
                        print(f"CT {ct.vmid}: {error}", flush=True)
                    self.sync_out()
                    await self.pause(int(startup.get("up") or 0))

        return await self.task(str(values["node"]), "startall", "", user, body)

    async def _stopall(self, values: dict[str, Any], user: str) -> str:
        async def body() -> None:
            running = [ct for ct in self.cts if ct.status == "running"]
            await asyncio.gather(*(self._ct_powerdown(ct, 20, force=True) for ct in running))

        return await self.task(str(values["node"]), "stopall", "", user, body)

    async def serve(self, cert: str, key: str, path: str) -> None:
        """Listen on the network, and on the local socket, where faults can be asked for too."""
        await self.start(cert, key)
        Path(path).unlink(missing_ok=True)  # noqa: ASYNC240 - before the first request
        await web.UnixSite(self.runner, path).start()
        Path(path).chmod(0o600)  # noqa: ASYNC240 - before the first request


def load_machine() -> dict[str, Any]:
    """Return the fixture machine's description."""
    found: dict[str, Any] = json.loads(Path("/usr/lib/psw-lab/machine/machine.json").read_text(encoding="utf-8"))
    return found
