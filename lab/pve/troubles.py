"""What can be made to go wrong on the node, by request over its local socket; `healed` undoes all of it."""

import asyncio
from typing import Any

from aiohttp import web
from fakepve.model import PveError, TaskError
from fakepve.server import API, ok

from . import zfsstate
from .containers import TEMPLATES, Containers

AVAILABLE = TEMPLATES.parent / "available"
ASIDE = TEMPLATES.parent / "aside"
HEALTHY = "healthy"  # what a pool was like before it was harmed
STRANGERS = "arch: amd64\nhostname: {hostname}\nmemory: 512\nostype: debian\nrootfs: local:{vmid}/vm-{vmid}-disk-0.raw,size=4G\nunprivileged: 1\n"


def harm_pool(name: str, what: str) -> None:
    """Fill a ZFS pool, or let one of its disks fail."""
    with zfsstate.opened(write=True) as store:
        if name not in store.pools:
            raise ValueError(f"no pool {name!r} on this node; it has: {', '.join(sorted(store.pools)) or 'none'}")
        pool = store.pools[name]
        pool.setdefault(HEALTHY, {key: pool[key] for key in ("health", "used_gib")})
        pool.update({"full": {"used_gib": pool["size_gib"]}, "degraded": {"health": "DEGRADED"}}[what])


def heal_pools() -> None:
    """Give every harmed pool its room and its disks back."""
    with zfsstate.opened(write=True) as store:
        for pool in store.pools.values():
            pool.update(pool.pop(HEALTHY, {}))


def hide_templates() -> None:
    """Take the templates away, those that were downloaded and those that could be."""
    for place in (TEMPLATES, AVAILABLE):
        for file in sorted(place.glob("*.tar.*")):
            (ASIDE / place.name).mkdir(parents=True, exist_ok=True)
            file.rename(ASIDE / place.name / file.name)


def show_templates() -> None:
    """Put the templates back."""
    for file in sorted(ASIDE.glob("*/*")):
        file.rename(TEMPLATES.parent / file.parent.name / file.name)


class Troubles(Containers):
    """The API, with troubles that last until they are healed."""

    def __init__(self, node: str, machine: dict[str, Any]) -> None:
        super().__init__(node, machine)
        self._rules: list[dict[str, Any]] = []
        self._busy: set[int] = set()
        self._locked: set[int] = set()
        self._strangers: set[int] = set()
        self._storages: dict[str, dict[str, Any]] = {}

    def fail_requests(self, wanted: dict[str, Any]) -> None:
        """Take a fault: {"method", "path", "message" or "error", "status", "times", "in_task", "hang"}."""
        if wanted.get("in_task") or wanted.get("hang"):
            self._rules.append(wanted)
            return
        status = None if wanted.get("error") else int(wanted.get("status") or 500)
        self.fail(wanted["method"], wanted["path"], status, wanted.get("message"), error=wanted.get("error"), times=wanted.get("times"))

    def _rule(self, request: Any, generic: Any) -> dict[str, Any]:
        """Return the first rule for a request, used up once more."""
        for rule in self._rules:
            if request.method == rule["method"] and self._failure_matches(request, generic, rule["path"]):
                if rule.get("times"):
                    rule["times"] -= 1
                    if not rule["times"]:
                        self._rules.remove(rule)
                return rule
        return {}

    async def _answer(self, request: Any, handler: Any, generic: Any, path_node: Any) -> Any:
        rule = self._rule(request, generic)
        await asyncio.sleep(float(rule.get("hang") or 0))
        if rule.get("in_task"):
            return ok(await self._failed_task(request, path_node, rule["message"], generic or self.resolve(request, API)))
        return await super()._answer(request, handler, generic, path_node)

    async def trouble(self, wanted: dict[str, Any]) -> None:
        """Cause one lasting trouble: {"kind": one of the methods below, and its arguments}."""
        kind, given = wanted["kind"], {key: value for key, value in wanted.items() if key != "kind"}
        await getattr(self, f"_trouble_{kind}")(**given)

    async def _trouble_quorum(self) -> None:
        self.lose_quorum()

    async def _trouble_lock(self, vmid: int, why: str) -> None:
        self.snapshot_lock(vmid, why)
        self._locked.add(vmid)

    async def _trouble_busy(self, vmid: int) -> None:
        await self.hold_config_lock(vmid, None)
        self._busy.add(vmid)

    async def _trouble_storage(self, storage: str, what: str) -> None:
        if storage not in self.storages:
            raise ValueError(f"no storage {storage!r} on this node; it has: {', '.join(sorted(self.storages))}")
        settings = self.storages[storage]
        self._storages.setdefault(storage, {key: settings.get(key) for key in ("avail", "active")})
        settings.update({"full": {"avail": 1 << 20}, "inactive": {"active": 0}}[what])

    async def _trouble_pool(self, pool: str, what: str) -> None:
        await asyncio.to_thread(harm_pool, pool, what)

    async def _trouble_templates(self) -> None:
        hide_templates()
        self.look_at_templates()

    async def _trouble_stranger(self, vmid: int, hostname: str) -> None:
        if self.ct(vmid) is not None:
            raise ValueError(f"there is a container {vmid} already")
        (self.node_conf / f"{vmid}.conf").write_text(STRANGERS.format(vmid=vmid, hostname=hostname), encoding="utf-8")
        self._strangers.add(vmid)

    def heal(self) -> None:
        """Undo every trouble and every fault."""
        self.failures.clear()
        self._rules.clear()
        self.regain_quorum()
        for vmid in self._busy & {ct.vmid for ct in self.cts}:
            self.release_config_lock(vmid)
        for vmid in self._locked & {ct.vmid for ct in self.cts}:
            self.unlock(vmid)
        for name in self._storages.keys() & self.storages:
            self.storages[name].update(self._storages[name])
            if self.storages[name]["avail"] is None:
                del self.storages[name]["avail"]
        for vmid in self._strangers:
            (self.node_conf / f"{vmid}.conf").unlink(missing_ok=True)
        for remembered in (self._busy, self._locked, self._storages, self._strangers):
            remembered.clear()
        heal_pools()
        show_templates()
        self.look_at_templates()

    async def _door(self, request: Any) -> Any:
        """Answer what `python -m lab` asks for: /lab/fault, /lab/trouble, /lab/heal."""
        wanted = await request.json()
        self.sync_in()
        try:
            if request.path == "/lab/fault":
                self.fail_requests(wanted)
            elif request.path == "/lab/trouble":
                await self.trouble(wanted)
            else:
                self.heal()
        except (AttributeError, KeyError, TypeError, ValueError, PveError, TaskError) as error:
            return web.json_response({"data": None, "message": str(error)}, status=400)
        self.sync_in()
        self.sync_out()
        return web.json_response({"data": None})

    def _build_app(self) -> Any:
        app = super()._build_app()
        hidden = web.Application()
        for name in ("fault", "trouble", "heal"):
            hidden.router.add_post(f"/{name}", self._door)
        app.add_subapp("/lab", hidden)
        return app
