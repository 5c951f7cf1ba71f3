"""The `zfs` and `zpool` commands over a state in a scratch directory; nothing is mounted."""

import json

import pytest

from lab.pve import zfs, zfsstate, zpool

MACHINE = {
    "pools": [{"name": "tank", "devices": ["nvme0n1"], "size_gib": 928, "used_gib": 12}, {"name": "rpool", "devices": ["sda3", "sdb3"], "vdev": "mirror"}]
}


@pytest.fixture(autouse=True)
def scratch(tmp_path, monkeypatch):
    (tmp_path / "machine.json").write_text(json.dumps(MACHINE), encoding="utf-8")
    monkeypatch.setattr(zfsstate, "HOME", tmp_path)
    monkeypatch.setattr(zfsstate, "STATE", tmp_path / "zfs.json")
    monkeypatch.setattr(zfsstate, "MACHINE", tmp_path / "machine.json")


@pytest.fixture
def run(capsys):
    def call(program, *words):
        code = {"zfs": zfs, "zpool": zpool}[program].main(list(words))
        said = capsys.readouterr()
        return code, said.out, said.err

    return call


def create(run, name, **properties):
    options = [word for key, value in properties.items() for word in ("-o", f"{key}={value}")]
    assert run("zfs", "create", "-u", *options, name) == (0, "", "")


def test_a_dataset_reads_back_what_it_was_made_with(run):
    create(run, "tank/models", recordsize="1M", compression="off", quota="100G", mountpoint="/tank/models")
    _, out, _ = run("zfs", "get", "-Hp", "-o", "property,value,source", "recordsize,quota,atime,mounted", "tank/models")
    assert out == "recordsize\t1048576\tlocal\nquota\t107374182400\tlocal\natime\ton\tdefault\nmounted\tno\t-\n"


def test_a_child_inherits_and_says_from_where(run):
    create(run, "tank/models", recordsize="1M", quota="100G", mountpoint="/srv/m")
    create(run, "tank/models/small")
    _, out, _ = run("zfs", "get", "-H", "-o", "value,source", "recordsize,quota,mountpoint", "tank/models/small")
    assert out == "1M\tinherited from tank/models\nnone\tdefault\n/srv/m/small\tinherited from tank/models\n"


def test_options_may_stand_together(run):
    assert run("zfs", "list", "-Hpo", "name", "-t", "filesystem")[1] == "rpool\nrpool/ROOT\nrpool/ROOT/pve-1\nrpool/data\ntank\n"


def test_a_quota_limits_what_is_available(run):
    create(run, "tank/models", quota="100G")
    _, out, _ = run("zfs", "list", "-Hp", "-o", "available", "tank/models")
    assert int(out) == (100 << 30) - (96 << 10)


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["create", "tank"], 1, "cannot create 'tank': dataset already exists\n"),
        (["create", "tank/a/b"], 1, "cannot create 'tank/a/b': parent does not exist\n"),
        (["create", "nope/x"], 1, "cannot create 'nope/x': no such pool 'nope'\n"),
        (["list", "tank/nope"], 1, "cannot open 'tank/nope': dataset does not exist\n"),
        (["set", "quota=1K", "tank"], 1, "cannot set property for 'tank': size is less than current used or reserved space\n"),
        (["get", "colour", "tank"], 2, "bad property list: invalid property 'colour'\nFor more info, run: zfs help get\n"),
        (["destroy", "rpool/ROOT"], 1, "cannot destroy 'rpool/ROOT': filesystem has children\nuse '-r' to destroy the following datasets:\nrpool/ROOT/pve-1\n"),
        (["frob"], 2, "unrecognized command 'frob'\n"),
    ],
)
def test_what_zfs_refuses_is_refused_in_its_words(run, words, code, said):
    assert run("zfs", *words) == (code, "", said)


def test_a_refused_change_changes_nothing(run):
    run("zfs", "set", "atime=off", "recordsize=3M", "tank")
    assert run("zfs", "get", "-H", "-o", "value", "atime", "tank")[1] == "on\n"


def test_a_snapshot_pins_its_dataset(run):
    create(run, "tank/models")
    assert run("zfs", "snapshot", "tank/models@weekly")[0] == 0
    assert run("zfs", "snapshot", "tank/models@weekly")[2].startswith("cannot create snapshot 'tank/models@weekly': dataset already exists")
    assert run("zfs", "list", "-H", "-t", "snapshot", "-o", "name")[1] == "tank/models@weekly\n"
    assert run("zfs", "destroy", "tank/models")[0] == 1
    assert run("zfs", "destroy", "-r", "tank/models")[0] == 0
    assert run("zfs", "list", "-H", "-o", "name", "-t", "all", "-r", "tank")[1] == "tank\n"


def test_the_json_of_a_list_has_openzfs_shape(run):
    shown = json.loads(run("zfs", "list", "-j", "-p", "-o", "name,used,mountpoint", "tank")[1])
    assert shown["output_version"] == {"command": "zfs list", "vers_major": 0, "vers_minor": 1}
    assert shown["datasets"]["tank"]["type"] == "FILESYSTEM"
    assert shown["datasets"]["tank"]["properties"]["mountpoint"] == {"value": "/tank", "source": {"type": "DEFAULT", "data": "-"}}
    assert shown["datasets"]["tank"]["properties"]["used"]["value"] == str((12 << 30) + (96 << 10))


def test_the_json_of_a_status_names_every_leaf_by_its_path(run):
    pools = json.loads(run("zpool", "status", "-j", "-P", "-L")[1])["pools"]
    mirror = pools["rpool"]["vdevs"]["rpool"]["vdevs"]["mirror-0"]
    assert mirror["vdev_type"] == "mirror"
    assert [leaf["path"] for leaf in mirror["vdevs"].values()] == ["/dev/sda3", "/dev/sdb3"]
    assert pools["tank"]["vdevs"]["tank"]["vdevs"]["/dev/nvme0n1"]["state"] == "ONLINE"


def test_a_machine_without_pools_says_so(run, tmp_path):
    (tmp_path / "machine.json").write_text("{}", encoding="utf-8")
    assert run("zpool", "list") == (0, "no pools available\n", "")
    assert run("zfs", "list")[2] == "no datasets available\n"
