# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a module the way Ansible does, on a pretended Proxmox VE node."""

from __future__ import annotations

import copy
import importlib

import pytest
from ansible.module_utils import basic
from ansible.module_utils.testing import patch_module_args

from . import fake_pve

COLLECTION = "ansible_collections.psw.ai.plugins"


class EndedError(Exception):
    """A module came to its end."""


class Node:
    """A node with pvesh, pct and pveam, whose state is a dict."""

    def __init__(self):
        self.state = {
            "node": "pve1",
            "cts": {},
            "resources": [],
            "storages": [],
            "volumes": [],
            "offered": [],
            "tasks": [],
            "calls": [],
            "says": "",
            "failures": [],
        }

    def write(self, **changes):
        self.state.update(copy.deepcopy(changes))

    def container(self, vmid, status="running", pending=None, **config):
        self.state["cts"][str(vmid)] = {"status": status, "config": config, "pending": pending or {}, "logins": ""}

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
def programs(monkeypatch):
    """Programs that modules find: name to a function of argv and stdin that returns what a process would."""
    found = {}

    def get_bin_path(_module, name, *_arguments, **_options):
        return f"/usr/sbin/{name}" if name in found else None

    def run_command(_module, argv, data=None, **_options):
        name = argv[0].rpartition("/")[2]
        return found[name]([name, *argv[1:]], data)

    monkeypatch.setattr(basic.AnsibleModule, "get_bin_path", get_bin_path)
    monkeypatch.setattr(basic.AnsibleModule, "run_command", run_command)
    return found


@pytest.fixture
def node(programs):
    """A node without containers."""
    node = Node()
    programs.update(dict.fromkeys(fake_pve.PROGRAMS, lambda argv, data: fake_pve.run(node.state, argv, data)))
    programs["timeout"] = lambda argv, data: fake_pve.timed(node.state, argv, data)
    return node


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
