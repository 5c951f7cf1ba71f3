"""fakepve's state and the node's, kept the same: config files under /etc/pve, containers that start and stop by themselves."""

import asyncio
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fakepve import FakePve
from fakepve.lxc import FakeCt
from fakepve.model import TaskError

from . import guest
from .conf import parse, render

PVE = Path("/etc/pve")


async def in_thread(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Call blocking LXC work beside the event loop; its failure ends the task."""
    try:
        return await asyncio.to_thread(function, *args, **kwargs)
    except (guest.GuestError, OSError, subprocess.SubprocessError) as error:
        raise TaskError(str(error)) from error


class OnDisk(FakePve):  # type: ignore[misc, unused-ignore] # fakepve ships no types
    """The part of the API that follows what is on disk and what really runs."""

    def __init__(self, node: str, machine: dict[str, Any]) -> None:
        super().__init__(user="root@pam", password="lab", host="0.0.0.0", port=8006)  # noqa: S104, S106 - reached from the lab's network only
        self.node_name = node
        self.machine = machine
        self.nodes = {node: {"online": True}}
        self.time_scale = 1.0  # tasks run in the background and locks wait, as on a node
        self.node_conf = PVE / "nodes" / node / "lxc"
        self._texts: dict[int, str] = {}
        self._raw: dict[int, list[tuple[str, str]]] = {}

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
                self._look_at(ct)

    @staticmethod
    def _look_at(ct: Any) -> None:
        """Take over a container's real state; asking LXC is slow, so only when it may have changed."""
        running = guest.monitored(ct.vmid)
        if running and ct.status == "running" and ct.pid and Path(f"/proc/{ct.pid}").exists():
            return
        real = guest.state(ct.vmid) if running else "stopped"
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
            self._texts.pop(vmid)
            self._raw.pop(vmid, None)

    async def _answer(self, request: Any, handler: Any, generic: Any, path_node: Any) -> Any:
        """Answer with the real state before, and the files written after."""
        self.sync_in()
        try:
            return await super()._answer(request, handler, generic, path_node)
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
