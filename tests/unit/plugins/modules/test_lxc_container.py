# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import copy
import fcntl
import threading

import pytest

MODULE = "lxc_container"
KEY = "ssh-ed25519 AAAAkey admin@desk"
SAYS = "address 192.0.2.31\nhost_key ssh-ed25519 AAAAhost\ngroup video 44\ngroup render 993\nssh listens"
STORAGES = [
    {"storage": "backup", "content": "backup", "active": 1, "enabled": 1, "avail": 10**13},
    {"storage": "local", "content": "vztmpl,iso", "active": 1, "enabled": 1, "avail": 10**12},
    {"storage": "local-zfs", "content": "rootdir,images", "active": 1, "enabled": 1, "avail": 10**12},
    {"storage": "offline", "content": "rootdir,vztmpl", "active": 0, "enabled": 1},
]
TEMPLATE = "local:vztmpl/debian-13-standard_13.6-1_amd64.tar.zst"
KFD = {"path": "/dev/kfd", "group": "render"}
UTILS = "ansible_collections.psw.ai.plugins.module_utils."


@pytest.fixture(autouse=True)
def whole_node(node, monkeypatch, tmp_path):
    node.write(storages=STORAGES, volumes=["local:vztmpl/debian-13-standard_13.1-2_amd64.tar.zst", TEMPLATE], says=SAYS)
    monkeypatch.setattr(UTILS + "_lxc_devices._is_device", lambda path: "missing" not in path)
    monkeypatch.setattr(UTILS + "_pve.CONFIG", str(tmp_path / "%s.conf"))
    monkeypatch.setattr(UTILS + "_lxc_journal.DIRECTORY", str(tmp_path / "psw"))
    monkeypatch.setattr("time.sleep", lambda _seconds: None)
    keys = tmp_path / "authorized_keys"
    keys.write_text(f"# a comment\n{KEY}\n", encoding="utf-8")
    monkeypatch.setattr(UTILS + "_lxc_guest.node_keys.__defaults__", (str(keys),))
    (tmp_path / "models").mkdir()


@pytest.fixture
def warned(monkeypatch):
    """What the module warns of."""
    said = []
    monkeypatch.setattr("ansible.module_utils.basic.AnsibleModule.warn", lambda _module, warning: said.append(warning))
    return said


@pytest.fixture
def run(run_module):
    return lambda **options: run_module(MODULE, **{"hostname": "psw-ai", "node": "pve1", **options})


def journal(tmp_path):
    return tmp_path / "psw" / "creating-psw-ai"


def test_a_new_container_is_unprivileged_nested_tagged_and_started(node, run):
    result = run(cores=4, memory_mib=8192, rootfs_gib=32, startup_order=20, devices=[{"path": "/dev/nvidia0", "mode": "0666"}])
    config = node.config(100)
    assert config["unprivileged"] == "1"
    assert config["features"] == "nesting=1"
    assert config["tags"] == "psw;psw.psw-ai"
    assert config["dev0"] == "/dev/nvidia0,mode=0666"
    assert config["rootfs"] == "local-zfs:subvol-100-disk-0,size=32G"
    assert (config["cores"], config["memory"], config["startup"], config["onboot"]) == ("4", "8192", "order=20", "1")
    assert node.state["cts"]["100"]["status"] == "running"
    assert (result["changed"], result["created"], result["restarted"]) == (True, True, False)
    assert (result["vmid"], result["address"], result["host_keys"]) == (100, "192.0.2.31", ["ssh-ed25519 AAAAhost"])
    assert result["groups"] == {"video": 44, "render": 993}


def test_it_comes_from_the_newest_template_and_trusts_who_the_node_trusts(node, run):
    run()
    create = next(call for call in node.writes() if call.startswith("pct create"))
    assert create.startswith(f"pct create 100 {TEMPLATE} ")
    assert node.state["cts"]["100"]["logins"] == KEY + "\n"


def test_a_second_run_changes_nothing_in_three_calls(node, run):
    options = {"devices": [{"path": "/dev/nvidia0", "mode": "0666"}], "network": {"bridge": "vmbr0", "ip": "dhcp"}, "startup_order": 20}
    run(**options)
    node.forget_calls()
    result = run(**options)
    assert not result["changed"]
    assert result["diff"]["before"] == result["diff"]["after"]
    first, *at_once = [call.split(" --")[0] for call in node.calls()]
    assert (first, sorted(at_once)) == ("pvesh get /nodes/pve1/lxc", ["pct exec 100", "pvesh get /nodes/pve1/lxc/100/pending"])


def test_check_mode_of_a_new_container_foretells_it_and_touches_nothing(node, run, tmp_path):
    result = run(check=True)
    assert (result["changed"], result["created"], result["vmid"], result["address"]) == (True, True, None, None)
    assert "unprivileged: 1\n" in result["diff"]["after"]
    assert node.writes() == []
    assert not journal(tmp_path).exists()


def test_a_new_container_is_foretold_in_silence_and_refused_where_it_could_not_be(node, run, tmp_path):
    assert run(state="foretold") == {"changed": False}
    assert node.writes() == []
    assert not journal(tmp_path).exists()
    node.write(storages=[])
    assert run(state="foretold")["refusal"]["code"] == "no_storage"


@pytest.fixture
def found(run_module):
    return lambda hostname="psw-ai": run_module("lxc_container_info", hostname=hostname, node="pve1")


def test_ours_is_found_with_what_it_takes_to_reach_it(node, run, found):
    run()
    node.forget_calls()
    reached = {"address": "192.0.2.31", "host_keys": ["ssh-ed25519 AAAAhost"], "groups": {"video": 44, "render": 993}}
    assert found() == {"changed": False, "vmid": 100, **reached}
    assert node.writes() == []


def test_ours_that_does_not_run_and_one_that_is_not_ours_have_no_address(node, run, found):
    run(started=False)
    nowhere = {"changed": False, "address": None, "host_keys": [], "groups": {}}
    assert found() == {**nowhere, "vmid": 100}
    assert found("psw-core") == {**nowhere, "vmid": None}
    node.container(777, hostname="psw-core", tags="theirs")
    assert found("psw-core") == {**nowhere, "vmid": None}


@pytest.mark.parametrize(
    ("by_hand", "healed"),
    [
        ({"memory": "512"}, "-memory 2048"),
        ({"features": "keyctl=1,nesting=1"}, "-features nesting=1"),
        ({"dev0": "/dev/nvidia0,mode=0666,gid=7"}, "-dev0 /dev/nvidia0,mode=0666"),
        ({"dev7": "/dev/sda"}, "-delete dev7"),
        ({"onboot": "0"}, "-onboot 1"),
        (
            {"net0": "name=eth0,bridge=vmbr9,ip=dhcp,type=veth,hwaddr=BC:24:11:00:00:01"},
            "-net0 name=eth0,bridge=vmbr0,ip=dhcp,type=veth,hwaddr=BC:24:11:00:00:01",
        ),
    ],
)
def test_what_someone_changed_is_healed_and_nothing_else(node, run, by_hand, healed):
    options = {"devices": [{"path": "/dev/nvidia0", "mode": "0666"}]}
    run(**options)
    node.state["cts"]["100"]["config"].update(by_hand)
    node.forget_calls()
    foretold = run(check=True, **options)
    assert node.writes() == []
    real = run(**options)
    assert node.writes()[0] == "pct set 100 " + healed
    assert foretold == real
    assert not run(**options)["changed"]


def test_several_changes_that_wait_cost_one_restart(node, run, tmp_path):
    run(devices=[{"path": "/dev/a"}], mounts=[{"source": str(tmp_path / "models"), "target": "/srv/models"}])
    node.forget_calls()
    result = run(devices=[{"path": "/dev/a", "gid": 5}], mounts=[{"source": str(tmp_path / "models"), "target": "/srv/models", "read_only": True}])
    assert result["restarted"]
    assert not result["restart_required"]
    assert [call.split()[1] for call in node.writes()] == ["set", "shutdown", "start"]
    assert node.state["cts"]["100"]["pending"] == {}


def test_a_change_by_hand_that_still_waits_is_taken_back_without_a_restart(node, run):
    run(devices=[{"path": "/dev/a"}])
    node.state["cts"]["100"]["pending"] = {"dev0": "/dev/a,gid=7"}
    foretold = run(check=True, devices=[{"path": "/dev/a"}])
    assert foretold == run(devices=[{"path": "/dev/a"}])
    assert (foretold["changed"], foretold["restarted"], foretold["restart_required"]) == (True, False, False)


def test_a_restart_that_is_not_wanted_is_only_told(node, run):
    run(devices=[{"path": "/dev/a"}])
    result = run(devices=[{"path": "/dev/a", "gid": 5}], restart=False)
    assert (result["changed"], result["restarted"], result["restart_required"], result["waiting"]) == (True, False, True, ["dev0"])
    assert run(devices=[{"path": "/dev/a", "gid": 5}])["restarted"]


def test_what_waits_according_to_an_earlier_call_is_restarted_for(node, run):
    run()
    result = run(network={"bridge": "vmbr0", "ip": "192.0.2.31/24"}, restart=False)
    assert (result["restart_required"], result["waiting"]) == (True, ["net0"])
    node.forget_calls()
    assert run(network={"bridge": "vmbr0", "ip": "192.0.2.31/24"}, waiting=["net0"], check=True)["restarted"]
    assert run(network={"bridge": "vmbr0", "ip": "192.0.2.31/24"}, waiting=["net0"])["restarted"]
    assert [call.split()[1] for call in node.writes()] == ["shutdown", "start"]


def test_changes_of_every_kind_at_once_cost_one_restart(node, run, tmp_path):
    mounts = [{"source": str(tmp_path / "models"), "target": "/srv/models"}]
    run(devices=[KFD], mounts=mounts)
    node.write(says=SAYS.replace("render 993", "render 104"))
    node.state["cts"]["100"]["stale"] = True
    node.state["cts"]["100"]["config"]["features"] = "nesting=1,keyctl=1"
    node.forget_calls()
    result = run(devices=[KFD], mounts=mounts, memory_mib=4096, network={"bridge": "vmbr0", "ip": "192.0.2.31/24"})
    assert result["waiting"] == ["/srv/models", "dev0", "features", "net0"]
    assert [call.split()[1] for call in node.writes()] == ["set", "shutdown", "start"]


@pytest.mark.parametrize("check", [True, False])
def test_a_locked_container_is_refused_only_when_something_is_to_be_done(node, run, check):
    run()
    node.state["cts"]["100"]["config"]["lock"] = "backup"
    node.forget_calls()
    assert not run(check=check)["changed"]
    for options in ({"memory_mib": 4096}, {"state": "absent"}):
        result = run(check=check, **options)
        assert result["refusal"] == {
            "code": "container_locked",
            "message": "container 100 (psw-ai) is locked (backup), so nothing about it can be changed now",
            "hint": "wait until that is done and run this again; if nothing is at work on it: pct unlock 100",
        }
    node.state["cts"]["100"]["status"] = "stopped"
    assert run(check=check)["refusal"]["code"] == "container_locked"
    assert node.writes() == []


def test_changes_that_work_at_once_cost_no_restart(node, run):
    run()
    result = run(memory_mib=4096, cores=6, devices=[{"path": "/dev/a"}])
    assert (result["changed"], result["restarted"]) == (True, False)


def test_a_bind_mount_does_not_stop_replication_and_others_stay(node, run, tmp_path):
    run()
    node.container(100, **{**node.config(100), "mp0": "local-zfs:subvol-100-disk-1,mp=/data,size=8G"})
    run(mounts=[{"source": str(tmp_path / "models"), "target": "/srv/models", "options": ["noatime"]}])
    assert node.config(100)["mp1"] == f"{tmp_path}/models,mp=/srv/models,replicate=0,mountoptions=noatime"
    assert node.config(100)["mp0"] == "local-zfs:subvol-100-disk-1,mp=/data,size=8G"


def test_the_removal_of_a_mount_that_waits_is_taken_back_under_its_number(node, run, tmp_path):
    mounts = [{"source": str(tmp_path / "models"), "target": "/srv/models"}]
    run(mounts=mounts)
    node.state["cts"]["100"]["pending"] = {"mp0": None}
    assert run(mounts=mounts)["changed"]
    assert node.config(100)["mp0"] == f"{tmp_path}/models,mp=/srv/models,replicate=0"
    assert "mp1" not in node.config(100)


def test_a_mount_that_shows_what_was_on_the_node_before_is_made_anew_by_a_restart(node, run, tmp_path):
    mounts = [{"source": str(tmp_path / "models"), "target": "/srv/models"}]
    run(mounts=mounts)
    node.state["cts"]["100"]["stale"] = True
    node.forget_calls()
    foretold = run(check=True, mounts=mounts)
    assert node.writes() == []
    assert f"/srv/models: another directory than {tmp_path}/models is now\n" in foretold["diff"]["before"]
    real = run(mounts=mounts)
    assert foretold == real
    assert real["restarted"]
    assert [call.split()[1] for call in node.writes()] == ["shutdown", "start"]
    assert not run(mounts=mounts)["changed"]


def test_a_container_that_a_killed_run_is_still_starting_will_do(node, run):
    run(started=False)
    running = copy.deepcopy(node.state["cts"])
    running["100"]["status"] = "running"
    node.write(failures=[{"when": "pct start", "says": "CT 100 already running", "then": {"cts": running}}])
    assert run()["address"] == "192.0.2.31"


def test_a_directory_that_is_not_there_is_named_before_anything_changes(node, run, tmp_path):
    mounts = [{"source": str(tmp_path / "nowhere"), "target": "/srv/models"}]
    assert "nowhere is no directory on this node" in run(mounts=mounts)["msg"]
    assert node.writes() == []
    assert run(mounts=mounts, check=True)["changed"]  # an earlier step of the same run may be what makes it


VOLUME = {"storage": "local-zfs", "size_gib": 100, "target": "/srv/models"}


def test_a_volume_is_made_left_out_of_backups_and_only_grows(node, run):
    run(mounts=[VOLUME])
    assert node.config(100)["mp0"] == "local-zfs:vm-100-disk-1,mp=/srv/models,backup=0,size=100G"
    assert not run(mounts=[VOLUME])["changed"]
    node.forget_calls()
    foretold = run(mounts=[{**VOLUME, "size_gib": 200}], check=True)
    assert node.writes() == []
    assert foretold == run(mounts=[{**VOLUME, "size_gib": 200}])
    assert node.writes() == ["pct resize 100 mp0 200G"]
    assert not run(mounts=[{**VOLUME, "size_gib": 50}])["changed"]


def test_a_volume_that_got_into_backups_is_taken_out_of_them(node, run):
    run(mounts=[VOLUME])
    node.state["cts"]["100"]["config"]["mp0"] = node.config(100)["mp0"].replace("backup=0", "backup=1")
    assert run(mounts=[VOLUME])["changed"]
    assert node.config(100)["mp0"] == "local-zfs:vm-100-disk-1,size=100G,mp=/srv/models,backup=0"


@pytest.mark.parametrize("check", [True, False])
def test_what_is_mounted_is_not_replaced_by_a_volume_of_another_storage(node, run, tmp_path, check):
    run(mounts=[{"source": str(tmp_path / "models"), "target": "/srv/models"}])
    node.forget_calls()
    result = run(mounts=[VOLUME], check=check)
    assert result["refusal"]["code"] == "mount_elsewhere"
    assert f"/srv/models in the container is {tmp_path}/models, and not a volume of storage local-zfs" in result["msg"]
    assert node.writes() == []


@pytest.mark.parametrize("check", [True, False])
@pytest.mark.parametrize("there", [True, False])
def test_a_volume_for_which_there_is_no_room_is_refused_before_anything_is_made(node, run, check, there):
    if there:
        run()
    node.forget_calls()
    assert "storage local-zfs is not one that takes rootdir and has 5000 GiB" in run(mounts=[{**VOLUME, "size_gib": 5000}], check=check)["msg"]
    assert node.writes() == []


@pytest.mark.parametrize("mount", [{}, {"source": "/tank"}, {"size_gib": None}])
def test_a_mount_is_either_a_directory_or_a_volume_with_its_size(run, mount):
    assert run(mounts=[{**VOLUME, **mount} if mount else {"target": "/srv"}])["failed"]


def test_the_root_disk_grows_and_never_shrinks(node, run):
    run(rootfs_gib=16)
    node.forget_calls()
    assert run(rootfs_gib=32)["changed"]
    assert node.writes() == ["pct resize 100 rootfs 32G"]
    assert not run(rootfs_gib=8)["changed"]


FIXED = {"bridge": "vmbr1", "ip": "192.0.2.31/24", "gateway": "192.0.2.1", "vlan": 7, "firewall": True}


def test_a_fixed_address_in_a_vlan_is_set(node, run):
    run(network=FIXED)
    assert node.config(100)["net0"].startswith("name=eth0,bridge=vmbr1,ip=192.0.2.31/24,gw=192.0.2.1,tag=7,firewall=1,type=veth")
    node.forget_calls()
    result = run(network={"bridge": "vmbr1", "ip": "dhcp", "gateway": "192.0.2.1"})
    assert node.config(100)["net0"] == "name=eth0,bridge=vmbr1,ip=dhcp,firewall=1,type=veth,hwaddr=BC:24:11:00:00:01"
    assert (result["restarted"], result["waiting"]) == (True, ["net0"])
    assert [call.split()[1] for call in node.writes()] == ["set", "shutdown", "start"]


def test_the_address_is_the_planned_one_of_several(node, run):
    node.write(says=SAYS + "\naddress 198.51.100.9\naddress 2001:db8::5\naddress 2001:db8::9")
    assert run(network={"ip": "198.51.100.9/24"})["address"] == "198.51.100.9"
    assert run(network={"ip": "none", "ip6": "auto"})["address"] == "2001:db8::5"
    assert run(network={"ip": "none", "ip6": "2001:db8:0::9/64", "gateway6": "2001:db8::1"})["address"] == "2001:db8::9"
    assert "ip6=2001:db8:0::9/64,gw6=2001:db8::1" in node.config(100)["net0"]
    assert run(network={"ip": "dhcp", "ip6": "dhcp"})["address"] == "192.0.2.31"


def test_a_container_without_its_fixed_address_is_told_of_with_those_it_has(node, run):
    message = run(network={"ip": "192.0.2.99/24"}, wait_timeout=0)["msg"]
    assert "container 100 runs but has 192.0.2.31 instead of 192.0.2.99 on eth0 after 0 s" in message


def test_an_address_that_somebody_changed_inside_is_healed_by_a_restart(node, run):
    run(network=FIXED)
    node.write(says=SAYS.replace("192.0.2.31", "192.0.2.77"))
    result = run(network=FIXED, restart=False)
    assert (result["restart_required"], result["waiting"], result["address"]) == (True, ["net0"], "192.0.2.77")
    node.write(says=SAYS)
    assert not run(network=FIXED)["changed"]


@pytest.mark.parametrize(
    ("network", "words"),
    [
        ({"ip": "192.0.2.5"}, "ip 192.0.2.5 has no prefix length; write it as in 192.0.2.5/24"),
        ({"ip": "dhpc"}, "ip dhpc is no IPv4 address; give an address, or dhcp or none"),
        ({"ip": "2001:db8::5/64"}, "ip 2001:db8::5/64 is no IPv4 address"),
        ({"ip6": "192.0.2.5/24"}, "ip6 192.0.2.5/24 is no IPv6 address; give an address, or auto or dhcp or none"),
        ({"ip": "192.0.2.5/24", "gateway": "192.0.2.999"}, "gateway 192.0.2.999 is no IPv4 address"),
        ({"ip": "none"}, "there is neither an IPv4 nor an IPv6 address"),
        ({"vlan": 4095}, "vlan 4095 is no VLAN tag"),
    ],
)
@pytest.mark.parametrize("check", [True, False])
def test_a_network_that_cannot_be_is_refused(node, run, network, words, check):
    result = run(network=network, check=check)
    assert (result["refusal"]["code"], node.calls()) == ("bad_network", [])
    assert words in result["msg"]


@pytest.mark.parametrize("check", [True, False])
def test_a_stranger_of_the_same_name_is_never_touched(node, run, check):
    node.container(101, hostname="psw-ai", unprivileged="1", tags="home")
    result = run(check=check)
    assert "container 101 (psw-ai) is not tagged psw, so it belongs to someone else" in result["msg"]
    assert "not tagged psw" in run(check=check, state="absent")["msg"]
    assert node.writes() == []


@pytest.mark.parametrize("config", [{}, {"unprivileged": "0"}])
def test_a_privileged_container_is_refused(node, run, config):
    node.container(101, hostname="psw-ai", tags="psw", **config)
    assert "container 101 (psw-ai) is privileged" in run(memory_mib=4096)["msg"]
    assert node.writes() == []


def test_raw_settings_that_undo_confinement_are_refused_by_name(node, run, tmp_path):
    run()
    (tmp_path / "100.conf").write_text("cores: 2\nlxc.apparmor.profile: unconfined\n\n[snapshot]\nlxc.cap.drop:\n", encoding="utf-8")
    node.forget_calls()
    result = run(memory_mib=4096)
    assert result["refusal"] == {
        "code": "raw_settings",
        "message": "container 100 (psw-ai) has raw LXC settings, which could undo its confinement: lxc.apparmor.profile: unconfined",
        "hint": "remove them from /etc/pve/lxc/100.conf",
    }
    assert node.writes() == []


def test_ours_on_another_node_of_the_cluster_is_not_made_a_second_time(node, run):
    node.write(resources=[{"vmid": 300, "name": "psw-ai", "node": "pve2", "tags": "psw"}, {"vmid": 301, "name": "psw-ai", "node": "pve3", "tags": "home"}])
    result = run()
    assert result["refusal"]["code"] == "on_another_node"
    assert "psw-ai is container 300 on node pve2 already" in result["msg"]
    assert node.writes() == []


def test_two_of_ours_with_one_name_are_named(node, run):
    node.container(101, hostname="psw-ai", tags="psw", unprivileged="1")
    node.container(102, hostname="psw-ai", tags="psw;x", unprivileged="1")
    assert "containers 101, 102 are all psw-ai to go by their tags" in run()["msg"]


def test_ours_that_was_renamed_by_hand_is_found_and_gets_its_name_back(node, run):
    run()
    node.state["cts"]["100"]["config"]["hostname"] = "old-ai"
    node.forget_calls()
    foretold = run(check=True)
    assert node.writes() == []
    assert foretold == run()
    assert node.writes() == ["pct set 100 -hostname psw-ai"]
    assert list(node.state["cts"]) == ["100"]


def test_ours_that_was_renamed_is_destroyed_too_and_another_of_ours_is_not(node, run):
    run()
    run(hostname="psw-core")
    node.state["cts"]["100"]["config"]["hostname"] = "old-ai"
    assert run(state="absent")["vmid"] == 100
    assert list(node.state["cts"]) == ["101"]


def test_a_copy_made_by_hand_is_not_taken_for_the_original(node, run):
    run()
    node.container(105, **{**node.config(100), "hostname": "copy-of-psw-ai"})
    assert run()["vmid"] == 100
    node.state["cts"]["100"]["config"]["hostname"] = "old-ai"
    assert "containers 100, 105 are all psw-ai" in run()["msg"]


def test_two_of_ours_that_swapped_their_names_get_them_back(node, run):
    run()
    run(hostname="psw-core")
    node.state["cts"]["100"]["config"]["hostname"] = "psw-core"
    node.state["cts"]["101"]["config"]["hostname"] = "psw-ai"
    assert (run()["vmid"], run(hostname="psw-core")["vmid"]) == (100, 101)
    assert (node.config(100)["hostname"], node.config(101)["hostname"]) == ("psw-ai", "psw-core")


def test_a_stranger_that_took_the_name_of_ours_is_in_the_way_of_giving_it_back(node, run):
    run()
    node.state["cts"]["100"]["config"]["hostname"] = "old-ai"
    node.container(103, hostname="psw-ai")
    node.forget_calls()
    assert "container 103 (psw-ai) is not tagged psw" in run()["msg"]
    assert node.writes() == []


def test_tags_of_others_stay_on_our_container(node, run):
    node.container(101, hostname="psw-ai", tags="backup;psw", unprivileged="1")
    run(tags=["ai"])
    assert node.config(101)["tags"] == "ai;backup;psw;psw.psw-ai"


def test_a_number_that_someone_else_took_is_not_fought_for(node, run):
    node.write(failures=[{"when": "pct create 100", "says": "unable to create CT 100 - CT 100 already exists on node 'pve2'", "then": {"next": 101}}])
    assert run()["vmid"] == 101


def test_a_wished_number_is_used_or_refused(node, run):
    assert run(vmid=777)["vmid"] == 777
    assert "psw-ai is container 777, not 778" in run(vmid=778)["msg"]
    node.container(900, hostname="other")
    assert "container 900 (other) is not tagged psw" in run(hostname="psw-core", vmid=900)["msg"]


@pytest.mark.parametrize("check", [True, False])
@pytest.mark.parametrize(("kind", "what"), [("qemu", "VM"), ("lxc", "container")])
def test_a_wished_number_that_a_guest_of_another_node_has_is_refused(node, run, check, kind, what):
    node.write(resources=[{"vmid": 777, "name": "win", "node": "pve2", "type": kind}])
    result = run(vmid=777, check=check)
    assert result["refusal"]["code"] == "vmid_taken"
    assert f"number 777 is taken by the {what} win on node pve2" in result["msg"]
    assert node.writes() == []


def test_destroying_ours_on_another_node_is_refused_instead_of_done_with(node, run):
    node.write(resources=[{"vmid": 300, "name": "renamed", "node": "pve2", "tags": "psw;psw.psw-ai"}])
    assert run(state="absent")["refusal"]["code"] == "on_another_node"


def test_a_container_that_was_created_but_never_started_is_started(node, run):
    run(started=False)
    assert node.state["cts"]["100"]["status"] == "stopped"
    result = run()
    assert (result["changed"], result["created"], result["address"]) == (True, False, "192.0.2.31")
    assert [call.split()[1] for call in node.writes()] == ["create", "start"]


def test_what_a_killed_run_left_nameless_and_locked_is_removed_and_made_anew(node, run, tmp_path):
    node.container(100, status="stopped", lock="create")
    journal(tmp_path).parent.mkdir()
    journal(tmp_path).write_text("100\n")
    assert run()["created"]
    assert [call.split()[1] for call in node.writes()] == ["unlock", "destroy", "create", "start"]
    assert not journal(tmp_path).exists()


def test_a_creation_that_outlived_its_run_is_waited_for(node, run, tmp_path):
    node.container(100, status="stopped", lock="create", hostname="psw-ai", tags="psw", unprivileged="1")
    node.write(tasks=[[{"type": "vzcreate"}], [{"type": "vzcreate"}], [{"type": "vzcreate", "endtime": 1, "status": "OK"}]])
    run()
    asked = [call for call in node.calls("pvesh") if "/tasks" in call]
    assert len(asked) == 3


def test_check_mode_foretells_that_what_is_half_made_is_made_anew(node, run):
    node.container(100, status="stopped", lock="create", hostname="psw-ai", tags="psw", unprivileged="1")
    assert run(check=True)["created"]
    assert node.writes() == []


def test_a_container_whose_destruction_was_cut_off_is_removed_and_made_anew(node, run):
    node.container(100, status="stopped", lock="destroyed", hostname="psw-ai", tags="psw", unprivileged="1")
    assert run()["created"]
    assert [call.split()[1] for call in node.writes()] == ["unlock", "destroy", "create", "start"]


HALF = {"100": {"status": "stopped", "config": {"lock": "create"}, "pending": {}, "logins": ""}}


def test_what_a_failed_creation_left_is_removed_at_once(node, run, tmp_path):
    node.write(failures=[{"when": "pct create", "says": "unable to create CT 100 - zfs error: out of space", "then": {"cts": HALF}}])
    assert "out of space; make room on the storage (pvesm status)" in run()["msg"]
    assert [call.split()[1] for call in node.writes()] == ["create", "unlock", "destroy"]
    assert (node.state["cts"], journal(tmp_path).exists()) == ({}, False)


def test_what_a_failed_creation_left_and_nobody_could_remove_is_removed_by_the_next_run(node, run, tmp_path):
    lost = "cluster not ready - no quorum?"
    node.write(failures=[{"when": "pct create", "says": lost, "then": {"cts": HALF}}, {"when": "pct unlock", "says": lost}])
    assert lost in run()["msg"]
    assert journal(tmp_path).read_text() == "100\n"
    assert run()["created"]
    assert list(node.state["cts"]) == ["100"]


def test_what_someone_else_is_just_creating_under_the_number_stays(node, run):
    node.write(failures=[{"when": "pct create", "says": "unable to create CT 100 - CT 100 already exists on node 'pve1'", "then": {"cts": HALF}}])
    assert run()["vmid"] == 101
    assert "100" in node.state["cts"]


def test_a_command_that_hangs_is_ended_and_told(node, run):
    node.write(hangs=["pct start"])
    assert run()["msg"].startswith("pct start 100 did not end within 300 s; see the node's tasks and storages")


def test_a_busy_lock_is_waited_for_and_a_shutdown_that_failed_is_not_done_again(node, run):
    run()
    busy = "can't lock file '/run/lock/lxc/pve-config-100.lock' - got timeout"
    node.write(failures=[{"when": "pct set", "says": busy, "times": 4}])
    assert run(memory_mib=4096)["changed"]
    node.write(failures=[{"when": "pct shutdown", "says": "lxc-stop: got timeout", "times": 1}])
    node.forget_calls()
    assert "pct shutdown 100: lxc-stop: got timeout" in run(devices=[{"path": "/dev/a"}], waiting=["dev0"])["msg"]
    assert [call.split()[1] for call in node.writes()] == ["set", "shutdown"]


def test_a_lock_that_stays_is_told_with_what_to_do(node, run):
    run()
    node.write(failures=[{"when": "pct set", "says": "can't lock file '/run/lock/lxc/pve-config-100.lock' - got timeout", "times": 9}])
    assert "another task holds the lock: see the node's tasks, wait until it is done, then run this again" in run(memory_mib=4096)["msg"]


def test_a_running_container_is_never_taken_for_half_made(node, run):
    run()
    node.state["cts"]["100"]["config"]["lock"] = "create"
    node.forget_calls()
    run()
    assert node.writes() == []


def test_a_locked_stranger_is_left_alone(node, run, tmp_path):
    node.container(100, status="stopped", lock="create", hostname="theirs")
    journal(tmp_path).parent.mkdir()
    journal(tmp_path).write_text("100\n")
    assert run()["vmid"] == 101
    assert "100" in node.state["cts"]


def test_a_template_that_is_not_here_is_downloaded_after_an_update_of_the_index(node, run):
    node.write(
        volumes=[], index=["debian-12-standard_12.7-1_amd64.tar.zst", "debian-13-standard_13.10-1_amd64.tar.zst", "debian-13-standard_13.9-1_amd64.tar.zst"]
    )
    run()
    assert node.writes()[:2] == ["pveam update", "pveam download local debian-13-standard_13.10-1_amd64.tar.zst"]


def test_a_template_that_another_run_is_downloading_is_waited_for(node, run, tmp_path):
    node.write(volumes=[])
    (tmp_path / "psw").mkdir()
    with (tmp_path / "psw" / "template.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)

        def arrive():
            node.write(volumes=[TEMPLATE])
            file.close()

        arrival = threading.Timer(0.2, arrive)
        arrival.start()
        assert run()["created"]
        arrival.join()
    assert not [call for call in node.writes() if call.startswith("pveam")]


def test_a_template_that_nobody_offers_is_named(node, run):
    node.write(volumes=[])
    assert "no template debian-13-standard on this node, and none offered" in run()["msg"]
    node.write(offered=["debian-12-standard_12.7-1_amd64.tar.zst"])
    assert run(check=True)["refusal"]["code"] == "no_template"


def test_check_mode_downloads_no_template_and_updates_no_index(node, run):
    node.write(volumes=[])
    assert run(check=True)["changed"]  # the index is empty: what it will hold cannot be told
    node.write(offered=["debian-13-standard_13.9-1_amd64.tar.zst"])
    assert run(check=True)["changed"]
    assert node.writes() == []


@pytest.mark.parametrize("check", [True, False])
def test_no_storage_for_the_root_disk_names_those_seen(node, run, check):
    message = run(rootfs_gib=2000, check=check)["msg"]
    assert "takes rootdir and has 2000 GiB" in message
    assert "local-zfs (931 GiB free)" in message
    assert "offline (not active)" in message
    assert "backup (content backup)" in message
    assert message.endswith("; make room, or allow the content in Datacenter > Storage")  # to name another would not help


@pytest.mark.parametrize("check", [True, False])
def test_a_named_storage_that_will_not_do_says_where_it_is_named(run, check):
    message = run(storage="local", check=check)["msg"]
    assert "storage local is not one that takes rootdir" in message
    assert "name another storage (targets.psw-ai.storage in psw.yml, or the role's lxc_target_storage), make room" in message


SHARED = {"storage": "ceph", "content": "rootdir", "active": 1, "shared": 1, "avail": 10**12}
WENT = "the root disk of psw-ai goes to %s; to have it on %s, name that (targets.psw-ai.storage in psw.yml, or the role's lxc_target_storage)"


def test_a_storage_of_the_node_goes_before_one_that_others_share_and_the_choice_is_said(node, run, warned):
    node.write(storages=[SHARED, *STORAGES])
    assert "rootfs: local-zfs:16\n" in run(check=True)["diff"]["after"]
    assert warned[-1] == WENT % ("local-zfs", "ceph")
    warned.clear()
    assert run()["storage"] == "local-zfs"
    assert node.config(100)["rootfs"].startswith("local-zfs:")
    assert warned == [WENT % ("local-zfs", "ceph")]
    assert run()["storage"] == "local-zfs"
    assert len(warned) == 1  # there is no choice any more


def test_a_shared_storage_serves_where_there_is_no_other_or_it_is_named(node, run, warned):
    node.write(storages=[SHARED, *STORAGES[:2]])
    assert run()["storage"] == "ceph"
    node.write(storages=[SHARED, *STORAGES])
    assert run(hostname="psw-core", storage="ceph")["storage"] == "ceph"
    assert warned == []


def test_a_root_disk_elsewhere_than_wished_stays_and_is_named(node, run, warned):
    run()
    node.write(storages=[SHARED, *STORAGES])
    assert not run(storage="ceph")["changed"]
    move = "pct shutdown 100 && pct move-volume 100 rootfs ceph && pct start 100"
    assert warned == [f"the root disk of psw-ai is on local-zfs, and psw moves no data; to have it on ceph: {move}"]


def test_a_key_that_the_node_has_got_since_may_log_in_too(node, run):
    run(authorized_keys=["ssh-ed25519 AAAAold"])
    node.forget_calls()
    assert run(check=True)["changed"]
    assert node.writes() == []
    assert run()["changed"]
    assert node.state["cts"]["100"]["logins"].splitlines() == ["ssh-ed25519 AAAAold", KEY]
    assert not run()["changed"]


def test_a_container_without_address_is_told_with_a_way_to_look(node, run):
    node.write(says="host_key ssh-ed25519 AAAAhost")
    message = run(wait_timeout=0)["msg"]
    assert "container 100 runs but has no IPv4 address on eth0 (is there DHCP on its bridge?)" in message
    assert "pct enter 100" in message


def test_a_container_whose_ssh_does_not_answer_is_waited_for_and_told(node, run):
    node.write(says=SAYS.replace("ssh listens", ""))
    assert "container 100 runs but has no SSH server on port 22 after 0 s" in run(wait_timeout=0)["msg"]


def test_absent_stops_and_destroys_ours_and_is_done_then(node, run):
    run()
    node.forget_calls()
    assert run(check=True, state="absent")["changed"]
    assert node.writes() == []
    assert run(state="absent")["changed"]
    assert node.writes() == ["pct stop 100", "pct destroy 100 --purge 1"]
    assert not run(state="absent")["changed"]


def test_proxmox_s_own_words_reach_the_reader(node, run):
    node.write(failures=[{"when": "pct create", "says": "unable to create CT 100 - cluster not ready - no quorum?"}])
    assert run()["msg"].startswith("pct create 100: unable to create CT 100 - cluster not ready - no quorum?; this node's cluster has no quorum")
    assert node.state["cts"] == {}


def test_a_devices_group_is_asked_for_in_the_running_container_and_costs_no_restart(node, run):
    result = run(devices=[KFD, {"path": "/dev/dri/renderD128", "group": "render"}])
    assert {key: node.config(100)[key] for key in ("dev0", "dev1")} == {"dev0": "/dev/kfd,gid=993", "dev1": "/dev/dri/renderD128,gid=993"}
    assert [call.split()[1] for call in node.writes()] == ["create", "start", "set"]
    assert (result["created"], result["restarted"], result["devices"]) == (True, False, {"/dev/kfd": "dev0", "/dev/dri/renderD128": "dev1"})
    assert result["diff"]["before"] == ""
    node.forget_calls()
    assert not run(devices=[KFD, {"path": "/dev/dri/renderD128", "group": "render"}])["changed"]
    assert len(node.calls()) == 3


def test_a_group_that_got_another_number_in_the_container_is_followed_with_one_restart(node, run):
    run(devices=[KFD])
    node.write(says=SAYS.replace("render 993", "render 104"))
    foretold = run(devices=[KFD], check=True)
    assert node.config(100)["dev0"] == "/dev/kfd,gid=993"
    node.forget_calls()
    result = run(devices=[KFD])
    assert foretold == result
    assert node.config(100)["dev0"] == "/dev/kfd,gid=104"
    assert [call.split()[1] for call in node.writes()] == ["set", "shutdown", "start"]
    assert (result["changed"], result["restarted"], result["restart_required"]) == (True, True, False)
    assert not run(devices=[KFD])["changed"]


def test_a_device_of_a_group_is_foretold_for_a_container_that_is_not_there_yet(node, run):
    assert "dev0: /dev/kfd\n" in run(check=True, devices=[KFD])["diff"]["after"]
    assert node.writes() == []


@pytest.mark.parametrize("check", [True, False])
def test_a_device_of_a_group_that_the_node_lacks_is_refused_before_anything_is_made(node, run, check):
    result = run(check=check, devices=[{"path": "/dev/missing", "group": "render"}])
    assert result["refusal"]["code"] == "no_device"
    assert node.writes() == []


@pytest.mark.parametrize("check", [True, False])
def test_a_container_is_not_stopped_for_a_restart_that_a_lost_device_would_not_let_it_come_back_from(node, run, check, monkeypatch):
    run(devices=[{"path": "/dev/a"}, {"path": "/dev/b"}])
    monkeypatch.setattr(UTILS + "_lxc_devices._is_device", lambda path: path != "/dev/b")
    node.forget_calls()
    result = run(devices=[{"path": "/dev/a", "gid": 5}, {"path": "/dev/b"}], check=check)
    assert result["refusal"]["code"] == "no_device"
    assert "this node has no device /dev/b" in result["msg"]
    assert node.writes() == []
    node.state["cts"]["100"]["status"] = "stopped"
    assert run(devices=[{"path": "/dev/a"}, {"path": "/dev/b"}], check=check)["refusal"]["code"] == "no_device"


def test_no_group_is_created_for_a_device_that_is_not_there(node, run):
    run()
    node.write(says=SAYS.replace("\ngroup render 993", ""))
    assert run(devices=[{"path": "/dev/missing", "group": "render"}])["refusal"]["code"] == "no_device"
    assert not [call for call in node.calls() if "groupadd" in call]


def test_a_group_that_the_template_lacks_is_created(node, run):
    node.write(says=SAYS.replace("\ngroup render 993", ""))
    result = run(devices=[KFD])
    assert "pct exec 100 -- groupadd --system --force render" in node.calls()
    assert node.config(100)["dev0"] == "/dev/kfd,gid=999"
    assert result["groups"] == {"video": 44, "render": 999}
    assert not run(devices=[KFD])["changed"]
