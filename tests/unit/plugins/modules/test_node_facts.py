# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from pathlib import Path

import pytest

from . import fake_zfs

GIB = 1024**3
STATUS = Path(__file__).parents[1] / "module_utils/fixtures/zpool/one_nvme_pool_with_room/status.json"


@pytest.fixture
def pve(programs):
    programs["pvesh"] = lambda _argv, _data: (0, json.dumps({"memory": {"total": 64 * GIB}, "cpuinfo": {"cpus": 16}}), "")
    return programs


def test_a_node_tells_its_room_and_its_pools(pve, run_module):
    state = {"datasets": {"tank": {}}, "free": 900 * GIB, "calls": [], "status": json.loads(STATUS.read_text(encoding="utf-8"))}
    pve.update(dict.fromkeys(("zfs", "zpool"), lambda argv, _data: fake_zfs.run(state, argv)))
    for check in (False, True):
        result = run_module("node_facts", check=check)
        assert (result["changed"], result["host"]["memory_mib"], result["host"]["cores"]) == (False, 65536, 16)
        assert [(pool["name"], pool["suitable"], pool["free_gib"]) for pool in result["host"]["pools"]] == [("tank", True, 900)]


@pytest.mark.parametrize("zfs", [None, (1, "", "The ZFS modules are not loaded."), (0, "", "no datasets available\n")])
def test_a_node_without_zfs_has_no_pools(pve, run_module, zfs):
    if zfs:
        pve["zfs"] = lambda _argv, _data: zfs
    assert run_module("node_facts")["host"]["pools"] == []


def test_a_host_without_proxmox_ve_is_named(programs, run_module):
    assert "there is no pvesh here" in run_module("node_facts")["msg"]
