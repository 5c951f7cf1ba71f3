# SPDX-License-Identifier: GPL-3.0-or-later
"""What can go wrong on a node: one clear message, nothing left half-made, and the next run completes."""

import time
from types import SimpleNamespace

import pytest
from fakepve.model import TaskError

from .conftest import GIB, TEMPLATE, UTILS


def names(cluster):
    return [(ct.name, ct.status, ct.lock) for ct in cluster.cts]


def completes(cluster, keep, **options):
    """Run again without the trouble: there is one container and nothing left to do."""
    done = keep(**options)
    assert done["address"] == "192.0.2.31", done
    assert names(cluster) == [("psw-ai", "running", None)]
    assert not keep(**options)["changed"]


def out_of_space():
    raise TaskError("lvcreate 'pve/vm-100-disk-0' error: Insufficient free space: 4096 extents needed, but only 12 available")


def test_a_cluster_without_quorum_is_told_and_nothing_is_made(cluster, keep):
    cluster.lose_quorum()
    message = keep()["msg"]
    assert "no quorum" in message
    assert "bring its other nodes back (pvecm status), then run this again" in message
    assert cluster.cts == []
    cluster.regain_quorum()
    completes(cluster, keep)


def test_what_a_cluster_left_that_lost_its_quorum_meanwhile_is_removed_by_the_next_run(cluster, keep):
    def lose():
        cluster.lose_quorum()
        raise TaskError("cluster not ready - no quorum?")

    cluster.while_creating = lose
    assert "no quorum" in keep()["msg"]
    assert names(cluster) == [("CT100", "stopped", "create")]
    cluster.regain_quorum()
    completes(cluster, keep)


def test_a_storage_that_runs_full_while_the_container_is_made(cluster, keep):
    cluster.while_creating = out_of_space
    message = keep()["msg"]
    assert "Insufficient free space" in message
    assert "make room on the storage (pvesm status), or name another, then run this again" in message
    assert cluster.cts == []
    completes(cluster, keep)


@pytest.mark.parametrize("check", [True, False])
@pytest.mark.parametrize(
    ("wrong", "seen"),
    [({"content": "images"}, "local-lvm (content images)"), ({"avail": 3 * GIB}, "local-lvm (3 GiB free)"), ({"active": 0}, "local-lvm (not active)")],
)
def test_a_storage_that_will_not_do_is_named_before_anything_is_made(cluster, keep, wrong, seen, check):
    right = {key: cluster.storages["local-lvm"][key] for key in wrong}
    cluster.storages["local-lvm"].update(wrong)
    refused = keep(check=check)
    assert refused["refusal"]["code"] == "no_storage"
    assert seen in refused["msg"]
    assert cluster.cts == []
    cluster.storages["local-lvm"].update(right)
    completes(cluster, keep)


def test_a_template_that_somebody_removes_meanwhile(cluster, keep, programs):
    pct = programs["timeout"]

    def removed_first(argv, data):
        if argv[5] == "create":
            cluster.storages["local"]["volumes"] = {"vztmpl/other.tar.zst": {"size": 1, "content": "vztmpl"}}
            programs["timeout"] = pct
        return pct(argv, data)

    programs["timeout"] = removed_first
    message = keep()["msg"]
    assert f"volume 'local:{TEMPLATE}' does not exist; it was there a moment ago: see pveam list" in message
    assert cluster.cts == []
    cluster.storages["local"]["volumes"] = {TEMPLATE: {"size": 1, "content": "vztmpl"}}
    completes(cluster, keep)


@pytest.mark.parametrize("check", [True, False])
def test_a_number_that_a_vm_of_another_node_has(cluster, keep, check):
    cluster.add_vm(777, "win", node="pve2")
    refused = keep(vmid=777, check=check)
    assert refused["refusal"]["code"] == "vmid_taken"
    assert "number 777 is taken by the VM win on node pve2" in refused["msg"]
    assert cluster.cts == []
    completes(cluster, keep, vmid=778)
    assert cluster.cts[0].vmid == 778


@pytest.mark.parametrize("state", ["present", "absent"])
def test_a_container_that_was_migrated_is_found_and_left_where_it_is(cluster, keep, state):
    keep()
    cluster.cts[0].node = "pve2"
    refused = keep(state=state)
    assert refused["refusal"]["code"] == "on_another_node"
    assert "psw-ai is container 100 on node pve2 already; plan it there (targets.psw-ai.node in psw.yml)" in refused["msg"]
    assert len(cluster.cts) == 1
    cluster.cts[0].node = "pve1"
    completes(cluster, keep)


def test_a_container_that_is_being_backed_up(cluster, keep):
    keep()
    cluster.snapshot_lock(100, "backup")
    assert not keep()["changed"]
    refused = keep(memory_mib=4096)
    assert refused["refusal"]["code"] == "container_locked"
    assert "container 100 (psw-ai) is locked (backup)" in refused["msg"]
    cluster.unlock(100)
    completes(cluster, keep, memory_mib=4096)


def test_a_busy_lock(cluster, keep):
    keep()
    cluster.call(cluster.hold_config_lock(100, None))
    message = keep(memory_mib=4096)["msg"]
    assert "pct set 100: can't lock file '/run/lock/lxc/pve-config-100.lock' - got timeout; another task holds the lock" in message
    assert cluster.cts[0].config["memory"] == 2048
    cluster.release_config_lock(100)
    completes(cluster, keep, memory_mib=4096)


def test_a_task_that_fails(cluster, keep):
    keep(started=False)
    cluster.cts[0].start_error = "startup for container '100' failed"
    assert "pct start 100: startup for container '100' failed; see why: pct start NUMBER --debug" in keep()["msg"]
    cluster.cts[0].start_error = None
    completes(cluster, keep)


def test_a_start_that_takes_too_long_goes_on_and_is_met_by_the_next_run(cluster, keep, eventually):
    keep(started=False)
    cluster.endless, cluster.cts[0].start_secs = True, 1
    assert keep()["msg"].startswith("pct start 100 did not end within 300 s; see the node's tasks and storages (pvesm status)")
    assert cluster.cts[0].status == "stopped"
    cluster.let_end()
    eventually(lambda: cluster.cts[0].status == "running")
    completes(cluster, keep)


def test_a_creation_that_takes_too_long_is_waited_for_by_the_next_run(cluster, keep, monkeypatch):
    waits = []
    monkeypatch.setattr(UTILS + "_lxc_journal.time", SimpleNamespace(monotonic=time.monotonic, sleep=lambda _: (waits.append(1), cluster.let_end())))
    cluster.endless, cluster.ct_secs["create"] = True, 1
    assert "pct create 100 did not end within 1800 s" in keep()["msg"]
    assert not waits
    completes(cluster, keep)
    assert waits


def test_a_volume_on_a_storage_that_takes_no_containers(cluster, keep):
    keep()
    volume = {"storage": "local", "size_gib": 10, "target": "/srv/models"}
    refused = keep(mounts=[volume])
    assert refused["refusal"]["code"] == "no_storage"
    assert "local (content vztmpl,iso)" in refused["msg"]
    made = keep(mounts=[{**volume, "storage": "local-lvm"}])
    assert (made["changed"], made["restarted"]) == (True, False)
    assert cluster.cts[0].config["mp0"] == "local-lvm:vm-100-disk-1,backup=0,mp=/srv/models,size=10G"
    assert keep(mounts=[{**volume, "storage": "local-lvm", "size_gib": 20}])["changed"]
    completes(cluster, keep, mounts=[{**volume, "storage": "local-lvm", "size_gib": 20}])
