# SPDX-License-Identifier: GPL-3.0-or-later
"""What may be in a container's configuration, whatever is planned for it."""

import random
import re

import pytest
from ansible_collections.psw.ai.plugins.module_utils._errors import PswModuleError
from ansible_collections.psw.ai.plugins.module_utils._lxc_config import check_devices, parse_device, parse_properties, render_device, render_properties, views
from ansible_collections.psw.ai.plugins.module_utils._lxc_mounts import growth
from ansible_collections.psw.ai.plugins.module_utils._lxc_plan import plan
from ansible_collections.psw.ai.plugins.module_utils._pve_storage import newest

ALLOWED = re.compile(r"^(hostname|cores|memory|swap|onboot|startup|description|tags|features|net0|mp\d+|dev\d+)$")


def random_params(dice):
    """Return options as the module gets them after Ansible has filled in the defaults."""
    devices = dice.sample(["/dev/nvidia0", "/dev/nvidiactl", "/dev/nvidia-uvm", "/dev/kfd", "/dev/dri/renderD128", "/dev/net/tun"], dice.randint(0, 6))
    mounts = [
        {
            "source": f"/tank/{name}",
            "target": f"/srv/{name}",
            "read_only": dice.random() < 0.5,
            "options": dice.choice([None, ["noatime", "nodev"]]),
        }
        for name in dice.sample(["models", "media", "data"], dice.randint(0, 3))
    ]
    return {
        "hostname": dice.choice(["psw-ai", "psw-core"]),
        "cores": dice.randint(1, 64),
        "memory_mib": dice.randint(256, 1 << 20),
        "swap_mib": dice.choice([0, 512]),
        "onboot": dice.random() < 0.5,
        "startup_order": dice.choice([None, 20]),
        "description": "Kept by psw.",
        "tags": dice.choice([["psw"], ["ai", "psw"]]),
        "network": {
            "bridge": dice.choice(["vmbr0", "vmbr1"]),
            "ip": dice.choice(["dhcp", "192.0.2.5/24"]),
            "gateway": dice.choice([None, "192.0.2.1"]),
            "vlan": dice.choice([None, 7]),
            "ip6": dice.choice([None, "auto", "dhcp", "2001:db8::5/64"]),
            "gateway6": dice.choice([None, "2001:db8::1"]),
            "firewall": dice.choice([None, True, False]),
        },
        "mounts": dice.choice([None, mounts]),
        "devices": [{"path": path, "gid": dice.choice([0, 44, 993]), "mode": dice.choice(["0660", "0666"])} for path in devices],
    }


@pytest.mark.parametrize("seed", range(500))
def test_every_plan_renders_to_a_confined_container_and_is_stable(seed):
    params = random_params(random.Random(seed))
    devices = check_devices(params["devices"])
    config, deletions, where = plan({}, {}, params, devices)
    assert deletions == []
    assert all(ALLOWED.match(key) for key in config)
    assert config["features"] == "nesting=1"
    assert "unprivileged" not in config  # stands in the create command, for good: test_lxc_container.py
    passed = [parse_device(config[key]) for key in config if key.startswith("dev")]
    assert sorted(device["path"] for device in passed) == sorted(device["path"] for device in params["devices"]) == sorted(where)
    assert {device["path"]: device["gid"] for device in passed} == {device["path"]: device["gid"] for device in params["devices"]}
    assert {config[key].partition(",")[0] for key in config if key.startswith("mp")} == {mount["source"] for mount in params["mounts"] or []}
    shuffled = {**params, "mounts": params["mounts"] and params["mounts"][::-1]}
    assert plan(config, config, shuffled, devices[::-1])[:2] == ({}, [])


@pytest.mark.parametrize("text", ["/dev/kfd", "/dev/kfd,gid=993", "/dev/a,gid=1,uid=2,mode=0666,deny-write=1"])
def test_a_device_entry_survives_reading_and_writing(text):
    assert render_device(parse_device(text)) == text


def test_a_property_string_survives_reading_and_writing():
    text = "/tank/models,mp=/srv/models,replicate=0"
    assert render_properties(parse_properties(text, "volume"), "volume") == text


def test_pending_rows_give_what_runs_and_what_will():
    rows = [
        {"key": "cores", "value": 2},
        {"key": "dev0", "value": "/dev/a", "pending": "/dev/a,gid=5"},
        {"key": "dev1", "value": "/dev/b", "delete": 1},
        {"key": "dev2", "pending": "/dev/c"},
    ]
    assert views(rows) == ({"cores": "2", "dev0": "/dev/a", "dev1": "/dev/b"}, {"cores": "2", "dev0": "/dev/a,gid=5", "dev2": "/dev/c"})


def test_the_last_free_device_number_is_the_end():
    full = {f"dev{number}": f"/dev/x{number}" for number in range(256)}
    params = {**random_params(random.Random(1)), "mounts": None}
    with pytest.raises(PswModuleError, match="no free device entry left"):
        plan({**full, "dev0": "/dev/a"}, {}, params, check_devices([{"path": f"/dev/y{number}"} for number in range(1)]))


@pytest.mark.parametrize(
    ("rootfs", "wanted", "size"),
    [
        ("local-zfs:subvol-100-disk-0,size=8G", 16, "16G"),
        ("local-zfs:subvol-100-disk-0,size=16G", 16, None),
        ("a:b,size=1T", 16, None),
        ("a:b,size=8192M", 16, "16G"),
        ("a:b", 16, None),
    ],
)
def test_a_root_disk_only_grows(rootfs, wanted, size):
    assert growth(rootfs, wanted) == size


def test_the_newest_template_is_told_by_numbers_not_by_letters():
    names = [f"local:vztmpl/debian-13-standard_13.{minor}_amd64.tar.zst" for minor in ("9-1", "10-1", "1-2")]
    assert newest([*names, "local:vztmpl/debian-12-standard_12.99-1_amd64.tar.zst"], "debian-13-standard") == names[1]
    assert newest(names, "ubuntu-26.04-standard") is None
