"""Proxmox VE's container config files, read and written."""

import pytest

from lab.pve.conf import parse, properties, render

TEXT = """\
#made by psw
arch: amd64
cores: 2
dev0: /dev/nvidia0,mode=0666
features: nesting=1
hostname: psw-ai
net0: name=eth0,bridge=vmbr0,hwaddr=BC:24:11:72:23:7E,ip=dhcp,type=veth
onboot: 1
lxc.cgroup2.cpu.weight: 50

[pve:pending]
delete: dev1
dev0: /dev/nvidia0,mode=0600
"""


def test_a_file_that_is_read_and_written_stays_the_same():
    assert render(*parse(TEXT)) == TEXT


def test_a_pending_delete_is_a_key_without_value():
    config, pending, raw = parse(TEXT)
    assert pending == {"dev1": None, "dev0": "/dev/nvidia0,mode=0600"}
    assert config["cores"] == 2
    assert config["description"] == "made by psw\n"
    assert raw == [("lxc.cgroup2.cpu.weight", "50")]


def test_snapshots_are_not_taken_for_the_config():
    assert parse("cores: 2\n\n[before]\ncores: 8\n")[0] == {"cores": 2}


@pytest.mark.parametrize(
    ("text", "key", "expected"),
    [
        ("/dev/nvidia0,gid=44,mode=0660", "path", {"path": "/dev/nvidia0", "gid": "44", "mode": "0660"}),
        ("path=/dev/kfd", "path", {"path": "/dev/kfd"}),
        ("/tank/models,mp=/srv/models,ro=1", "volume", {"volume": "/tank/models", "mp": "/srv/models", "ro": "1"}),
    ],
)
def test_a_first_part_without_a_key_belongs_to_the_default_key(text, key, expected):
    assert properties(text, key) == expected
