# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os

import pytest
from ansible_collections.psw.ai.plugins.module_utils import _storage_place

GIB = 1024**3


class Storages:
    """A node's pvesh, as far as storages and the containers on them go."""

    def __init__(self):
        self.storages, self.containers = {}, {}

    def add(self, name, kind, *, free=200, content="images,rootdir", shared=0, **config):
        self.storages[name] = {
            "row": {"storage": name, "type": kind, "content": content, "avail": free * GIB, "active": 1, "enabled": 1, "shared": shared},
            "config": {"storage": name, "type": kind, "content": content, **config},
        }

    def answer(self, path):
        parts = path.strip("/").split("/")
        if parts[0] == "storage":
            return self.storages[parts[1]]["config"]
        if parts[-1] == "storage":
            return [entry["row"] for entry in self.storages.values()]
        if parts[-1] == "lxc":
            return [{"vmid": vmid, "name": name} for vmid, (name, _config) in self.containers.items()]
        return self.containers[int(parts[3])][1]


@pytest.fixture
def node(programs, tmp_path, monkeypatch):
    storages = Storages()
    programs["pvesh"] = lambda argv, _data: (0, json.dumps(storages.answer(argv[2])), "")
    (tmp_path / "fast").mkdir()
    storages.add("fast", "dir", path=str(tmp_path / "fast"))
    storages.add("local-lvm", "lvmthin", vgname="pve", thinpool="data")
    storages.add("local-zfs", "zfspool", pool="rpool/data")
    storages.add("nas", "nfs", path="/mnt/pve/nas")
    storages.mounts = tmp_path / "mounts"
    storages.mounts.write_text(f"/dev/nvme9n1 {tmp_path}/fast ext4 rw 0 0\n")
    monkeypatch.setattr(_storage_place, "MOUNTS", str(storages.mounts))
    return storages


@pytest.fixture
def run(run_module, node):
    wanted = {"name": "psw-models", "size": "100G", "hostname": "psw-ai", "uid": os.getuid(), "gid": os.getgid()}
    return lambda storage, **options: run_module("storage_place", storage=storage, **{**wanted, **options})


def test_a_directory_is_made_once_and_owned(run, tmp_path):
    place = tmp_path / "fast" / "psw-models"
    foretold = run("fast", check=True)
    assert (foretold["changed"], place.exists()) == (True, False)
    made = run("fast")
    assert made == foretold
    assert made["mount"] == {"source": str(place)}
    assert place.is_dir()
    assert not run("fast")["changed"]


def test_the_owner_of_a_directory_is_healed(run, monkeypatch, tmp_path):
    run("fast")
    given = []
    monkeypatch.setattr("os.chown", lambda *call: given.append(call))
    assert run("fast", uid=100000, gid=100000)["changed"]
    assert given == [(str(tmp_path / "fast/psw-models"), 100000, 100000)]


def test_a_directory_says_what_it_lacks_and_who_shares_it(run, tmp_path):
    assert run("fast")["loses"] == [
        f"no quota: models and whatever else is in {tmp_path}/fast (ext4 on nvme9n1 (nvme)) can fill it",
        "no checksums",
        "no snapshots",
        "no properties for large files",
    ]


def test_a_directory_that_is_there_needs_no_more_room(run, node, tmp_path):
    run("fast")
    node.add("fast", "dir", path=str(tmp_path / "fast"), free=1)
    assert not run("fast")["changed"]


def test_a_volume_is_left_to_the_container_with_the_size_of_the_quota(run):
    result = run("local-lvm")
    assert (result["changed"], result["form"], result["mount"]) == (False, "volume", {"storage": "local-lvm", "size_gib": 100})
    assert result["loses"][0] == "it is destroyed together with the container"


def test_a_container_that_has_its_volume_needs_no_more_room(run, node):
    node.add("local-lvm", "lvmthin", vgname="pve", thinpool="data", free=1)
    assert "has 1G free of the 100G needed" in run("local-lvm")["msg"]
    node.containers[101] = ("psw-ai", {"rootfs": "local-lvm:vm-101-disk-0,size=16G"})
    assert "has 1G free of the 100G needed" in run("local-lvm")["msg"]
    node.containers[101][1]["mp0"] = "local-lvm:vm-101-disk-1,mp=/srv/models,size=100G"
    assert run("local-lvm")["form"] == "volume"


@pytest.mark.parametrize(
    ("storage", "refusal"),
    [
        ("nas", "storage nas (nfs) is on the network, and models are never kept there"),
        ("local-zfs", "name the pool instead: storage: {models: {pool: rpool}} in psw.yml"),
        ("local-lmv", "; did you mean local-lvm? name one that is there"),
        ("zzz", "storage nas (nfs) is on the network; name one that is there"),
    ],
)
def test_a_storage_that_will_not_do_is_refused_with_what_to_do(run, storage, refusal):
    result = run(storage)
    assert result["refusal"]["code"] == "storage_unfit"
    assert refusal in result["msg"]


@pytest.mark.parametrize(
    ("mount", "refusal"),
    [
        ("nas:/srv {} nfs4 rw 0 0", "lies on the network: {} is nfs4 from nas:/srv"),
        ("tank/files {} zfs rw 0 0", "storage fast is a directory on the ZFS pool tank"),
    ],
)
def test_a_directory_is_judged_by_what_is_mounted_there(run, node, tmp_path, mount, refusal):
    node.mounts.write_text(mount.format(tmp_path / "fast") + "\n")
    assert refusal.format(tmp_path / "fast") in run("fast")["msg"]


def test_a_disk_that_comes_over_a_network_is_refused(run, monkeypatch):
    monkeypatch.setattr(_storage_place, "under_volumes", lambda *_names: {"name": "sdc", "kind": "network", "speed": 0})
    assert "storage local-lvm lies on network storage (sdc), and models are never kept there" in run("local-lvm")["msg"]


def test_a_volume_s_storage_has_to_take_containers(run, node):
    node.add("local-lvm", "lvmthin", vgname="pve", thinpool="data", content="images")
    assert run("local-lvm")["refusal"]["hint"] == "allow it: pvesm set local-lvm --content images,rootdir"
