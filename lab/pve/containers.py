"""What happens to containers happens to real ones: create, start, stop, devices, destroy."""

import asyncio
import re
import time
from pathlib import Path
from typing import Any

from fakepve.model import PveError, TaskError

from . import guest
from .conf import properties
from .lxcconf import volume_path
from .ondisk import OnDisk, in_thread

TEMPLATES = Path("/var/lib/vz/template/cache")
RUN = ["/usr/bin/python3", "-I", "/usr/lib/psw-lab/run.py"]


def check_device(key: str, text: str) -> None:
    """Refuse a devN that Proxmox VE refuses: a path outside /dev, or one that is no device now."""
    path = properties(text, "path").get("path", "")
    if not path.startswith("/dev/") or re.search(r"/\.\.?(/|$)", path):
        why = f"invalid format - format error\n{key}.path: invalid format - {path} must start with /dev/ and not contain relative components"
        raise PveError(400, "Parameter verification failed.", {key: why})
    try:
        guest.device_of(path)
    except guest.GuestError as error:
        raise PveError(500, str(error)) from error


class Containers(OnDisk):
    """fakepve's container routes with LXC behind them."""

    def __init__(self, node: str, machine: dict[str, Any]) -> None:
        super().__init__(node, machine)
        self._creating: dict[int, dict[str, Any]] = {}

    def look_at_templates(self) -> None:
        """Take over which templates lie in the storage `local`."""
        TEMPLATES.mkdir(parents=True, exist_ok=True)
        volumes = self.storages["local"].setdefault("volumes", {})
        files = {f"vztmpl/{file.name}": file.stat() for file in TEMPLATES.glob("*.tar.*")}
        for volume in [known for known in volumes if known.startswith("vztmpl/") and known not in files]:
            del volumes[volume]
        for volume, found in files.items():
            volumes.setdefault(volume, {"size": found.st_size, "format": "tzst", "ctime": int(found.st_mtime), "content": "vztmpl"})

    async def _lxc_create(self, user: str, v: dict[str, Any]) -> Any:
        self.look_at_templates()
        for key, text in v.items():
            if re.fullmatch(r"dev\d+", key):
                check_device(key, str(text))
        if v.get("restore"):
            raise PveError(500, "the lab does not restore backups")
        archive = TEMPLATES / str(v["ostemplate"]).rsplit("/", 1)[-1]
        if not archive.is_file() and str(v["ostemplate"]).startswith("local:vztmpl/"):
            raise PveError(500, f"unable to create CT {v['vmid']} - volume '{v['ostemplate']}' does not exist")
        vmid = int(v["vmid"])
        before = self._creating.get(vmid)
        self._creating[vmid] = {"archive": archive, "keys": v.get("ssh-public-keys"), "password": v.get("password")}
        try:
            return await super()._lxc_create(user, v)
        except PveError:  # such as a number that somebody else was quicker with: what stays here would be made over their container when it is resized
            self._creating.pop(vmid)
            if before is not None:
                self._creating[vmid] = before
            raise

    async def ceph_io(self, ct: Any, keys: Any) -> None:
        """Do the real work of a create here: fakepve calls this between taking the config and finishing the task."""
        await super().ceph_io(ct, keys)
        wanted = self._creating.pop(ct.vmid, None) if "arch" in getattr(ct, "config", {}) else None
        if wanted is None:
            return
        # Locked on disk too: whoever finds it after a crash must see that it is half made.
        ct.config["lock"] = "create"
        self.sync_out()
        try:
            await in_thread(guest.create, ct.vmid, dict(ct.config), wanted["archive"], wanted["keys"], wanted["password"])
        except TaskError:
            await in_thread(guest.destroy, ct.vmid, dict(ct.config))
            raise
        ct.config.pop("lock")

    async def _start_steps(self, ct: Any, user: str, skiplock: bool = False) -> None:  # noqa: ARG002, FBT001, FBT002 - fakepve's signature
        if ct.template:
            raise TaskError("you can't start a CT if it's a template")
        if not skiplock:
            self._task_lock(ct, allow=("mounted",))
        if ct.start_error:
            raise TaskError(ct.start_error)
        self._apply(ct)
        await in_thread(guest.start, ct.vmid, dict(ct.config), self._raw.get(ct.vmid, []))
        ct.status, ct.started_at, ct.pid = "running", time.time(), await in_thread(guest.pid, ct.vmid)

    async def _lxc_stop(self, user: str, v: dict[str, Any]) -> Any:
        self._skiplock(user, v)
        ct = self._here(v)
        self._ct_running(ct, f"CT {v['vmid']} not running")

        async def body() -> None:
            self._task_lock(ct, allow=("mounted",))
            await in_thread(guest.stop, ct.vmid, None)
            ct.status, ct.pid = "stopped", None

        return await self._ct_task(ct, "vzstop", user, body)

    async def _ct_powerdown(self, ct: Any, timeout: float, force: bool) -> None:  # noqa: ASYNC109, FBT001 - fakepve's signature
        await in_thread(guest.stop, ct.vmid, int(timeout), force=force)
        ct.status, ct.pid = "stopped", None

    async def _lxc_destroy(self, user: str, v: dict[str, Any]) -> Any:
        self._find_ct(v["node"], v["vmid"]).doomed = True
        return await super()._lxc_destroy(user, v)

    def _drop(self, ct: Any) -> None:
        if getattr(ct, "doomed", False):
            if guest.state(ct.vmid) == "running":
                guest.stop(ct.vmid, None)
            guest.destroy(ct.vmid, ct.config)
        super()._drop(ct)

    async def _lxc_interfaces(self, user: str, v: dict[str, Any]) -> Any:  # noqa: ARG002 - fakepve's signature
        ct = self._find_ct(v["node"], v["vmid"])
        return await asyncio.to_thread(guest.interfaces, ct.vmid) if ct.status == "running" else None

    async def _lxc_config_put(self, user: str, v: dict[str, Any]) -> Any:
        for key, text in v.items():
            if re.fullmatch(r"dev\d+", key):
                check_device(key, str(text))
        ct = self._find_ct(v["node"], v["vmid"])
        before = dict(ct.config)
        result = await super()._lxc_config_put(user, v)
        if ct.status == "running":
            for key in sorted(set(ct.config) - set(before)):
                await asyncio.to_thread(self._hotplug, ct, key)
        return result

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
            guest.make_volumes({key: ct.config[key]})
            arguments = [volume_path(mount["volume"]), mount["mp"], "dir"]
        try:
            guest.must(*RUN, "hotplug", str(init), *arguments)
        except guest.GuestError as error:
            raise PveError(500, f"unable to hotplug {key}: {error}") from error
