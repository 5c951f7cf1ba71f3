# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""gpu_health on fixture machines: what is read from a machine's files, and that a look changes none of them."""

import json

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.psw.ai.plugins.module_utils import _gpu_health_facts
from ansible_collections.psw.ai.plugins.modules import gpu_health

from lab import machines

ROOTS = 0  # /dev/null stands in for the device nodes: a device of root's, which needs no root to link to
AMD = {
    "vendor": "amd",
    "secure_boot": "disabled",
    "gpus": [{"address": "0000:03:00.0", "id": "1002:744c", "name": "Radeon RX 7900 XTX"}],
    "amd": {"gfx": "gfx1100", "render_gid": ROOTS, "video_gid": 44, "devices": ["/dev/kfd", "/dev/dri/renderD128"]},
}
INTEL = {
    "vendor": "intel",
    "secure_boot": "disabled",
    "gpus": [{"address": "0000:03:00.0", "id": "8086:e20b", "name": "Arc B580"}],
    "intel": {"driver": "xe", "render_gid": ROOTS, "devices": ["/dev/dri/renderD128"]},
}
NVIDIA = {
    "vendor": "nvidia",
    "secure_boot": "disabled",
    "gpus": [{"address": "0000:01:00.0", "id": "10de:2503", "name": "GeForce RTX 3060"}],
    "nvidia": {"driver_version": "580.159.04", "source": "run", "cdi_spec": "/etc/cdi/nvidia.yaml", "devices": ["/dev/nvidia0"]},
}


class Node:
    """A fixture machine's files, set up as its record says."""

    def __init__(self, root, record):
        self.root = root
        self.record = record
        self.groups(render=ROOTS, video=44)
        for path in record[record["vendor"]]["devices"]:
            self.device(path)

    def groups(self, **numbers):
        (self.root / "etc").mkdir(exist_ok=True)
        lines = [f"{name}:x:{gid}:\n" for name, gid in numbers.items()]
        (self.root / "etc/group").write_text("".join(["root:x:0:\n", *lines]), encoding="utf-8")

    def device(self, path):
        node = self.root / path.lstrip("/")
        node.parent.mkdir(parents=True, exist_ok=True)
        node.unlink(missing_ok=True)
        node.symlink_to("/dev/null")

    def files(self):
        return {path: (path.lstat().st_mtime_ns, path.lstat().st_size) for path in self.root.rglob("*")}


@pytest.fixture
def node(tmp_path):
    """Return a function that lays out a machine as a node that was set up."""

    def make(name, record):
        machine = machines.load(name)
        vendor, number = (f"0x{part}" for part in record["gpus"][0]["id"].split(":"))
        address = next(device["address"] for device in machine["pci"] if (device["vendor"], device["device"]) == (vendor, number))
        machines.generate({**machine, "dev": []}, tmp_path)
        root = tmp_path / "tree"
        (root / "proc/sys/kernel").mkdir(parents=True, exist_ok=True)
        (root / "proc/sys/kernel/osrelease").write_text(machine["kernel"], encoding="utf-8")
        recorded = {**record, "gpus": [{**record["gpus"][0], "address": address}]}
        return Node(root, recorded)

    return make


@pytest.fixture
def health(capsys):
    """Return a function that gives what the module says of a machine."""

    def run(record, root="/nowhere", **options):
        with patch_module_args({"record": record, "node": "pve1", "root": str(root), **options}), pytest.raises(SystemExit):
            gpu_health.main()
        return json.loads(capsys.readouterr().out)

    return run


def ids(said):
    return [found["id"] for found in said["findings"]]


@pytest.mark.parametrize(("name", "record"), [("rx_7900_xtx", AMD), ("arc_b580", INTEL)])
def test_a_machine_that_is_as_recorded_is_healthy_and_stays_as_it_was(health, node, name, record):
    machine = node(name, record)
    before = machine.files()
    said = health(machine.record, machine.root)
    assert (said["changed"], said["findings"]) == (False, [])
    assert machine.files() == before


@pytest.mark.parametrize(("name", "record"), [("rx_7900_xtx", AMD), ("arc_b580", INTEL)])
def test_a_render_group_with_another_number_is_named(health, node, name, record):
    machine = node(name, record)
    machine.groups(render=992, video=44)
    said = health(machine.record, machine.root)
    nodes = record[record["vendor"]]["devices"]
    assert ids(said) == ["device_gid", "group_changed"]
    assert "the group render has the number 992, and 0 is recorded" in said["findings"][-1]["message"]
    assert said["findings"][0]["message"] == "; ".join(f"{path} belongs to the group number 0, and render is 992 here" for path in nodes)


@pytest.mark.parametrize(("name", "record"), [("rx_7900_xtx", AMD), ("arc_b580", INTEL)])
def test_a_render_node_that_is_missing_is_named(health, node, name, record):
    machine = node(name, record)
    (machine.root / "dev/dri/renderD128").unlink()
    assert ids(health(machine.record, machine.root)) == ["device_missing"]


def test_a_target_is_asked_only_for_the_devices_of_its_own_cards(health, node):
    machine = node("rx_7900_xtx", AMD)
    other = {"address": "0000:44:00.0", "id": "1002:744c", "devices": ["/dev/dri/renderD129"]}
    own = {**machine.record["gpus"][0], "devices": ["/dev/dri/renderD128"]}
    two = {**machine.record, "gpus": [own, other], "amd": {**AMD["amd"], "devices": ["/dev/kfd", "/dev/dri/renderD128", "/dev/dri/renderD129"]}}
    assert ids(health(two, machine.root, place="target", addresses=[own["address"]])) == []
    assert ids(health(two, machine.root, place="target")) == ["device_missing"]


def test_a_card_that_a_target_has_under_its_new_name_is_the_nodes_to_name(health, node):
    machine = node("rx_7900_xtx", AMD)
    own = {**machine.record["gpus"][0], "devices": ["/dev/dri/renderD131"]}
    before = {**machine.record, "gpus": [own], "amd": {**AMD["amd"], "devices": ["/dev/kfd", "/dev/dri/renderD131"]}}
    (renamed,) = health(before, machine.root, place="target", addresses=[own["address"]])["findings"]
    assert (renamed["id"], renamed["inherited"]) == ("device_missing", True)
    (machine.root / "dev/dri/renderD128").unlink()
    (missing,) = health(before, machine.root, place="target", addresses=[own["address"]])["findings"]
    assert (missing["id"], missing["inherited"]) == ("device_missing", False)


def test_a_file_where_a_device_should_be_is_no_device(health, node):
    machine = node("rx_7900_xtx", AMD)
    (machine.root / "dev/kfd").unlink()
    (machine.root / "dev/kfd").write_text("", encoding="utf-8")
    assert ids(health(machine.record, machine.root)) == ["device_missing"]


def test_a_card_in_another_slot_is_named_with_its_new_place(health, node):
    machine = node("rx_7900_xtx", AMD)
    elsewhere = {**machine.record, "gpus": [{**machine.record["gpus"][0], "address": "0000:0b:00.0"}]}
    said = health(elsewhere, machine.root)
    assert ids(said) == ["card_moved"]
    assert f"is at {machine.record['gpus'][0]['address']} now" in said["findings"][0]["message"]


def test_in_a_target_the_groups_are_its_own(health, node):
    machine = node("rx_7900_xtx", AMD)
    machine.groups(render=105)
    assert ids(health(machine.record, machine.root, place="target")) == ["device_gid"]
    machine.groups(render=ROOTS)
    assert ids(health(machine.record, machine.root, place="target")) == []


def test_an_nvidia_node_without_its_driver_is_told_the_deepest_layer(health, node, monkeypatch):
    monkeypatch.setattr("ansible_collections.psw.ai.plugins.module_utils._gpu_health_facts._answer", lambda _argv: None)
    machine = node("rtx_3060", NVIDIA)
    assert ids(health(machine.record, machine.root))[0] == "module_on_disk"


def test_an_empty_machine_gets_an_answer(health, tmp_path):
    assert ids(health(AMD, tmp_path)) == ["card_gone"]


def test_a_node_without_a_record_is_only_asked_for_one_where_a_target_needs_it(health):
    assert ids(health({})) == []
    assert ids(health({}, needed=True)) == ["not_recorded"]


@pytest.mark.parametrize(
    ("pins", "expected"),
    [
        ({}, "6.17.12-1-pve"),
        ({"proxmox-boot-pin": "6.17.2-1-pve"}, "6.17.2-1-pve"),
        ({"proxmox-boot-pin": "6.17.12-1-pve", "next-boot-pin": "6.17.9-1-pve\n"}, "6.17.9-1-pve"),
        ({"proxmox-boot-pin": "6.5.0-1-pve"}, "6.17.12-1-pve"),  # was removed since
    ],
)
def test_the_next_kernel_is_the_pinned_one_else_the_newest_that_has_modules(tmp_path, pins, expected):
    for kernel in ("6.17.2-1-pve", "6.17.9-1-pve", "6.17.12-1-pve", "7.1.0-amd64"):
        (tmp_path / "lib/modules" / kernel / "kernel").mkdir(parents=True)
    (tmp_path / "lib/modules/7.0.2-6-pve/build").mkdir(parents=True)  # headers alone
    (tmp_path / "etc/kernel").mkdir(parents=True)
    for name, kernel in pins.items():
        (tmp_path / "etc/kernel" / name).write_text(kernel, encoding="utf-8")
    assert _gpu_health_facts.next_kernel(str(tmp_path), "6.17.2-1-pve") == expected


def test_the_number_of_the_uvm_node_is_what_the_kernel_lists():
    listed = "Character devices:\n  1 mem\n195 nvidia\n511 nvidia-uvm\n\nBlock devices:\n"
    assert _gpu_health_facts.uvm_major(listed) == 511
    assert _gpu_health_facts.uvm_major(None) is None


def test_a_node_without_kernels_on_disk_will_boot_what_it_runs(tmp_path):
    assert _gpu_health_facts.next_kernel(str(tmp_path), "6.17.2-1-pve") == "6.17.2-1-pve"
