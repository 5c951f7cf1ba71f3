# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Replacing a driver, leaving its source, and rebuilding boot images: said and checked before anything is removed."""

import contextlib
import os
import struct
import time

import pytest
from ansible_collections.psw.ai.plugins.module_utils import _boot_images, _nvidia, _nvidia_job, _nvidia_wish, _packages
from ansible_collections.psw.ai.plugins.module_utils._errors import ModuleRefusal, PswModuleError
from ansible_collections.psw.ai.plugins.module_utils._nvidia_change import containers, describe, refuse
from ansible_collections.psw.ai.plugins.module_utils._nvidia_packages import refuse_losses
from ansible_collections.psw.ai.plugins.module_utils._steps import Step

KERNEL = "6.17.2-1-pve"
INSTALLED = {
    "kernel": KERNEL, "userspace": "580.142", "source": "run", "loaded": "580.142", "loaded_flavour": "open",
    "modules": {KERNEL: {"version": "580.142", "flavour": "open"}},
}  # fmt: skip


@pytest.mark.parametrize(
    ("wanted", "verb", "reboot"),
    [
        (("580.159.04", "open", "run"), "is an upgrade of", "a reboot"),
        (("580.126.09", "open", "run"), "is a downgrade of", "a reboot"),
        (("580.142", "proprietary", "run"), "replaces", "a reboot"),
        (("580.142", "open", "nvidia_repo"), "replaces", "no reboot"),  # the module that is loaded is the wished one
    ],
)
def test_a_change_is_described_with_what_it_is_and_whom_it_concerns(wanted, verb, reboot):
    said = describe(INSTALLED, *wanted, ["CT 101 (psw-ai)"])
    assert f" {verb} the installed 580.142 (open kernel modules, from NVIDIA's .run file). These containers use the GPU" in said
    assert f"CT 101 (psw-ai). The node needs {reboot}." in said


@pytest.mark.parametrize("found", [INSTALLED, {**INSTALLED, "userspace": None}, {**INSTALLED, "modules": {KERNEL: {"version": None, "flavour": None}}}])
def test_nothing_is_replaced_where_the_driver_is_the_wished_one_or_incomplete_or_missing(found):
    assert describe(found, "580.142", "open", "run", ["CT 101"]) == ""


def test_libraries_that_do_not_fit_the_driver_that_runs_are_mended_without_asking():
    found = {**INSTALLED, "userspace": "580.126.09"}
    assert describe(found, "580.142", "open", "run", ["CT 101"]) == ""
    assert "is an upgrade of the installed 580.126.09" in describe({**found, "loaded": "580.126.09"}, "580.142", "open", "run", ["CT 101"])
    assert "is an upgrade of the installed 580.126.09" in describe(found, "580.142", "open", "nvidia_repo", ["CT 101"])


def test_a_refused_change_says_how_to_agree_to_it():
    with pytest.raises(ModuleRefusal, match=r"Nothing was changed\. Run the same command with --yes"):
        refuse("590 is an upgrade of 580.")


def test_containers_that_use_the_gpu_are_named_also_stopped_ones_and_those_made_by_hand(tmp_path):
    place = tmp_path / "etc/pve/lxc"
    place.mkdir(parents=True)
    (place / "101.conf").write_text("hostname: psw-ai\ndev0: /dev/nvidia0,mode=0666\n", encoding="utf-8")
    (place / "102.conf").write_text("hostname: jellyfin\nlxc.mount.entry: /dev/nvidia0 dev/nvidia0 none bind,optional,create=file\n", encoding="utf-8")
    (place / "103.conf").write_text("hostname: had-it-once\n\n[snapshot]\ndev0: /dev/nvidia0\n", encoding="utf-8")
    (place / "104.conf").write_text("hostname: nvidia-fans\ndev0: /dev/kfd\n", encoding="utf-8")
    assert containers(str(tmp_path)) == ["CT 101 (psw-ai)", "CT 102 (jellyfin)"]


def test_a_node_without_containers_has_none_to_name(tmp_path):
    assert containers(str(tmp_path)) == []


def test_nothing_that_proxmox_needs_goes_with_the_driver():
    refuse_losses("Remv libcuda1:i386 [590.48.01-1]\nPurg nvidia-kernel-open-dkms [590.48.01-1]\nRemv libnvoptix1 [590.48.01-1]\nRemv update-glx [1.2.2]\n")
    with pytest.raises(ModuleRefusal, match="would also remove proxmox-ve, pve-manager"):
        refuse_losses("Remv libcuda1 [590.48.01-1]\nRemv pve-manager [9.1]\nRemv proxmox-ve [9.1]\n")


def test_a_full_boot_partition_is_found_before_anything_is_changed(tmp_path):
    image = tmp_path / "initrd.img-6.17.2-1-pve"
    with image.open("wb") as file:
        file.truncate(1 << 42)  # an image larger than what is free, without taking room
    with pytest.raises(ModuleRefusal, match=r"is full: \d+ MiB are free, and rebuilding .* needs \d+ MiB\.; Remove kernels"):
        _boot_images.refuse_full(str(tmp_path), program=__file__)


def test_a_boot_partition_with_room_is_let_pass(tmp_path):
    (tmp_path / "initrd.img-6.17.2-1-pve").write_bytes(b"image")
    _boot_images.refuse_full(str(tmp_path), program=__file__)


def boot_partition(clusters, name=b"FAT32   "):
    """Return the first sectors of a FAT32 file system as mkfs.vfat makes it, with 4 KiB clusters of which so many are free."""
    head = bytearray(64 * 1024)
    struct.pack_into("<HB", head, 11, 512, 8)
    struct.pack_into("<H", head, 48, 1)
    head[82:90] = name
    head[512:516], head[996:1000] = b"RRaA", b"rrAa"
    struct.pack_into("<I", head, 1000, clusters)
    return bytes(head)


@pytest.mark.parametrize(
    ("head", "free"),
    [
        (boot_partition(4096), 16 << 20),
        (boot_partition(0), 0),
        (boot_partition(0xFFFFFFFF), None),
        (boot_partition(0, b"FAT16   "), None),
        (boot_partition(0).replace(b"rrAa", b"????"), None),
        (boot_partition(0)[:600], None),
        (b"", None),
    ],
    ids=["room", "none", "not counted", "FAT16", "another sector", "cut off", "no partition"],
)
def test_the_room_on_a_boot_partition_is_read_without_mounting_it(head, free):
    assert _boot_images.fat_free(head) == free


@pytest.mark.parametrize(("clusters", "refused"), [(4095, True), (4096, False)])
def test_a_full_boot_partition_of_proxmox_boot_tool_is_found_as_well(tmp_path, clusters, refused):
    (tmp_path / "uuids").write_text("GONE-0000\nA1B2-C3D4\n", encoding="ascii")
    (tmp_path / "A1B2-C3D4").write_bytes(boot_partition(clusters))
    expected = pytest.raises(ModuleRefusal, match=r"partition A1B2-C3D4 of proxmox-boot-tool is full: 15 MiB are free, .*may need 16 MiB\.; Remove kernels")
    with expected if refused else contextlib.nullcontext():
        _boot_images.refuse_full(str(tmp_path), program=__file__, partitions=str(tmp_path / "uuids"), disks=str(tmp_path))


@pytest.mark.parametrize(
    ("partitions", "said"), [("uuids", "Do not reboot before proxmox-boot-tool refresh succeeds"), ("none", "The node still boots its old images")]
)
def test_images_that_could_not_be_rebuilt_say_what_the_node_boots_now(tmp_path, monkeypatch, partitions, said):
    (tmp_path / "uuids").touch()
    program = tmp_path / "update-initramfs"
    program.write_text("#!/bin/sh\necho 'cp: No space left on device' >&2\nexit 1\n", encoding="ascii")
    program.chmod(0o755)
    monkeypatch.setattr(_boot_images, "_PROGRAM", str(program))
    monkeypatch.setattr(_boot_images, "_PARTITIONS", str(tmp_path / partitions))
    monkeypatch.setattr(_boot_images, "_RULES", str(tmp_path / "modprobe.d"))
    rule = tmp_path / "modprobe.d"
    rule.touch()
    os.utime(rule, (1000, 1000))
    with pytest.raises(PswModuleError, match=rf"(?s)No space left on device.*{said}"):
        _boot_images.rebuild([{"path": str(rule)}])
    assert rule.stat().st_mtime > time.time() - 60  # so that the next run rebuilds them again


RULES = "/etc/modprobe.d/psw-nvidia.conf"


@pytest.mark.parametrize(
    ("image", "booted", "steps", "is_stale"),
    [
        (3000, 1000, [], False),
        (3000, 1000, [Step("write", RULES)], True),
        (3000, 1000, [Step("write", "/etc/modules-load.d/psw-nvidia.conf")], False),
        (1500, 1000, [], True),
        (3000, 4000, [], True),
        (None, 1000, [], False),
    ],
    ids=["rebuilt, and not booted yet", "rules to come", "other files to come", "rules without a rebuild", "booted, and the driver is there again", "no image"],
)
def test_boot_images_are_rebuilt_until_they_have_the_rules(tmp_path, image, booted, steps, is_stale):
    for directory in ("etc/modprobe.d", f"lib/modules/{KERNEL}", "boot", "proc"):
        (tmp_path / directory).mkdir(parents=True)
    (tmp_path / "proc/stat").write_text(f"cpu 1 2 3\nbtime {booted}\n", encoding="ascii")
    for path, written in ((RULES[1:], 2000), (f"boot/initrd.img-{KERNEL}", image), ("boot/initrd.img-6.8.12-1-pve.old-dkms", 500)):
        if written:
            (tmp_path / path).touch()
            os.utime(tmp_path / path, (written, written))
    assert _boot_images.stale([{"path": RULES}, {"path": "/etc/modules-load.d/psw-nvidia.conf"}], steps, tmp_path) is is_stale


def ops(steps):
    return [step.op for step in steps]


def test_packages_come_after_their_repository_and_what_needs_the_driver_after_it():
    named = ["pending", "sources", "dkms", "dkms", "modprobe.d", "script", "systemd", "unit", "unit", "pending"]
    done = ["note", "write", "wish for package", "install", "write", "write", "reload", "enable", "restart", "note"]
    steps = [Step(op, name) for op, name in zip(done, named, strict=True)]
    repository, packages, late = _nvidia_job.split(steps, {"script": ["unit"], "modprobe.d": []})
    assert ops(repository) == ["write"]
    assert [step.target for step in packages] == ["dkms", "dkms", "modprobe.d"]
    assert ops(late) == ["note", "write", "reload", "enable", "restart", "note"]


def test_the_repository_of_a_source_that_is_left_goes_once_the_new_driver_is_there():
    steps = [Step("remove", "/etc/apt/sources.list.d/nvidia-driver.sources"), Step("wish for package", "dkms"), Step("install", "dkms")]
    repository, packages, late = _nvidia_job.split(steps, {})
    assert (repository, ops(packages), ops(late)) == ([], ["wish for package", "install"], ["remove"])


def test_what_builds_modules_is_installed_before_the_packages_that_build_them():
    names = ["dkms", "gcc", "nvidia-kernel-open-dkms=590.48.01-1", "proxmox-headers-6.17.2-1-pve"]
    steps = [Step("install", " ".join(names), {"names": names, "recommends": False})]
    assert [step.args["names"] for step in _nvidia_job.tools_first(steps)] == [["dkms", "gcc", "proxmox-headers-6.17.2-1-pve"], names]


def test_headers_are_wished_for_every_installed_kernel_that_has_none():
    params = {"packages": ["dkms"], "headers": True, "files": [], "absent": [], "units": []}
    found = {"modules": {"6.17.2-1-pve": {}, "6.17.4-2-pve": {}, "6.17.9-1-pve": {}}, "headers": ["6.17.4-2-pve"], "headers_to_follow": []}
    assert _nvidia_wish.host_wish(params, found)["packages"] == ["dkms", "proxmox-headers-6.17.2-1-pve", "proxmox-headers-6.17.9-1-pve"]


SERIES = ["proxmox-default-kernel", "proxmox-kernel-6.17", "proxmox-kernel-6.17.2-1-pve-signed", "proxmox-kernel-7.0", "linux-image-amd64"]


@pytest.mark.parametrize(
    ("installed", "kernel", "wanted"),
    [
        (SERIES, KERNEL, ["proxmox-headers-6.17", "proxmox-headers-7.0"]),
        ([*SERIES, "proxmox-headers-6.17"], KERNEL, ["proxmox-headers-7.0"]),
        ([*SERIES, "proxmox-headers-6.17", "proxmox-headers-7.0"], "6.12.48+deb13-amd64", ["linux-headers-amd64"]),
        (["proxmox-kernel-6.17.2-1-pve-signed"], KERNEL, []),
    ],
    ids=["two series", "one of them is followed", "Debian's kernel runs", "no series"],
)
def test_headers_are_to_follow_every_series_of_kernels_that_is_installed(installed, kernel, wanted):
    assert _nvidia.headers_to_follow(dict.fromkeys(installed, "1.0"), kernel) == wanted


def test_headers_are_wished_for_the_kernels_to_come_of_every_series_that_still_gets_some(monkeypatch):
    monkeypatch.setattr(_packages, "unknown", lambda _names, _sign: (["proxmox-headers-6.8"], "", ""))
    params = {"packages": ["dkms"], "headers": True, "files": [], "absent": [], "units": []}
    found = {"modules": {}, "headers": [], "headers_to_follow": ["proxmox-headers-6.8", "proxmox-headers-7.0"]}
    assert _nvidia_wish.host_wish(params, found)["packages"] == ["dkms", "proxmox-headers-7.0"]
