"""What is asked to go wrong goes wrong, and what is healed is as before; asked as `python -m lab` asks, over the local socket."""

import asyncio
import json
import re
import socket
import tempfile
import threading
import time

import pytest
from aiohttp import web

from lab.pve import client, containers, ondisk, trouble, troubles, zfsstate
from lab.pve.client import ApiError, request

MACHINE = {"pools": [{"name": "tank", "devices": ["nvme0n1"], "size_gib": 928, "used_gib": 12}]}
CONFIG = "arch: amd64\nhostname: ours\nmemory: 512\nostype: debian\nrootfs: local-lvm:vm-101-disk-0,size=8G\nunprivileged: 1\n"
GIB = 1 << 30


@pytest.fixture
def node(tmp_path, monkeypatch):
    """The API of a node with one stopped container, reached as its commands reach it."""
    monkeypatch.setattr(ondisk, "PVE", tmp_path)
    monkeypatch.setattr(containers.guest, "monitored", lambda _vmid: False)
    for module, name in ((containers, "TEMPLATES"), (troubles, "TEMPLATES")):
        monkeypatch.setattr(module, name, tmp_path / "template/cache")
    monkeypatch.setattr(troubles, "AVAILABLE", tmp_path / "template/available")
    monkeypatch.setattr(troubles, "ASIDE", tmp_path / "template/aside")
    (tmp_path / "machine.json").write_text(json.dumps(MACHINE), encoding="utf-8")
    for name, place in (("HOME", tmp_path), ("STATE", tmp_path / "zfs.json"), ("MACHINE", tmp_path / "machine.json")):
        monkeypatch.setattr(zfsstate, name, place)
    monkeypatch.setattr(socket, "gethostname", lambda: "pve1")
    api = troubles.Troubles("pve1", MACHINE)
    api.lock_wait = 0.1
    api.storages = {
        "local-lvm": {"type": "lvmthin", "active": 1, "content": "images,rootdir", "avail": 400 * GIB, "total": 450 * GIB, "files": set(), "volumes": {}}
    }
    api.storages["local"] = {"type": "dir", "active": 1, "content": "vztmpl", "files": set(), "volumes": {}}
    api.node_conf.mkdir(parents=True)
    (api.node_conf / "101.conf").write_text(CONFIG, encoding="utf-8")
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    def call(coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, loop).result(30)

    async def listen(path):
        api.runner = web.AppRunner(api._build_app())
        await api.runner.setup()
        await web.UnixSite(api.runner, path).start()

    with tempfile.TemporaryDirectory() as short:  # a socket's path has little room
        monkeypatch.setattr(client, "SOCKET", f"{short}/pve.sock")
        call(listen(f"{short}/pve.sock"))
        yield api
        call(api.stop())
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)


def cause(kind, **options):
    assert trouble.main(["trouble", json.dumps({"kind": kind, **options})]) == 0


def heal():
    assert trouble.main(["heal", "{}"]) == 0


def fail(**options):
    assert trouble.main(["fault", json.dumps(options)]) == 0


def change():
    request("PUT", "/nodes/pve1/lxc/101/config", {"memory": 1024})


def storage(name):
    return next(row for row in request("GET", "/nodes/pve1/storage") if row["storage"] == name)


@pytest.mark.parametrize(
    ("kind", "options", "said"),
    [
        ("quorum", {}, "cluster not ready - no quorum?"),
        ("lock", {"vmid": 101, "why": "backup"}, "CT is locked (backup)"),
        ("busy", {"vmid": 101}, "can't lock file '/run/lock/lxc/pve-config-101.lock' - got timeout"),
    ],
)
def test_a_container_cannot_be_changed_until_the_node_is_healed(node, kind, options, said):
    cause(kind, **options)
    with pytest.raises(ApiError, match=re.escape(said)):
        change()
    assert node.ct(101).config["memory"] == 512
    heal()
    change()
    assert "memory: 1024" in (node.node_conf / "101.conf").read_text(encoding="utf-8")


@pytest.mark.usefixtures("node")
@pytest.mark.parametrize(("what", "seen"), [("full", {"avail": 1 << 20, "active": 1}), ("inactive", {"active": 0})])
def test_a_storage_is_full_or_away_until_the_node_is_healed(what, seen):
    before = storage("local-lvm")
    cause("storage", storage="local-lvm", what=what)
    assert storage("local-lvm").items() >= seen.items()
    heal()
    assert storage("local-lvm") == before


@pytest.mark.usefixtures("node")
@pytest.mark.parametrize(("what", "key", "value"), [("full", "used_gib", 928), ("degraded", "health", "DEGRADED")])
def test_a_pool_is_harmed_until_the_node_is_healed(what, key, value):
    cause("pool", pool="tank", what=what)
    with zfsstate.opened() as store:
        assert store.pools["tank"][key] == value
    heal()
    with zfsstate.opened() as store:
        assert (store.pools["tank"]["used_gib"], store.pools["tank"]["health"]) == (12, "ONLINE")


def test_templates_are_away_until_the_node_is_healed(node, tmp_path):
    files = [tmp_path / "template" / place / "debian-13-standard_13.1-2_amd64.tar.zst" for place in ("cache", "available")]
    for file in files:
        file.parent.mkdir(parents=True)
        file.write_text("archive", encoding="utf-8")
    cause("templates")
    assert [file for file in files if file.exists()] == []
    assert node.storages["local"]["volumes"] == {}
    heal()
    assert [file.exists() for file in files] == [True, True]


@pytest.mark.usefixtures("node")
def test_a_stranger_has_a_number_until_the_node_is_healed():
    cause("stranger", vmid=777, hostname="theirs")
    assert [(int(row["vmid"]), row["name"]) for row in request("GET", "/nodes/pve1/lxc")] == [(101, "ours"), (777, "theirs")]
    heal()
    assert [int(row["vmid"]) for row in request("GET", "/nodes/pve1/lxc")] == [101]


@pytest.mark.usefixtures("node")
@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ({"kind": "storage", "storage": "nas", "what": "full"}, "no storage 'nas' on this node; it has: local, local-lvm"),
        ({"kind": "pool", "pool": "rpool", "what": "full"}, "no pool 'rpool' on this node; it has: tank"),
        ({"kind": "stranger", "vmid": 101, "hostname": "theirs"}, "there is a container 101 already"),
    ],
)
def test_a_trouble_that_nothing_can_have_is_refused(wanted, said, capsys):
    assert trouble.main(["trouble", json.dumps(wanted)]) != 0
    assert said in capsys.readouterr().err


@pytest.mark.usefixtures("node")
def test_a_task_ends_with_the_message_that_was_asked_for_as_often_as_asked():
    fail(method="PUT", path="/nodes/pve1/lxc/101/resize", message="out of space", in_task=True, times=1)
    upid = request("PUT", "/nodes/pve1/lxc/101/resize", {"disk": "rootfs", "size": "9G"})
    with pytest.raises(ApiError, match="out of space"):
        client.finish(upid, quiet=True)
    client.finish(request("PUT", "/nodes/pve1/lxc/101/resize", {"disk": "rootfs", "size": "9G"}), quiet=True)


def test_an_answer_comes_late_when_that_was_asked_for(node):
    fail(method="GET", path="/nodes/pve1/lxc", hang=0.4)
    began = time.monotonic()
    request("GET", "/nodes/pve1/lxc")
    assert time.monotonic() - began >= 0.4
    heal()
    assert node._rules == []
    request("GET", "/nodes/pve1/lxc")
