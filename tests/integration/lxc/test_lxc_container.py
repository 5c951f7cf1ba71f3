# SPDX-License-Identifier: GPL-3.0-or-later
"""lxc_container and lxc_devpassthrough against Proxmox VE's API, with real containers behind it."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

SMALL = {"hostname": "psw-test", "cores": 1, "memory_mib": 256, "rootfs_gib": 2}
DEVICE = {"path": "/dev/net/tun", "gid": 44, "mode": "0640"}


def look(node, vmid, command):
    return node.run(f"pct exec {vmid} -- sh -c '{command}'").strip()


def test_a_container_is_made_kept_and_changed_with_one_restart(node):
    foretold = node.module("lxc_container", check=True, **SMALL, devices=[DEVICE])
    assert (foretold["changed"], node.containers()) == (True, [])

    made = node.module("lxc_container", **SMALL, devices=[DEVICE])
    assert made["created"], made
    vmid = made["vmid"]
    assert look(node, vmid, "cat /proc/self/uid_map").split() == ["0", "100000", "65536"]
    assert look(node, vmid, "stat -c %u:%g:%a /dev/net/tun") == "0:44:640"
    assert made["host_keys"]
    assert made["address"] in look(node, vmid, "hostname -I")

    again = node.module("lxc_container", **SMALL, devices=[DEVICE])
    assert not again["changed"], again["diff"]

    node.run(f"pct set {vmid} -memory 512 -dev0 /dev/net/tun,gid=7")
    taken_back = node.module("lxc_container", **SMALL, devices=[DEVICE])
    assert (taken_back["changed"], taken_back["restarted"]) == (True, False)

    node.run(f"pct set {vmid} -dev0 /dev/net/tun,gid=7; pct stop {vmid}; pct start {vmid}")
    foretold = node.module("lxc_container", check=True, **SMALL, devices=[DEVICE])
    healed = node.module("lxc_container", **SMALL, devices=[DEVICE])
    assert foretold["diff"] == healed["diff"]
    assert foretold["restarted"] == healed["restarted"] == healed["changed"] is True
    assert look(node, vmid, "stat -c %u:%g:%a /dev/net/tun") == "0:44:640"
    assert not node.module("lxc_container", **SMALL, devices=[DEVICE])["changed"]

    assert node.module("lxc_container", **SMALL, state="absent")["changed"]
    assert node.containers() == []


@pytest.mark.parametrize("moment", ["pct create", "pct start", "pct exec"])
def test_a_run_that_was_killed_is_finished_by_the_next(node, moment):
    node.kill_at(moment)
    assert node.module("lxc_container", **SMALL) is None
    done = node.module("lxc_container", **SMALL)
    assert done["address"], done
    assert [row["name"] for row in node.containers()] == ["psw-test"]
    assert not node.module("lxc_container", **SMALL)["changed"]


def test_a_container_that_was_renamed_gets_its_name_back(node):
    made = node.module("lxc_container", **SMALL)
    node.run(f"pct set {made['vmid']} -hostname theirs")
    healed = node.module("lxc_container", **SMALL)
    assert (healed["vmid"], healed["restarted"]) == (made["vmid"], False)
    assert [row["name"] for row in node.containers()] == ["psw-test"]
    assert not node.module("lxc_container", **SMALL)["changed"]


def test_a_fixed_address_is_taken_up_by_one_restart_and_given_back_by_another(node):
    made = node.module("lxc_container", **SMALL)
    gateway = node.lab.node_address.rpartition(".")[0] + ".1"
    fixed = node.lab.node_address.rpartition(".")[0] + ".240"
    network = {"ip": f"{fixed}/24", "gateway": gateway}
    told = node.module("lxc_container", **SMALL, network=network, restart=False)
    assert (told["restarted"], told["waiting"], told["address"]) == (False, ["net0"], made["address"])
    left = node.module("lxc_container", **SMALL, network=network, restart=False, waiting=told["waiting"])
    assert not left["restarted"]
    assert f"psw-test runs without net0 as wished until it is restarted: pct reboot {made['vmid']} on pve1" in str(left["warnings"])
    moved = node.module("lxc_container", **SMALL, network=network, waiting=told["waiting"])
    assert (moved["restarted"], moved["address"]) == (True, fixed)
    assert look(node, made["vmid"], "ip route show default").startswith(f"default via {gateway}")
    assert not node.module("lxc_container", **SMALL, network=network)["changed"]
    back = node.module("lxc_container", **SMALL)
    assert (back["restarted"], back["address"]) == (True, made["address"])


def test_a_volume_is_mounted_at_once_and_grows(node):
    storage = json.loads(node.run("pvesh get /nodes/pve1/storage --output-format json"))
    name = next(row["storage"] for row in storage if "rootdir" in row["content"])
    volume = {"storage": name, "size_gib": 1, "target": "/srv/data"}
    made = node.module("lxc_container", **SMALL)
    added = node.module("lxc_container", **SMALL, mounts=[volume])
    assert (added["changed"], added["restarted"]) == (True, False), added
    assert look(node, made["vmid"], "touch /srv/data/here && ls /srv/data") == "here"
    assert not node.module("lxc_container", **SMALL, mounts=[volume])["changed"]
    assert node.module("lxc_container", **SMALL, mounts=[{**volume, "size_gib": 2}])["changed"]
    assert "size=2G" in node.run(f"pct config {made['vmid']}")


def test_two_made_at_once_share_a_download_and_get_numbers_of_their_own(node):
    node.run("pveam remove local:vztmpl/debian-13-standard_13.1-2_amd64.tar.zst")
    with ThreadPoolExecutor() as pool:
        made = list(pool.map(lambda name: node.module("lxc_container", **{**SMALL, "hostname": name}), ["psw-one", "psw-two"]))
    assert all(one["address"] for one in made), made
    assert len({one["vmid"] for one in made}) == len({one["address"] for one in made}) == 2


def test_what_a_dead_creation_left_locked_is_made_anew(node):
    made = node.module("lxc_container", **SMALL, started=False)
    node.run(f"pct set {made['vmid']} -lock create")
    done = node.module("lxc_container", **SMALL)
    assert done["created"], done
    assert [row.get("lock") for row in node.containers()] == [None]


def test_a_stranger_of_the_name_is_untouched(node):
    made = node.module("lxc_container", **SMALL, started=False)
    node.run(f"pct set {made['vmid']} -tags home")
    before = node.run(f"cat /etc/pve/lxc/{made['vmid']}.conf")
    refused = node.module("lxc_container", **{**SMALL, "memory_mib": 512})
    assert refused["refusal"]["code"] == "not_ours"
    assert node.run(f"cat /etc/pve/lxc/{made['vmid']}.conf") == before


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        (("POST", "/nodes/pve1/lxc"), "cluster not ready - no quorum?"),
        (("POST", "/nodes/{node}/lxc/{vmid}/status/start"), "startup for container failed"),
    ],
)
def test_proxmox_s_own_words_are_told_and_the_next_run_completes(node, request_, words):
    node.fault(*request_, words)
    failed = node.module("lxc_container", **SMALL)
    assert words in failed["msg"]
    node.fault()
    assert node.module("lxc_container", **SMALL)["address"]
    assert len(node.containers()) == 1


def test_devices_alone_are_matched_by_path_and_told_when_they_wait(node):
    made = node.module("lxc_container", **SMALL)
    wanted = {"vmid": made["vmid"], "devices": [DEVICE, {"path": "/dev/fuse"}]}
    added = node.module("lxc_devpassthrough", **wanted)
    assert (added["changed"], added["restart_required"]) == (True, False)
    assert look(node, made["vmid"], "stat -c %g:%a /dev/net/tun") == "44:640"
    assert not node.module("lxc_devpassthrough", **{**wanted, "devices": wanted["devices"][::-1]})["changed"]
    changed = node.module("lxc_devpassthrough", vmid=made["vmid"], devices=[{**DEVICE, "gid": 7}], exclusive=True)
    assert (changed["changed"], changed["restart_required"]) == (True, True)
    assert node.module("lxc_devpassthrough", vmid=made["vmid"], devices=[{**DEVICE, "gid": 7}], exclusive=True)["restart_required"]


def test_a_device_that_the_node_lacks_is_named_before_the_container_cannot_start(node):
    made = node.module("lxc_container", **SMALL, started=False)
    refused = node.module("lxc_devpassthrough", vmid=made["vmid"], devices=[{"path": "/dev/nvidia7"}])
    assert refused["refusal"]["code"] == "no_device"
    assert "dev0" not in node.run(f"pct config {made['vmid']}")
