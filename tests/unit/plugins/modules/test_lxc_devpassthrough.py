# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

MODULE = "lxc_devpassthrough"
UTILS = "ansible_collections.psw.ai.plugins.module_utils."


@pytest.fixture(autouse=True)
def every_path_is_a_device(monkeypatch):
    monkeypatch.setattr("ansible_collections.psw.ai.plugins.module_utils._lxc_devices._is_device", lambda path: "missing" not in path)


def run(run_module, devices, **options):
    return run_module(MODULE, vmid=105, node="pve1", devices=devices, **options)


def test_a_device_gets_its_entry_with_the_container_s_gid_and_mode(node, run_module):
    node.container(105)
    result = run(run_module, [{"path": "/dev/dri/renderD128", "gid": 993, "uid": 7, "mode": "0666", "deny_write": True}])
    assert result["changed"]
    assert result["devices"] == {"/dev/dri/renderD128": "dev0"}
    assert node.writes() == ["pct set 105 -dev0 /dev/dri/renderD128,gid=993,uid=7,mode=0666,deny-write=1"]


@pytest.mark.parametrize("check", [True, False])
def test_a_device_that_is_another_cards_by_now_is_refused(node, run_module, monkeypatch, check):
    monkeypatch.setattr(UTILS + "_gpu_own.own", {"0000:01:00.0": ["/dev/nvidia1"]}.__getitem__)
    node.container(105)
    result = run(run_module, [{"path": "/dev/nvidia0", "card": "0000:01:00.0"}], check=check)
    assert result["refusal"]["code"] == "device_renamed"
    assert result["msg"].startswith("/dev/nvidia0 is recorded for the card 0000:01:00.0, which the kernel calls /dev/nvidia1 now")
    assert result["refusal"]["hint"].endswith("psw node setup-gpu pve1")
    assert node.writes() == []


@pytest.mark.parametrize("now", [["/dev/nvidia0"], []])
def test_a_device_that_is_still_its_cards_or_whose_card_is_not_seen_gets_its_entry(node, run_module, monkeypatch, now):
    monkeypatch.setattr(UTILS + "_gpu_own.own", lambda _address: now)
    node.container(105)
    assert run(run_module, [{"path": "/dev/nvidia0", "card": "0000:01:00.0"}])["devices"] == {"/dev/nvidia0": "dev0"}
    assert node.writes() == ["pct set 105 -dev0 /dev/nvidia0"]


def test_a_second_run_changes_nothing_and_asks_once(node, run_module):
    node.container(105)
    devices = [{"path": "/dev/nvidia0", "mode": "0666"}, {"path": "/dev/nvidiactl", "mode": "0666"}]
    run(run_module, devices)
    node.forget_calls()
    result = run(run_module, devices)
    assert not result["changed"]
    assert not result["restart_required"]
    assert node.calls() == ["pvesh get /nodes/pve1/lxc/105/pending --output-format json"]


@pytest.mark.parametrize(
    "entry",
    ["/dev/kfd,gid=993,mode=0660", "/dev/kfd,mode=0660,gid=993", "path=/dev/kfd,gid=993", "/dev/kfd,gid=993,uid=0,deny-write=0"],
)
def test_spelling_and_order_of_an_entry_never_cause_change(node, run_module, entry):
    node.container(105, dev3=entry)
    result = run(run_module, [{"path": "/dev/kfd", "gid": 993}])
    assert not result["changed"]
    assert result["devices"] == {"/dev/kfd": "dev3"}


def test_the_order_of_the_wanted_devices_never_causes_change(node, run_module):
    node.container(105, dev0="/dev/a", dev1="/dev/b")
    assert not run(run_module, [{"path": "/dev/b"}, {"path": "/dev/a"}])["changed"]


def test_free_numbers_are_filled_and_strangers_stay(node, run_module):
    node.container(105, dev0="/dev/ttyUSB0,gid=20", dev2="/dev/net/tun")
    result = run(run_module, [{"path": "/dev/a"}, {"path": "/dev/b"}])
    assert result["devices"] == {"/dev/a": "dev1", "/dev/b": "dev3"}
    assert node.config(105)["dev0"] == "/dev/ttyUSB0,gid=20"


def test_exclusive_removes_every_other_device(node, run_module):
    node.container(105, status="stopped", dev0="/dev/ttyUSB0", dev1="/dev/a", dev2="/dev/net/tun")
    result = run(run_module, [{"path": "/dev/a"}], exclusive=True)
    assert result["changed"]
    assert node.writes() == ["pct set 105 -delete dev0,dev2"]


def test_absent_removes_the_named_devices_alone(node, run_module):
    node.container(105, status="stopped", dev0="/dev/a,gid=5", dev1="/dev/b")
    result = run(run_module, [{"path": "/dev/a"}, {"path": "/dev/z"}], state="absent")
    assert (result["changed"], result["restart_required"], result["devices"]) == (True, False, {})
    assert node.config(105) == {"dev1": "/dev/b", "dev0": None} or node.config(105) == {"dev1": "/dev/b"}
    assert not run(run_module, [{"path": "/dev/a"}], state="absent")["changed"]


def test_a_path_that_is_there_twice_is_kept_once(node, run_module):
    node.container(105, status="stopped", dev0="/dev/a,gid=5", dev1="/dev/a")
    result = run(run_module, [{"path": "/dev/a"}])
    assert result["devices"] == {"/dev/a": "dev1"}
    assert node.writes() == ["pct set 105 -delete dev0"]


def test_a_new_device_needs_no_restart_and_a_changed_one_does(node, run_module):
    node.container(105, dev0="/dev/a")
    assert not run(run_module, [{"path": "/dev/b"}])["restart_required"]
    assert run(run_module, [{"path": "/dev/a", "gid": 44}])["restart_required"]


def test_an_earlier_change_that_still_waits_is_told_again(node, run_module):
    node.container(105, dev0="/dev/a", pending={"dev0": "/dev/a,gid=44"})
    result = run(run_module, [{"path": "/dev/a", "gid": 44}])
    assert (result["changed"], result["restart_required"]) == (False, True)


def test_a_removal_that_waits_is_taken_back_under_its_number(node, run_module):
    node.container(105, dev4="/dev/a", pending={"dev4": None})
    result = run(run_module, [{"path": "/dev/a"}])
    assert result["devices"] == {"/dev/a": "dev4"}
    assert not result["restart_required"]


@pytest.mark.parametrize(
    ("status", "devices", "restart"),
    [
        ("running", [{"path": "/dev/a", "gid": 44}], True),
        ("running", [{"path": "/dev/b"}], False),
        ("stopped", [{"path": "/dev/a", "gid": 44}], False),
    ],
)
def test_check_mode_tells_the_truth_and_writes_nothing(node, run_module, status, devices, restart):
    node.container(105, status=status, dev0="/dev/a")
    foretold = run(run_module, devices, check=True)
    assert node.writes() == []
    real = run(run_module, devices)
    assert foretold == real
    assert real["restart_required"] is restart
    assert real["diff"]["before"] == "dev0: /dev/a\n"


def test_a_device_that_the_node_lacks_is_named_before_anything_changes(node, run_module):
    node.container(105)
    result = run(run_module, [{"path": "/dev/missing0"}])
    assert result["failed"]
    assert "no device /dev/missing0" in result["msg"]
    assert node.writes() == []


@pytest.mark.parametrize(
    ("device", "message"),
    [
        ({"path": "/dev/a", "mode": 432}, "mode '432' is not four octal digits starting with 0"),
        ({"path": "/dev/a", "mode": "666"}, "in YAML it needs quotes"),
        ({"path": "/etc/passwd"}, "a path below /dev/"),
        ({"path": "/dev/../etc/passwd"}, "without '.' and '..'"),
        ({"path": "/dev/a", "gid": -1}, "gid -1 is negative"),
    ],
)
def test_what_proxmox_would_not_take_is_explained(node, run_module, device, message):
    node.container(105)
    result = run(run_module, [device])
    assert message in result["msg"]
    assert node.calls() == []


def test_a_device_listed_twice_is_refused(node, run_module):
    assert run(run_module, [{"path": "/dev/a"}] * 2)["msg"] == "device /dev/a is listed twice"


def test_an_unknown_container_is_told_in_proxmox_s_words(node, run_module):
    message = run(run_module, [{"path": "/dev/a"}])["msg"]
    assert "Configuration file 'nodes/pve1/lxc/105.conf' does not exist" in message


def test_a_configuration_lock_is_waited_for(node, run_module, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda _seconds: None)
    node.container(105)
    node.write(failures=[{"when": "pct set", "times": 2, "says": "can't lock file '/run/lock/lxc/pve-config-105.lock' - got timeout"}])
    assert run(run_module, [{"path": "/dev/a"}])["changed"]


def test_a_host_that_is_no_node_is_told_so(programs, run_module):
    assert "has to run on a Proxmox VE node" in run(run_module, [{"path": "/dev/a"}])["msg"]


def test_a_group_is_taken_by_its_number_in_the_container(node, run_module):
    node.write(says="group video 44\ngroup render 104")
    node.container(105)
    run(run_module, [{"path": "/dev/dri/renderD128", "group": "render"}])
    assert node.config(105)["dev0"] == "/dev/dri/renderD128,gid=104"
