# SPDX-License-Identifier: GPL-3.0-or-later
"""What Proxmox VE's storages are to models."""

import pytest
from ansible_collections.psw.ai.plugins.module_utils._storages import filesystem, seen, unusable

MOUNTS = """\
/dev/mapper/pve-root / ext4 rw 0 0
tank /tank zfs rw 0 0
nas:/srv /mnt/nas nfs4 rw 0 0
/dev/nvme1n1p1 /mnt/fast\\040disk ext4 rw 0 0
/dev/sdb1 /mnt/twice ext4 rw 0 0
//box/share /mnt/twice cifs rw 0 0
"""


def row(kind, **more):
    return {"storage": "some", "type": kind, "active": 1, "enabled": 1, "shared": 0, **more}


@pytest.mark.parametrize("kind", ["nfs", "cifs", "cephfs", "rbd", "iscsi", "iscsidirect", "zfs", "pbs", "esxi", "a-type-of-tomorrow"])
def test_what_is_not_known_to_be_local_is_on_the_network(kind):
    assert unusable(row(kind)) == "is on the network"


@pytest.mark.parametrize("kind", ["dir", "btrfs", "lvm", "lvmthin", "zfspool"])
def test_what_is_on_the_node_s_own_disks_will_do(kind):
    assert unusable(row(kind)) is None


@pytest.mark.parametrize(
    ("more", "reason"),
    [({"shared": 1}, "is shared between nodes, so on the network"), ({"enabled": 0, "active": 0}, "is disabled"), ({"active": 0}, "is not active")],
)
def test_local_storage_that_cannot_be_used_says_why(more, reason):
    assert unusable(row("dir", **more)) == reason


def test_every_storage_but_a_zfs_pool_that_works_is_told_of():
    rows = [row("zfspool"), row("zfspool", storage="gone", active=0), row("nfs", storage="nas"), row("lvmthin", storage="local-lvm")]
    assert seen(rows) == [
        "storage gone (zfspool) is not active",
        "storage local-lvm (lvmthin) is used only when it is named",
        "storage nas (nfs) is on the network",
    ]


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("/var/lib/vz", ("ext4", "/dev/mapper/pve-root")),
        ("/tank", ("zfs", "tank")),
        ("/tanker", ("ext4", "/dev/mapper/pve-root")),
        ("/mnt/nas/psw", ("nfs4", "nas:/srv")),
        ("/mnt/fast disk", ("ext4", "/dev/nvme1n1p1")),
        ("/mnt/twice/deep", ("cifs", "//box/share")),
    ],
)
def test_a_path_lies_on_what_is_mounted_nearest_and_last(path, found):
    assert filesystem(path, MOUNTS) == found
