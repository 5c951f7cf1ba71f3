# SPDX-License-Identifier: GPL-3.0-or-later
"""fakepve itself, with what its lab cannot do by request: quorum, locks, storages and guests of other nodes, changed in the middle of things.

The modules run here, and the lab's `pct`, `pvesh` and `pveam` talk to it; only what happens inside a container is told instead of done.
"""

import asyncio
import contextlib
import importlib
import io
import socket
import tempfile
import threading
import time

import pytest
from aiohttp import web
from fakepve import FakePve
from fakepve.model import PveError

from lab.pve import client, pct, pveam, pvesh
from tests.unit.plugins.modules.conftest import programs, run_module  # noqa: F401 - fixtures

UTILS = "ansible_collections.psw.ai.plugins.module_utils."
SAYS = "address 192.0.2.31\nhost_key ssh-ed25519 AAAAhost\nlogin ssh-ed25519 AAAA me\nssh listens\n"
TEMPLATE = "vztmpl/debian-13-standard_13.6-1_amd64.tar.zst"
GIB = 1 << 30


class Cluster(FakePve):
    """The node pve1 of a cluster, reached over a socket that only root can open."""

    def __init__(self):
        super().__init__(user="root@pam")
        self.nodes = {"pve1": {"online": True}, "pve2": {"online": True}}
        self.time_scale = 0  # nothing takes time unless a test says so
        self.storages = {
            "local": {"type": "dir", "active": 1, "content": "vztmpl,iso", "files": set(), "volumes": {TEMPLATE: {"size": 1, "content": "vztmpl"}}},
            "local-lvm": {"type": "lvmthin", "active": 1, "content": "images,rootdir", "files": set(), "volumes": {}},
        }
        for storage in self.storages.values():
            storage.update(avail=400 * GIB, total=450 * GIB)
        self.while_creating = None  # what goes wrong between the first and the last step of a creation
        self.out, self.err = Printed(), Printed()
        self.workers = []  # commands, also those that went on after their time
        self.endless, self.begun, self.opened = False, threading.Event(), asyncio.Event()
        self.loop = asyncio.new_event_loop()

    def _authenticate(self, _request):
        return "root@pam"

    async def ceph_io(self, ct, keys=None):
        """fakepve comes by here with a new container's configuration, before the task ends."""
        trouble, self.while_creating = self.while_creating, None
        if trouble:
            trouble()
        await super().ceph_io(ct, keys)

    def _drop(self, ct):
        # Without quorum Proxmox VE cannot remove the configuration that it has written first.
        if self.quorate:
            super()._drop(ct)
        else:
            ct.config = {"lock": "create"}

    async def pause(self, secs):
        """What takes time, takes it until a test lets it end."""
        if secs and self.endless:
            self.begun.set()
            await self.opened.wait()

    def let_end(self):
        self.endless = False
        self.loop.call_soon_threadsafe(self.opened.set)

    def call(self, coroutine):
        """Run something in the server's own loop."""
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(30)

    async def listen(self, path):
        self.runner = web.AppRunner(self._build_app())
        await self.runner.setup()
        await web.UnixSite(self.runner, path).start()

    # --- what the lab's commands do on a real file system ---
    def execute(self, vmid, words):
        ct = self.ct(int(vmid))
        if ct.status != "running":
            return 255, "", f"container '{vmid}' not running!"
        return 0, SAYS if "probe" in words else "", ""

    def unlock_file(self, vmid):
        try:
            self.need_quorum()
        except PveError as error:
            return 255, "", error.message
        self.unlock(int(vmid))
        return 0, "", ""


class Printed(io.TextIOBase):
    """What is printed, by thread: redirect_stdout alone is for the whole process, and a command that goes on after its time prints beside the next."""

    def __init__(self):
        self.mine = threading.local()

    def write(self, text):
        self.mine.text = getattr(self.mine, "text", "") + text
        return len(text)

    def take(self):
        """Return what this thread printed since it took it last."""
        text, self.mine.text = getattr(self.mine, "text", ""), ""
        return text


def run_program(cluster, argv):
    """Run one of the node's commands and return exit code, output and error output."""
    if argv[:2] == ["pct", "exec"]:
        return cluster.execute(argv[2], argv[3:])
    if argv[:2] == ["pct", "unlock"]:
        return cluster.unlock_file(argv[2])
    code = {"pct": pct, "pvesh": pvesh, "pveam": pveam}[argv[0]].main(argv[1:])
    return code, cluster.out.take(), cluster.err.take()


def timed(cluster, argv):
    """Run ``timeout -k SECONDS SECONDS PROGRAM…``; it ends what is without end, which goes on in Proxmox VE, as a task does."""
    done = []
    worker = threading.Thread(target=lambda: done.append(run_program(cluster, [argv[4].rpartition("/")[2], *argv[5:]])), daemon=True)
    cluster.workers.append(worker)
    worker.start()
    while worker.is_alive() and not cluster.begun.is_set():
        worker.join(0.02)
    cluster.begun.clear()
    return done[0] if done else (124, "", "")


@pytest.fixture
def cluster(monkeypatch, tmp_path, programs):  # noqa: F811 - the fixture above
    cluster = Cluster()
    thread = threading.Thread(target=cluster.loop.run_forever, daemon=True)
    thread.start()
    with tempfile.TemporaryDirectory() as short:  # a socket's path has little room
        path = f"{short}/pve.sock"
        cluster.call(cluster.listen(path))
        monkeypatch.setattr(client, "SOCKET", path)
        monkeypatch.setattr(socket, "gethostname", lambda: "pve1")
        monkeypatch.setattr(UTILS + "_pve.CONFIG", str(tmp_path / "%s.conf"))
        monkeypatch.setattr(UTILS + "_pve.LOCK_PAUSE", 0)
        monkeypatch.setattr(UTILS + "_lxc_journal.DIRECTORY", str(tmp_path / "psw"))
        names = ("pct", "pvesh", "pveam")
        programs.update({name: lambda argv, _data: run_program(cluster, argv) for name in names})
        programs["timeout"] = lambda argv, _data: timed(cluster, argv)
        yield cluster
        cluster.let_end()
        for worker in cluster.workers:
            worker.join(60)
        cluster.call(cluster.stop())
        cluster.loop.call_soon_threadsafe(cluster.loop.stop)
        thread.join(10)


@pytest.fixture
def keep(cluster, run_module):  # noqa: F811 - it has to be there; the fixture above
    """Keep the container psw-ai with these options, and return what the module says."""
    importlib.import_module("ansible_collections.psw.ai.plugins.modules.lxc_container")
    common = {"hostname": "psw-ai", "node": "pve1", "authorized_keys": ["ssh-ed25519 AAAA me"], "wait_timeout": 5}

    def run(**options):
        with contextlib.redirect_stdout(cluster.out), contextlib.redirect_stderr(cluster.err):
            return run_module("lxc_container", **{**common, **options})

    return run


@pytest.fixture
def eventually():
    """Wait until something holds."""

    def wait(holds, seconds=120):
        end = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < end, "waited in vain"
            time.sleep(0.05)

    return wait
