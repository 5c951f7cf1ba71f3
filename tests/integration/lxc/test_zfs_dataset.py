# SPDX-License-Identifier: GPL-3.0-or-later
"""zfs_dataset against OpenZFS's rules and words, and its directory as a container sees it."""

import json

import pytest

STATE = "/var/lib/psw-lab/datasets/zfs.json"  # the lab's pools and datasets
# What is mounted of a pool does not go by itself when the pool is taken away.
CLEAN = "while umount /var/lib/psw/models 2>/dev/null; do :; done; rm -rf /var/lib/psw-lab/datasets/*psw-models /etc/systemd/system/psw-models-snapshots.*"
WANTED = {
    "name": "psw-models",
    "mountpoint": "/var/lib/psw/models",
    "quota": "100G",
    "properties": {"recordsize": "1M", "compression": "off", "atime": "off", "com.sun:auto-snapshot": "false"},
}
DATASET = "tank/psw-models"


@pytest.fixture
def pool(node):
    node.run(f"{CLEAN}; zfs destroy -r {DATASET}", check=False)
    return node


@pytest.fixture
def hardware(pool):
    """Give the node other pools for a while; a dict per pool is laid over the lab's tank."""
    before = pool.run(f"zpool list; cat {STATE}").partition("{")
    own = json.loads(before[1] + before[2])

    def give(**pools):
        root = own["datasets"]["tank"]
        state = {**own, "pools": {name: {**own["pools"]["tank"], "name": name, **pool} for name, pool in pools.items()}, "datasets": dict.fromkeys(pools, root)}
        pool.run(f"{CLEAN}; cat >{STATE}", data=json.dumps(state))

    yield give
    pool.run(f"{CLEAN}; cat >{STATE}", data=json.dumps(own))


@pytest.fixture
def storages(pool):
    """Storages of Proxmox VE besides those that a new node has."""
    pool.run("pvesm add nfs nas --server 192.0.2.5 --export /srv --content rootdir; pvesm add dir fast --path /mnt/fast; mkdir -p /mnt/fast")
    yield pool
    pool.run("pvesm remove nas; pvesm remove fast; rm -rf /mnt/fast")


def test_a_dataset_is_made_on_the_nvme_pool_kept_and_healed(pool):
    assert pool.module("zfs_dataset", check=True, **WANTED)["dataset"] == DATASET
    made = pool.module("zfs_dataset", **WANTED)
    assert made["created"], made
    assert pool.run("stat -c %u:%g /var/lib/psw/models").strip() == "100000:100000"
    again = pool.module("zfs_dataset", **WANTED)
    assert not again["changed"], again

    pool.run(f"zfs set recordsize=128K atime=on {DATASET}")
    foretold = pool.module("zfs_dataset", check=True, **WANTED)
    healed = pool.module("zfs_dataset", **WANTED)
    assert foretold["diff"] == healed["diff"]
    assert "recordsize: 131072" in healed["diff"]["before"]
    assert not pool.module("zfs_dataset", **WANTED)["changed"]


@pytest.mark.parametrize(
    "harm",
    ["zfs unmount {0}", "zfs unmount {0}; zfs set canmount=off {0}", "zfs unmount {0}; zfs set recordsize=128K {0}", "zfs set -u mountpoint=/elsewhere {0}"],
)
def test_a_dataset_that_is_not_where_it_belongs_is_mounted_there_again(pool, harm):
    wanted = {**WANTED, "properties": {**WANTED["properties"], "canmount": "on"}}
    pool.module("zfs_dataset", **wanted)
    pool.run("touch /var/lib/psw/models/model")
    pool.run(harm.format(DATASET))
    assert pool.module("zfs_dataset", **wanted)["changed"]
    assert pool.run("ls /var/lib/psw/models").split() == ["model"]
    assert not pool.module("zfs_dataset", **wanted)["changed"]


def test_a_run_that_was_killed_is_finished_by_the_next(pool):
    pool.kill_at("zfs create")
    assert pool.module("zfs_dataset", **WANTED) is None
    assert pool.module("zfs_dataset", **WANTED)["created"]


def test_a_pool_without_room_is_refused_with_what_was_seen(pool):
    refused = pool.module("zfs_dataset", **{**WANTED, "quota": "100T"})
    assert refused["refusal"]["code"] == "no_pool"
    assert "tank has" in refused["msg"]


def test_a_node_that_has_only_nfs_is_told_so(storages, hardware):
    hardware()
    refused = storages.module("zfs_dataset", **WANTED)
    assert refused["refusal"]["code"] == "no_pool"
    assert "storage nas (nfs) is on the network" in refused["msg"]
    assert storages.run("zfs list -H") == ""


@pytest.mark.parametrize(
    ("pools", "wanted", "refusal"),
    [
        ({"tank": {"health": "DEGRADED", "vdev": "mirror", "devices": ["nvme0n1", "nvme1n1"]}}, "auto", ("no_pool", "tank is DEGRADED")),
        ({"rust": {"devices": ["sda"]}}, "auto", ("no_pool", "rust lies on sda (spinning)")),
        ({"tank": {"used_gib": 890}}, "tank", ("pool_unfit", "pool tank has 8G free of the 100G needed")),
        ({"tank": {}}, "tnak", ("pool_unfit", "did you mean tank? name a pool that is there")),
    ],
)
def test_a_pool_that_will_not_do_is_refused_and_the_next_run_goes_on(pool, hardware, pools, wanted, refusal):
    code, seen = refusal
    hardware(**pools)
    for check in (True, False):
        refused = pool.module("zfs_dataset", check=check, **{**WANTED, "pool": wanted})
        assert refused["refusal"]["code"] == code
        assert seen in refused["msg"]
    assert pool.run("zfs list -Ho name").split() == list(pools)
    hardware(tank={})
    assert pool.module("zfs_dataset", **WANTED)["created"]


def test_a_slow_pool_is_used_when_it_is_named_and_that_is_said(pool, hardware):
    hardware(rust={"devices": ["sda"]})
    made = pool.module("zfs_dataset", **{**WANTED, "pool": "rust"})
    assert made["dataset"] == "rust/psw-models"
    assert made["notes"] == ["the pool lies on sda (spinning); it is used because it was named"]


def test_a_quota_under_what_is_used_is_not_set(pool):
    pool.module("zfs_dataset", **WANTED)
    pool.run("head -c 4M /dev/urandom >/var/lib/psw/models/model")
    kept = pool.module("zfs_dataset", **{**WANTED, "quota": "1M"})
    assert not kept["changed"], kept
    assert kept["notes"] == ["the quota stays, because 4M of the wanted 1M are used"]
    assert pool.run(f"zfs get -Ho value quota {DATASET}").strip() == "100G"


def test_weekly_snapshots_are_taken_pruned_and_given_up_again(pool):
    wanted = {**WANTED, "weekly_snapshots": 2}
    assert pool.module("zfs_dataset", check=True, **wanted)["changed"]
    assert pool.module("zfs_dataset", **wanted)["changed"]
    assert not pool.module("zfs_dataset", **wanted)["changed"]
    assert pool.run("systemctl is-enabled psw-models-snapshots.timer; systemctl is-active psw-models-snapshots.timer").split() == ["enabled", "active"]

    pool.run(f"zfs snapshot {DATASET}@mine")
    pool.run("for week in 1 2 3; do systemctl start psw-models-snapshots.service; sleep 1.1; done")
    taken = pool.run("zfs list -H -t snapshot -o name").split()
    assert len(taken) == 3
    assert f"{DATASET}@mine" in taken

    pool.kill_at(f"zfs destroy {DATASET}@psw-weekly")
    assert pool.module("zfs_dataset", **WANTED) is None
    assert pool.module("zfs_dataset", **WANTED)["changed"]
    assert not pool.module("zfs_dataset", **WANTED)["changed"]
    assert pool.run("zfs list -H -t snapshot -o name").split() == [f"{DATASET}@mine"]
    assert pool.run("systemctl list-unit-files --no-legend 'psw-models*'; ls /etc/systemd/system/timers.target.wants | grep psw || true") == ""


def container(**more):
    return {"hostname": "psw-test", "cores": 1, "memory_mib": 256, "rootfs_gib": 2, **more}


def test_models_outlive_the_container(pool):
    pool.module("zfs_dataset", **WANTED)
    options = container(mounts=[{"source": "/var/lib/psw/models", "target": "/srv/models"}])
    vmid = pool.module("lxc_container", **options)["vmid"]
    pool.run(f"pct exec {vmid} -- touch /srv/models/model; pct stop {vmid}; pct destroy {vmid} --purge 1 --destroy-unreferenced-disks 1")
    assert pool.run("ls /var/lib/psw/models").split() == ["model"]
    assert not pool.module("zfs_dataset", **WANTED)["changed"]


def test_a_directory_storage_holds_models_and_they_outlive_the_container(storages):
    wanted = {"storage": "fast", "name": "psw-models", "size": "50G", "hostname": "psw-test"}
    place = storages.module("storage_place", **wanted)
    assert place["changed"], place
    vmid = storages.module("lxc_container", **container(mounts=[{**place["mount"], "target": "/srv/models"}]))["vmid"]
    storages.run(f"pct exec {vmid} -- touch /srv/models/model; pct stop {vmid}; pct destroy {vmid} --purge 1")
    assert storages.run("ls /mnt/fast/psw-models").split() == ["model"]
    assert not storages.module("storage_place", **wanted)["changed"]


def test_a_volume_holds_models_outside_backups_and_goes_with_the_container(storages):
    wanted = {"storage": "local-lvm", "name": "psw-models", "size": "50G", "hostname": "psw-test"}
    place = storages.module("storage_place", **wanted)
    options = container(mounts=[{**place["mount"], "target": "/srv/models"}])
    vmid = storages.module("lxc_container", **options)["vmid"]
    storages.run(f"pct exec {vmid} -- touch /srv/models/model")
    assert "backup=0,mp=/srv/models,size=50G" in storages.run(f"pct config {vmid}")
    assert not storages.module("lxc_container", **options)["changed"]
    assert storages.module("storage_place", **wanted) == place


@pytest.mark.parametrize(("storage", "seen"), [("nas", "storage nas (nfs) is on the network"), ("fasd", "did you mean fast?")])
def test_a_storage_that_will_not_do_is_refused(storages, storage, seen):
    refused = storages.module("storage_place", storage=storage, name="psw-models", size="50G", hostname="psw-test")
    assert refused["refusal"]["code"] == "storage_unfit"
    assert seen in refused["msg"]


def test_a_container_writes_to_the_dataset_also_after_it_was_mounted_anew(pool):
    pool.module("zfs_dataset", **WANTED)
    options = container(mounts=[{"source": "/var/lib/psw/models", "target": "/srv/models"}])
    vmid = pool.module("lxc_container", **options)["vmid"]
    pool.run(f"pct exec {vmid} -- touch /srv/models/first")
    assert pool.run("stat -c %u /var/lib/psw/models/first").strip() == "100000"

    pool.run(f"pct stop {vmid}; zfs unmount {DATASET}; pct start {vmid}")
    assert pool.module("zfs_dataset", **WANTED)["changed"]
    shown = pool.module("lxc_container", **options)
    assert shown["restarted"], shown
    assert pool.run(f"pct exec {vmid} -- ls /srv/models").split() == ["first"]
    assert not pool.module("lxc_container", **options)["changed"]
