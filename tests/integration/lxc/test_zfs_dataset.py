# SPDX-License-Identifier: GPL-3.0-or-later
"""zfs_dataset against OpenZFS's rules and words, and its directory as a container sees it."""

import pytest

WANTED = {
    "name": "psw-models",
    "mountpoint": "/var/lib/psw/models",
    "quota": "100G",
    "properties": {"recordsize": "1M", "compression": "off", "atime": "off", "com.sun:auto-snapshot": "false"},
}
DATASET = "tank/psw-models"


@pytest.fixture
def pool(node):
    node.run(f"zfs destroy -r {DATASET}", check=False)
    return node


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


def test_a_run_that_was_killed_is_finished_by_the_next(pool):
    pool.kill_at("zfs create")
    assert pool.module("zfs_dataset", **WANTED) is None
    assert pool.module("zfs_dataset", **WANTED)["created"]


def test_a_pool_without_room_is_refused_with_what_was_seen(pool):
    refused = pool.module("zfs_dataset", **{**WANTED, "quota": "100T"})
    assert refused["refusal"]["code"] == "no_pool"
    assert "tank has" in refused["msg"]


def test_a_container_writes_to_the_dataset_also_after_it_was_mounted_anew(pool):
    pool.module("zfs_dataset", **WANTED)
    options = {
        "hostname": "psw-test",
        "cores": 1,
        "memory_mib": 256,
        "rootfs_gib": 2,
        "mounts": [{"source": "/var/lib/psw/models", "target": "/srv/models"}],
    }
    vmid = pool.module("lxc_container", **options)["vmid"]
    pool.run(f"pct exec {vmid} -- touch /srv/models/first")
    assert pool.run("stat -c %u /var/lib/psw/models/first").strip() == "100000"

    pool.run(f"pct stop {vmid}; zfs unmount {DATASET}; pct start {vmid}")
    assert pool.module("zfs_dataset", **WANTED)["changed"]
    shown = pool.module("lxc_container", **options)
    assert shown["restarted"], shown
    assert pool.run(f"pct exec {vmid} -- ls /srv/models").split() == ["first"]
    assert not pool.module("lxc_container", **options)["changed"]
