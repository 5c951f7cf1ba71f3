# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a module the way Ansible does, on a pretended Proxmox VE node."""

from __future__ import annotations

import copy
import importlib
import json
import os
import socket
import sys
from pathlib import Path

import pytest
from ansible.module_utils import basic
from ansible.module_utils.testing import patch_module_args

COLLECTION = "ansible_collections.psw.ai.plugins"
FAKE = Path(__file__).with_name("fake_pve.py")


class EndedError(Exception):
    """A module came to its end."""


class Node:
    """A node with pvesh, pct and pveam, whose state is a dict."""

    def __init__(self, folder):
        self.file = folder / "pve.json"
        self.bin = folder / "bin"
        self.bin.mkdir()
        for name in ("pvesh", "pct", "pveam"):
            program = self.bin / name
            program.write_text(f"#!{sys.executable} -IS\n" + FAKE.read_text(encoding="utf-8"), encoding="utf-8")
            program.chmod(0o755)
        self.write(node="pve1", cts={}, storages=[], volumes=[], offered=[], tasks=[], calls=[], says="", failures=[])

    @property
    def state(self):
        return json.loads(self.file.read_text(encoding="utf-8"))

    def write(self, **changes):
        before = self.state if self.file.exists() else {}
        self.file.write_text(json.dumps({**before, **changes}), encoding="utf-8")

    def container(self, vmid, status="running", pending=None, **config):
        state = self.state
        state["cts"][str(vmid)] = {"status": status, "config": config, "pending": pending or {}, "logins": ""}
        self.write(**state)

    def config(self, vmid):
        ct = self.state["cts"][str(vmid)]
        return {**ct["config"], **ct["pending"]}

    def calls(self, *programs):
        """Return the calls of these programs (all by default) as lines."""
        return [" ".join(call) for call in self.state["calls"] if not programs or call[0] in programs]

    def writes(self):
        """Return the calls that change something."""
        return [call for call in self.calls("pct", "pveam") if not call.startswith("pct exec") or "cat >>" in call]

    def forget_calls(self):
        self.write(calls=[])


@pytest.fixture
def node(tmp_path, monkeypatch):
    """A node without containers; the modules under test find its programs first in PATH."""
    node = Node(tmp_path)
    monkeypatch.setenv("PATH", f"{node.bin}:{os.environ['PATH']}")
    monkeypatch.setenv("FAKE_PVE", str(node.file))
    return node


@pytest.fixture
def ssh_port(monkeypatch):
    """A port that answers where the modules look for SSH."""
    guest = importlib.import_module(COLLECTION + ".module_utils._lxc_guest")
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setattr(guest, "SSH_PORT", server.getsockname()[1])
        yield


@pytest.fixture
def run_module(monkeypatch):
    """Return a function that runs a module with options and returns its result, failures included."""
    results = []

    def end(_module, **result):
        results.append(copy.deepcopy(result))
        raise EndedError

    def fail(module, msg, **result):
        end(module, failed=True, msg=msg, **result)

    monkeypatch.setattr(basic.AnsibleModule, "exit_json", end)
    monkeypatch.setattr(basic.AnsibleModule, "fail_json", fail)

    def run(name, /, *, check=False, **options):
        module = importlib.import_module(f"{COLLECTION}.modules.{name}")
        with patch_module_args({**options, "_ansible_check_mode": check}), pytest.raises(EndedError):
            module.main()
        return results.pop()

    return run
