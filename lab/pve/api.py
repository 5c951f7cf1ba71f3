"""fakepve wired to real containers: the schema, wording, locks and tasks are its, what happens to containers is LXC's."""

import asyncio
import json
import re
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from aiohttp import web
from fakepve import FakePve
from fakepve.lxc import FakeCt
from fakepve.model import PveError, TaskError

from . import guest
from .conf import parse, properties, render

PVE = Path("/etc/pve")
TEMPLATES = Path("/var/lib/vz/template/cache")
RUN = ["/usr/bin/python3", "-I", "/usr/lib/psw-lab/run.py"]


async def _thread(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Call blocking LXC work beside the event loop; its failure ends the task."""
    try:
        return await asyncio.to_thread(function, *args, **kwargs)
    except (guest.GuestError, OSError, subprocess.SubprocessError) as error:
        raise TaskError(str(error)) from error


class NodePve(FakePve):  # type: ignore[misc, unused-ignore] # fakepve ships no types
    """One node's API: fakepve's state follows the real containers, and the other way round."""

    def __init__(self, node: str, machine: dict[str, Any]) -> None:
        super().__init__(user="root@pam", password="lab", host="0.0.0.0", port=8006)  # noqa: S104, S106 - reached from the lab's network only
        self.node_name = node
        self.machine = machine
        self.nodes = {node: {"online": True}}
        self.time_scale = 1.0  # tasks run in the background and locks wait, as on a node
        self.network["latency"] = 0.0
        self._texts: dict[int, str] = {}
        self._raw: dict[int, list[tuple[str, str]]] = {}
        self.node_conf = PVE / "nodes" / node / "lxc"
        self._last_look = 0.0

    # ------------------------------------------------------ state on disk

    def sync_in(self) -> None:
        """Take over what changed behind our back: config files edited by hand, containers that stopped themselves."""
        files = {int(file.stem): file for file in self.node_conf.glob("[0-9]*.conf")}
        for vmid, file in files.items():
            text = file.read_text(encoding="utf-8")
            if self._texts.get(vmid) == text:
                continue
            config, pending, raw = parse(text)
            ct = self.ct(vmid)
            if ct is None:
                ct = FakeCt(vmid, node=self.node_name, defaults=False, config=config)
                self.cts.append(ct)
            ct.config, ct.pending = config, pending
            self._texts[vmid], self._raw[vmid] = text, raw
        for ct in list(self.cts):
            if ct.vmid in self._texts and ct.vmid not in files:
                self._drop(ct)
                del self._texts[ct.vmid]
        for ct in self.cts:
            # While a task holds the container, its state is the task's business.
            if ct.lock_holder is None and ct.config.get("lock") != "create":
                real = guest.state(ct.vmid)
                if real != ct.status:
                    ct.status = real
                    ct.started_at = time.time() if real == "running" else None
                ct.pid = guest.pid(ct.vmid) if real == "running" else None

    def sync_out(self) -> None:
        """Write the config files that changed and remove those of containers that are gone."""
        self.node_conf.mkdir(parents=True, exist_ok=True)
        for ct in self.cts:
            text = render(ct.config, ct.pending, self._raw.get(ct.vmid, []))
            if self._texts.get(ct.vmid) != text:
                part = self.node_conf / f".{ct.vmid}.tmp"
                part.write_text(text, encoding="utf-8")
                part.rename(self.node_conf / f"{ct.vmid}.conf")
                self._texts[ct.vmid] = text
        for vmid in set(self._texts) - {ct.vmid for ct in self.cts}:
            (self.node_conf / f"{vmid}.conf").unlink(missing_ok=True)
            del self._texts[vmid]

    async def answer(self, request: Any, match: Any, values: Any, user: Any, call: Any = None) -> Any:
        """Answer with the real state before, and the files written after."""
        self.sync_in()
        if match is not None and match.template in self.templates():
            wrapped = self.templates()[match.template].get(request.method)
            if wrapped is not None:

                async def own(_match: Any, checked: dict[str, Any]) -> Any:
                    return await wrapped(checked, user)

                call = own
        try:
            return await super().answer(request, match, values, user, call)
        finally:
            self.sync_out()

    async def task(self, node: str, ttype: str, tid: Any, user: str, body: Any, **kwargs: Any) -> str:
        """Run a task and write the files when it ends."""

        async def written() -> Any:
            try:
                return await body()
            finally:
                self.sync_out()

        return str(await super().task(node, ttype, tid, user, written, **kwargs))

    def _authenticate(self, request: Any) -> Any:
        """Trust the local socket, which only root can open, as Proxmox VE's own commands are root@pam."""
        sock = request.transport.get_extra_info("socket")
        if sock is not None and sock.family == socket.AF_UNIX:
            return "root@pam"
        return super()._authenticate(request)

    # ------------------------------------------------------------- storage

    def templates(self) -> dict[str, dict[str, Any]]:
        """Return our own handlers for methods that fakepve answers from the schema alone."""
        return {
            "/nodes/{node}/aplinfo": {"GET": self._aplinfo, "POST": self._apl_download},
            "/nodes/{node}/startall": {"POST": self._startall},
            "/nodes/{node}/stopall": {"POST": self._stopall},
            "/nodes/{node}/disks/zfs": {"GET": self._disks_zfs},
            "/nodes/{node}/status": {"GET": self._node_status},
            "/nodes/{node}/lxc/{vmid}/pending": {},
        }

    async def _aplinfo(self, _values: dict[str, Any], _user: str) -> list[dict[str, Any]]:
        return [
            {
                "template": file.name, "package": "debian-13-standard", "section": "system", "os": "debian-13", "type": "lxc", "version": file.name.split("_")[1],
                "architecture": "amd64", "headline": "Debian 13 Trixie (standard)", "description": "A small Debian 13 system.", "source": "lab", "sha512sum": "0" * 128,
                "infopage": "https://pve.proxmox.com/wiki/Linux_Container#pct_supported_distributions", "location": f"http://download.proxmox.com/images/system/{file.name}",
            }
            for file in sorted((TEMPLATES.parent / "available").glob("*.tar.zst"))
        ]  # fmt: skip

    async def _apl_download(self, values: dict[str, Any], user: str) -> str:
        source = TEMPLATES.parent / "available" / str(values["template"])
        if not source.exists():
            raise PveError(400, "Parameter verification failed.", {"template": f"no such template '{values['template']}'"})

        async def body() -> None:
            TEMPLATES.mkdir(parents=True, exist_ok=True)
            target = TEMPLATES / source.name
            if not target.exists():
                target.hardlink_to(source)
            self.look_at_storage()

        return await self.task(str(values["node"]), "download", source.name, user, body)

    def look_at_storage(self) -> None:
        """Take over which templates lie in the storage `local`."""
        local = self.storages["local"]
        TEMPLATES.mkdir(parents=True, exist_ok=True)
        volumes = local.setdefault("volumes", {})
        names = {f"vztmpl/{file.name}": file.stat() for file in TEMPLATES.glob("*.tar.*")}
        for volume in [known for known in volumes if known not in names]:
            del volumes[volume]
        for volume, found in names.items():
            volumes.setdefault(volume, {"size": found.st_size, "format": "tzst", "ctime": int(found.st_mtime), "content": "vztmpl"})

    async def _disks_zfs(self, _values: dict[str, Any], _user: str) -> list[dict[str, Any]]:
        done = await asyncio.to_thread(guest.call, "zpool", "list", "-Hp", "-o", "name,size,alloc,free,frag,dedup,health")
        rows = [line.split("\t") for line in done.stdout.splitlines()]
        return [
            {"name": n, "size": int(s), "alloc": int(a), "free": int(f), "frag": int(g), "dedup": float(d.rstrip("x")), "health": h}
            for n, s, a, f, g, d, h in rows
        ]

    async def _node_status(self, values: dict[str, Any], _user: str) -> Any:
        data = await asyncio.to_thread(guest.call, "uname", "-r")
        kernel = data.stdout.strip()
        return {
            "kversion": f"Linux {kernel}", "current-kernel": {"sysname": "Linux", "release": kernel, "version": "#1 SMP PREEMPT_DYNAMIC", "machine": "x86_64"},
            "pveversion": f"pve-manager/{self.version}/lab", "uptime": int(float(Path("/proc/uptime").read_text(encoding="ascii").split()[0])),
            "cpuinfo": {"cpus": int(self.machine.get("cores", 16)), "cores": int(self.machine.get("cores", 16)), "sockets": 1, "model": "Lab CPU", "hvm": "1",
                        "mhz": "3000", "flags": "", "user_hz": 100},
            "memory": self._memory(), "swap": {"total": 0, "used": 0, "free": 0}, "rootfs": {"total": 1 << 36, "used": 1 << 33, "free": 1 << 35, "avail": 1 << 35},
            "boot-info": {"mode": "efi" if self.machine.get("secure_boot") != "unsupported" else "legacy-bios", "secureboot": int(self.machine.get("secure_boot") == "enabled")},
            "cpu": 0.02, "wait": 0, "idle": 0, "loadavg": ["0.00", "0.00", "0.00"], "node": values["node"],
        }  # fmt: skip

    def _memory(self) -> dict[str, int]:
        total = int(self.machine.get("memory_mib", 65536)) << 20
        return {"total": total, "used": total // 8, "free": total - total // 8, "available": total - total // 8}

    # ---------------------------------------------------------- containers

    async def _lxc_create(self, user: str, v: dict[str, Any]) -> Any:
        self.look_at_storage()
        self._check_devices(v)
        if v.get("restore"):
            raise PveError(500, "the lab does not restore backups")
        wanted = {"archive": str(v["ostemplate"]), "keys": v.get("ssh-public-keys"), "password": v.get("password")}
        self._creating = {**getattr(self, "_creating", {}), int(v["vmid"]): wanted}
        return await super()._lxc_create(user, v)

    async def ceph_io(self, ct: Any, keys: Any) -> None:
        """Do the real work of a create here: fakepve calls this between taking the config and finishing the task."""
        await super().ceph_io(ct, keys)
        wanted = getattr(self, "_creating", {}).pop(ct.vmid, None) if hasattr(ct, "ha_managed") and ct.config.get("arch") else None
        if wanted is None:
            return
        name = wanted["archive"].rsplit("/", 1)[-1]
        await _thread(guest.create, ct.vmid, dict(ct.config), TEMPLATES / name, wanted["keys"], wanted["password"])

    async def _start_steps(self, ct: Any, user: str, skiplock: bool = False) -> None:  # noqa: FBT001, FBT002 - fakepve's signature
        if ct.template:
            raise TaskError("you can't start a CT if it's a template")
        if not skiplock:
            self._task_lock(ct, allow=("mounted",))
        if ct.start_error:
            raise TaskError(ct.start_error)
        self._apply(ct)
        await _thread(guest.start, ct.vmid, dict(ct.config), self._raw.get(ct.vmid, []))
        ct.status, ct.started_at, ct.pid = "running", time.time(), await _thread(guest.pid, ct.vmid)
        _ = user

    async def _lxc_stop(self, user: str, v: dict[str, Any]) -> Any:
        self._skiplock(user, v)
        ct = self._here(v)
        self._ct_running(ct, f"CT {v['vmid']} not running")

        async def body() -> None:
            self._task_lock(ct, allow=("mounted",))
            await _thread(guest.stop, ct.vmid, None)
            ct.status, ct.pid = "stopped", None

        return await self._ct_task(ct, "vzstop", user, body)

    async def _ct_powerdown(self, ct: Any, timeout: float, force: bool) -> None:  # noqa: ASYNC109, FBT001 - fakepve's signature
        await _thread(guest.stop, ct.vmid, int(timeout), force=force)
        ct.status, ct.pid = "stopped", None

    async def _lxc_destroy(self, user: str, v: dict[str, Any]) -> Any:
        ct = self._find_ct(v["node"], v["vmid"])
        ct.doomed = True
        return await super()._lxc_destroy(user, v)

    def _drop(self, ct: Any) -> None:
        if getattr(ct, "doomed", False):
            if guest.state(ct.vmid) == "running":
                guest.stop(ct.vmid, None)
            guest.destroy(ct.vmid, ct.config)
        super()._drop(ct)

    async def _lxc_interfaces(self, user: str, v: dict[str, Any]) -> Any:
        ct = self._find_ct(v["node"], v["vmid"])
        _ = user
        return await asyncio.to_thread(guest.interfaces, ct.vmid) if ct.status == "running" else None

    async def _lxc_config_put(self, user: str, v: dict[str, Any]) -> Any:
        self._check_devices(v)
        ct = self._find_ct(v["node"], v["vmid"])
        before = dict(ct.config)
        result = await super()._lxc_config_put(user, v)
        if ct.status == "running":
            for key in sorted(set(ct.config) - set(before)):
                await asyncio.to_thread(self._hotplug, ct, key)
        return result

    @staticmethod
    def _check_devices(v: dict[str, Any]) -> None:
        for key, text in v.items():
            if re.fullmatch(r"dev\d+", key):
                try:
                    guest.device_of(properties(str(text), "path")["path"])
                except guest.GuestError as error:
                    raise PveError(500, str(error)) from error

    @staticmethod
    def _hotplug(ct: Any, key: str) -> None:
        """Bring a new devN or mpN into the running container."""
        init = guest.pid(ct.vmid)
        if init is None or not re.fullmatch(r"(dev|mp)\d+", key):
            return
        if key.startswith("dev"):
            source = str(guest.pass_through(ct.vmid, ct.config[key]))
            arguments = [source, properties(ct.config[key], "path")["path"], "file"]
        else:
            mount = properties(ct.config[key], "volume")
            guest.set_up(ct.vmid, {key: ct.config[key], "hostname": ct.name})
            arguments = [guest.volume_path(mount["volume"]), mount["mp"], "dir"]
        try:
            guest.must(*RUN, "hotplug", str(init), *arguments)
        except guest.GuestError as error:
            raise PveError(500, f"unable to hotplug {key}: {error}") from error

    # ------------------------------------------------------- start and stop

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
            running = [ct for ct in reversed(sorted(self.cts, key=lambda ct: ct.vmid)) if ct.status == "running"]
            await asyncio.gather(*(self._ct_powerdown(ct, 20, True) for ct in running))

        return await self.task(str(values["node"]), "stopall", "", user, body)

    async def serve(self, cert: str, key: str, path: str) -> None:
        """Listen on the network and on the local socket."""
        await self.start(cert, key)
        Path(path).unlink(missing_ok=True)
        await web.UnixSite(self.runner, path).start()
        Path(path).chmod(0o600)


def load_machine() -> dict[str, Any]:
    """Return the fixture machine's description."""
    found: dict[str, Any] = json.loads(Path("/usr/lib/psw-lab/machine/machine.json").read_text(encoding="utf-8"))
    return found
