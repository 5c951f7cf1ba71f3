# SPDX-License-Identifier: GPL-3.0-or-later
"""What lies under a device path, told from a sysfs tree."""

import pytest
from ansible_collections.psw.ai.plugins.module_utils._disks import describe, under_volumes


class Sysfs:
    """Just enough of /sys: block devices where the kernel puts them, and the links to them."""

    def __init__(self, root):
        self.root = root

    def disk(self, name, where, **files):
        real = self.root / "devices" / where / name
        self._files(real, files)
        self._link("block", name, real)
        self._link("class/block", name, real)
        return real

    def partition(self, disk, name):
        self._files(disk / name, {"partition": "3"})
        self._link("class/block", name, disk / name)

    def nvme(self, controller, speed="16.0 GT/s PCIe", width="4", transport="pcie"):
        self._files(self.root / "class/nvme" / controller, {"transport": transport, "device/current_link_speed": speed, "device/current_link_width": width})

    def _files(self, folder, files):
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text + "\n")

    def _link(self, folder, name, real):
        (self.root / folder).mkdir(parents=True, exist_ok=True)
        (self.root / folder / name).symlink_to(real)


@pytest.fixture
def sysfs(tmp_path):
    return Sysfs(tmp_path)


def test_a_partition_of_a_local_nvme_disk_counts_as_the_disk(sysfs):
    sysfs.partition(sysfs.disk("nvme0n1", "pci0000:00/0000:01:00.0/nvme/nvme0"), "nvme0n1p3")
    sysfs.nvme("nvme0")
    assert describe("/dev/nvme0n1p3", str(sysfs.root)) == {"name": "nvme0n1", "kind": "nvme", "speed": 64.0}


def test_the_link_counts_with_its_lanes(sysfs):
    sysfs.disk("nvme0n1", "pci0000:00")
    sysfs.nvme("nvme0", speed="8.0 GT/s PCIe", width="2")
    assert describe("/dev/nvme0n1", str(sysfs.root))["speed"] == 16.0


def test_nvme_over_a_network_is_network_storage(sysfs):
    sysfs.disk("nvme3n1", "virtual/nvme-subsystem")
    sysfs.nvme("nvme3", transport="tcp")
    assert describe("/dev/nvme3n1", str(sysfs.root))["kind"] == "network"


@pytest.mark.parametrize(
    ("where", "rotational", "kind"),
    [
        ("pci0000:00/0000:00:17.0/ata1/host0/target0", "1", "spinning"),
        ("pci0000:00/0000:00:17.0/ata1/host0/target0", "0", "ssd"),
        ("pci0000:00/0000:00:14.0/usb2/2-1/host6", "0", "usb"),
        ("platform/host3/session1/target3:0:0", "0", "network"),
    ],
)
def test_other_disks_are_told_by_where_they_hang(sysfs, where, rotational, kind):
    sysfs.disk("sda", where, **{"queue/rotational": rotational})
    assert describe("/dev/sda", str(sysfs.root)) == {"name": "sda", "kind": kind, "speed": 0}


def test_an_encrypted_disk_is_what_lies_under_it(sysfs):
    sysfs.disk("nvme0n1", "pci0000:00/nvme0")
    sysfs.nvme("nvme0")
    crypt = sysfs.disk("dm-0", "virtual/block")
    (crypt / "slaves" / "nvme0n1").mkdir(parents=True)
    assert describe("/dev/dm-0", str(sysfs.root))["name"] == "nvme0n1"


def test_what_is_made_of_several_disks_is_what_the_worst_is(sysfs):
    sysfs.disk("nvme0n1", "pci0000:00/nvme0")
    sysfs.nvme("nvme0")
    sysfs.disk("sda", "pci0000:00/ata1", **{"queue/rotational": "1"})
    raid = sysfs.disk("md0", "virtual/block")
    for part in ("nvme0n1", "sda"):
        (raid / "slaves" / part).mkdir(parents=True)
    assert describe("/dev/md0", str(sysfs.root))["kind"] == "spinning"


@pytest.mark.parametrize(
    ("path", "name", "kind"),
    [("/dev/nvme0n1", "nvme0n1", "nvme"), ("/dev/nvme0n1p3", "nvme0n1", "nvme"), ("/dev/sda3", "sda", "unknown"), ("/pool/file.img", "file.img", "unknown")],
)
def test_a_device_that_sysfs_does_not_know_goes_by_its_name(sysfs, path, name, kind):
    found = describe(path, str(sysfs.root))
    assert (found["name"], found["kind"]) == (name, kind)


class TestVolumes:
    """LVM's volumes are mapped devices whose names double the hyphens of group and pool."""

    @pytest.fixture(autouse=True)
    def volumes(self, sysfs):
        sysfs.disk("nvme0n1", "pci0000:00/nvme0")
        sysfs.nvme("nvme0")
        sysfs.disk("sda", "pci0000:00/ata1", **{"queue/rotational": "1"})
        for number, (name, disk) in enumerate([("pve-data_tdata", "nvme0n1"), ("pve-data2", "sda"), ("my--vg-root", "sda")]):
            mapped = sysfs.disk(f"dm-{number}", "virtual/block", **{"dm/name": name})
            (mapped / "slaves" / disk).mkdir(parents=True)

    @pytest.mark.parametrize(
        ("group", "pool", "kind"), [("pve", "data", "nvme"), ("pve", None, "spinning"), ("my-vg", None, "spinning"), ("pve", "data2", "spinning")]
    )
    def test_a_group_or_pool_is_what_its_volumes_lie_on(self, sysfs, group, pool, kind):
        assert under_volumes(group, pool, str(sysfs.root))["kind"] == kind

    @pytest.mark.parametrize(("group", "pool"), [("my", None), ("pve", "dat"), ("gone", "data")])
    def test_of_what_the_kernel_does_not_know_nothing_is_said(self, sysfs, group, pool):
        assert under_volumes(group, pool, str(sysfs.root)) is None
