# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from . import fake_zfs

GIB = 1024**3
PROPERTIES = {"recordsize": "1M", "compression": "off", "atime": "off", "com.sun:auto-snapshot": "false"}
STATUS = Path(__file__).parents[1] / "module_utils/fixtures/zpool/one_nvme_pool_with_room/status.json"


class Host:
    """A host with one NVMe pool called tank."""

    def __init__(self):
        self.state = {"datasets": {"tank": {}}, "free": 900 * GIB, "calls": [], "status": json.loads(STATUS.read_text(encoding="utf-8"))}

    def set(self, dataset, **properties):
        self.state["datasets"].setdefault(dataset, {}).update(properties)

    def writes(self):
        return [call for call in self.state["calls"] if call.split()[1] not in {"list", "get", "status"}]

    def forget_calls(self):
        self.state["calls"] = []


@pytest.fixture
def host(programs):
    host = Host()
    programs.update(dict.fromkeys(("zfs", "zpool"), lambda argv, _data: fake_zfs.run(host.state, argv)))
    return host


@pytest.fixture
def run(run_module, tmp_path):
    (tmp_path / "models").mkdir()
    wanted = {
        "name": "psw-models",
        "mountpoint": str(tmp_path / "models"),
        "quota": "100G",
        "properties": PROPERTIES,
        "uid": os.getuid(),
        "gid": os.getgid(),
    }
    return lambda **options: run_module("zfs_dataset", **{**wanted, **options})


def test_a_new_dataset_is_made_with_every_property_at_once(host, run, tmp_path):
    result = run()
    assert (result["changed"], result["created"], result["dataset"]) == (True, True, "tank/psw-models")
    assert host.writes() == [
        "zfs create -o atime=off -o com.sun:auto-snapshot=false -o compression=off -o mountpoint=%s -o quota=100G -o recordsize=1M tank/psw-models"
        % (tmp_path / "models")
    ]


def test_a_second_run_changes_nothing_in_two_calls(host, run):
    run()
    host.forget_calls()
    result = run()
    assert not result["changed"]
    assert result["diff"]["before"] == result["diff"]["after"]
    assert [call.split()[1] for call in host.state["calls"]] == ["list", "get"]


def test_check_mode_foretells_a_new_dataset_and_makes_none(host, run):
    result = run(check=True)
    assert (result["changed"], result["pool"]) == (True, "tank")
    assert host.writes() == []


@pytest.mark.parametrize(
    ("drift", "healed"),
    [
        ({"recordsize": "131072"}, "recordsize=1M"),
        ({"compression": "lz4"}, "compression=off"),
        ({"com.sun:auto-snapshot": "true"}, "com.sun:auto-snapshot=false"),
        ({"quota": "0"}, "quota=100G"),
    ],
)
def test_a_property_that_drifted_is_set_back_alone(host, run, drift, healed):
    run()
    host.set("tank/psw-models", **drift)
    host.forget_calls()
    foretold = run(check=True)
    assert host.writes() == []
    assert run() == foretold
    assert host.writes() == [f"zfs set {healed} tank/psw-models"]
    assert not run()["changed"]


def test_the_quota_follows_the_plan_but_not_below_what_is_used(host, run):
    run()
    assert run(quota="200G")["changed"]
    host.set("tank/psw-models", used=str(150 * GIB))
    result = run(quota="100G")
    assert not result["changed"]
    assert result["notes"] == ["the quota stays, because 150G of the wanted 100G are used"]


def test_a_dataset_that_is_not_mounted_is_mounted(host, run):
    run()
    host.set("tank/psw-models", mounted="no")
    host.forget_calls()
    assert run()["changed"]
    assert host.writes() == ["zfs mount tank/psw-models"]


def test_the_directory_belongs_to_the_container_s_root(host, run, monkeypatch, tmp_path):
    given = []
    monkeypatch.setattr("os.chown", lambda *call: given.append(call))
    run(uid=100000, gid=100000)
    assert given == [(str(tmp_path / "models"), 100000, 100000)]
    assert run(check=True, uid=100000, gid=100000)["changed"]
    assert len(given) == 1


def test_models_stay_on_the_pool_they_are_on(host, run):
    host.set("rust")
    host.set("rust/psw-models")
    assert run()["dataset"] == "rust/psw-models"
    assert "psw moves no data" in run(pool="tank")["msg"]


def test_two_datasets_of_the_name_are_refused(host, run):
    host.set("rust/psw-models")
    host.set("tank/psw-models")
    assert "there more than once: rust/psw-models, tank/psw-models" in run()["msg"]


def test_a_pool_without_room_is_refused_before_anything_changes(host, run):
    assert "tank has 900G free of the 2048G needed" in run(quota="2T")["msg"]
    assert host.writes() == []


def test_a_refusal_also_tells_of_storages_of_proxmox_ve(host, programs, run):
    rows = [{"storage": "nas", "type": "nfs"}, {"storage": "local-lvm", "type": "lvmthin"}]
    programs["pvesh"] = lambda _argv, _data: (0, json.dumps(rows), "")
    seen = "storage local-lvm (lvmthin) is used only when it is named; storage nas (nfs) is on the network"
    assert f"seen: tank has 900G free of the 2048G needed; {seen}" in run(quota="2T")["msg"]
    del programs["zfs"]
    assert f"there is no zfs on this node; seen: {seen}" in run()["msg"]


def test_a_pool_that_was_named_may_be_poor_and_is_said_to_be(host, run):
    host.state["status"]["pools"]["tank"]["state"] = "DEGRADED"
    assert run(pool="tank")["notes"] == ["the pool is DEGRADED; it is used because it was named"]


def test_a_quota_beyond_what_the_pool_has_is_set_and_said_to_be(host, run):
    run()
    assert run(quota="2T")["notes"] == ["the quota of 2T is more than there is: the pool has 900G free"]


def test_a_property_without_quotes_is_named(host, run):
    assert run(properties={"compression": False})["msg"] == 'these properties need quotes in YAML, as in compression: "off": compression'


def test_a_host_without_zfs_is_told_so(programs, run):
    assert "there is no zfs on this node" in run()["msg"]
