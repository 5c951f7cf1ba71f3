# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever is planned, the container that comes of it is confined: from wishes to what Proxmox VE is told, with nothing left out.

The planner plans, the role's own templates turn the plan into options, the module makes the container on a pretended node.
"""

import functools
import re
import tempfile
from pathlib import Path
from types import SimpleNamespace

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.psw.ai.plugins.module_utils import _gpu_sysfs, _gpu_verdict, _lxc_guest, _lxc_journal
from ansible_collections.psw.ai.plugins.module_utils._lxc_config import check_devices, parse_device, parse_properties
from ansible_collections.psw.ai.plugins.module_utils._lxc_container import Container
from ansible_collections.psw.ai.plugins.module_utils._lxc_network import check_network
from ansible_collections.psw.ai.plugins.module_utils._lxc_options import CONTAINER_OPTIONS
from ansible_collections.psw.ai.plugins.module_utils._lxc_owner import tags_for
from ansible_collections.psw.ai.plugins.module_utils._pve import Pve
from ansible_collections.psw.ai.plugins.plugin_utils._catalog import Catalog
from ansible_collections.psw.ai.plugins.plugin_utils._errors import PswError
from ansible_collections.psw.ai.plugins.plugin_utils._planner import make_plan
from ansible_collections.psw.ai.plugins.plugin_utils._wishes import with_defaults
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from lab import machines
from tests.unit.plugins.modules import fake_pve

from .conftest import Role

CATALOG = Catalog.load()
VRAM_FLOOR = 7680
HOUSES = 500
# On the node. Inside the container they are others, and those count.
HOST_GIDS = {"video_gid": 44, "render_gid": 104}
ALLOWED = re.compile(r"^(arch|hostname|cores|memory|swap|onboot|startup|description|tags|features|unprivileged|ostype|rootfs|net0|mp\d+|dev\d+)$")
STORAGE = {"storage": "local-lvm", "content": "rootdir,images,vztmpl", "active": 1, "enabled": 1, "avail": 10**15}
TEMPLATE = "local-lvm:vztmpl/debian-13-standard_13.6-1_amd64.tar.zst"


@functools.cache
def usable_machines():
    """Return what gpu_detect says of each fixture machine that psw can use."""
    said = {}
    with tempfile.TemporaryDirectory() as root:
        for name in machines.known():
            machine = machines.load(name)
            laid_out = machines.lay_out(machine, Path(root) / name)
            said[name] = _gpu_verdict.assess(_gpu_sysfs.read_machine(str(laid_out)), VRAM_FLOOR, machine.get("nvidia_smi"))
    return {name: verdict for name, verdict in said.items() if verdict["verdict"]["supported"]}


def record(node, said):
    """Return the record of a node with these cards, as setup-gpu would write it."""
    vendor = said["vendor"]
    first, shared = {
        "nvidia": ("/dev/nvidia%d", ["/dev/nvidiactl", "/dev/nvidia-uvm", "/dev/nvidia-uvm-tools"]),
        "amd": ("/dev/dri/renderD12%d", ["/dev/kfd"]),
        "intel": ("/dev/dri/renderD12%d", []),
    }[vendor]
    cards = [gpu for gpu in said["gpus"] if gpu["address"] in said["selected"]]
    gpus = [{**gpu, "usable_mib": gpu["usable_mib"] or VRAM_FLOOR, "devices": [first % number]} for number, gpu in enumerate(cards)]
    devices = [path for gpu in gpus for path in gpu["devices"]] + shared
    return {"schema": 1, "node": node, "vendor": vendor, "gpus": gpus, vendor: {"devices": devices, **HOST_GIDS}}


wished_storage = st.fixed_dictionaries(
    {"quota": st.sampled_from(["50G", "100G", "2T"])}, optional={"pool": st.sampled_from(["auto", "tank"]), "storage": st.just("local-lvm")}
)
networks = st.fixed_dictionaries(
    {"bridge": st.sampled_from(["vmbr0", "vmbr1"])},
    optional={
        "ip": st.sampled_from(["dhcp", "192.0.2.31/24"]),
        "gateway": st.just("192.0.2.1"),
        "vlan": st.integers(1, 4094),
        "ip6": st.sampled_from(["none", "auto", "dhcp", "2001:db8::31/64"]),
        "gateway6": st.just("2001:db8::1"),
    },
)


@st.composite
def houses(draw):
    """Return (plan, records, facts of the storage role, groups of its containers) of a house that can be planned."""
    nodes = [f"pve{number}" for number in range(1, draw(st.integers(1, 4)) + 1)]
    records = {
        node: record(node, usable_machines()[draw(st.sampled_from(sorted(usable_machines())))]) for node in draw(st.sets(st.sampled_from(nodes), min_size=1))
    }
    wishes = with_defaults(
        {
            "schema": 1,
            "domain": "home.example",
            "nodes": {node: {"host": node} for node in nodes},
            "apps": sorted(draw(st.sets(st.sampled_from(sorted(CATALOG.apps)), min_size=1))),
            "network": {"bridge": draw(st.sampled_from(["vmbr0", "vmbr1"]))},
            "storage": {"models": draw(wished_storage)},
            "gpu": {"vendor": draw(st.sampled_from([None, "nvidia", "amd", "intel"]))},
        }
    )
    try:
        plan = make_plan(wishes, records, CATALOG)
    except PswError:
        assume(False)  # noqa: FBT003 - Hypothesis's own way to say that this is no plan
    for number, target in enumerate(plan["targets"].values()):
        target["network"].update(draw(networks))
        target.update({"vmid": draw(st.integers(100, 400)) * 2 + number} if draw(st.booleans()) else {})
    mount = draw(st.sampled_from([{"source": "/mnt/fast/psw-models"}, {"storage": "local-lvm", "size_gib": 100}]))
    return plan, records, {"zfs_models_mount": {**mount, "target": "/srv/models"}}, {"video": 44, "render": draw(st.sampled_from([105, 992, 993]))}


def options(name, target, records, facts):
    """Return the options that the role gives the module for a target."""
    given = {"inventory_hostname": name, "psw_node": target["node"], "psw_target": target, **facts}
    role = Role("lxc_target", **given, hostvars={node: {"psw_gpu": records.get(node)} for node in {target["node"], *records}})
    task = role.loader.load_from_file(str(role.folder / "tasks/container.yml"), trusted_as_template=True)[0]["psw.ai.lxc_container"]
    values = {key: role.templar.template(value) for key, value in task.items() if key != "waiting"}
    checked = ArgumentSpecValidator(CONTAINER_OPTIONS).validate({**values, "authorized_keys": ["ssh-ed25519 AAAA me"], "node": "pve1"})
    assert checked.error_messages == []
    return checked.validated_parameters


def make(params, gids):
    """Make the container on a pretended node and return its configuration."""
    says = ["address 192.0.2.31", "address 2001:db8::31", "host_key ssh-ed25519 AAAA", "ssh listens", *(f"group {name} {gid}" for name, gid in gids.items())]
    state = {"node": "pve1", "cts": {}, "resources": [], "storages": [STORAGE], "volumes": [TEMPLATE], "tasks": [], "calls": [], "failures": []}
    state["says"] = "\n".join(says)
    module = SimpleNamespace(
        get_bin_path=lambda name: name if name in fake_pve.PROGRAMS else None,
        run_command=lambda argv, data=None, **_more: fake_pve.run(state, argv, data),
    )
    params |= {"tags": tags_for(params["hostname"], params["tags"]), "network": check_network(params["network"])}
    params["devices"] = check_devices(params["devices"])
    result = Container(Pve(module, "pve1"), params, check_mode=False).present()
    again = Container(Pve(module, "pve1"), params, check_mode=False).present()
    assert (result["changed"], result["restarted"], again["changed"]) == (True, False, False)
    assert not [call for call in state["calls"] if call[:2] == ["pct", "set"] and any("lxc." in word for word in call)]
    return state["cts"][str(result["vmid"])]["config"]


@pytest.fixture
def whole_node(monkeypatch, tmp_path):
    utils = "ansible_collections.psw.ai.plugins.module_utils."
    monkeypatch.setattr(utils + "_lxc_devices._is_device", lambda _path: True)
    monkeypatch.setattr(utils + "_lxc_mounts._has_directory", lambda _path: True)
    monkeypatch.setattr(_lxc_guest, "stale_mounts", lambda _mounts, _guest: [])
    monkeypatch.setattr(utils + "_pve.CONFIG", str(tmp_path / "%s.conf"))
    monkeypatch.setattr(_lxc_journal, "DIRECTORY", str(tmp_path))


def hold(house):
    """Look at every container of a house, and return the vendors of their cards."""
    plan, records, facts, gids = house
    for name, target in plan["targets"].items():
        config = make(options(name, target, records, facts), gids)
        assert config["unprivileged"] == "1"
        assert config["features"] == "nesting=1"
        assert [key for key in config if not ALLOWED.match(key)] == []  # neither AppArmor nor cgroups nor anything else of LXC's own
        devices = [parse_device(text) for key, text in config.items() if key.startswith("dev")]
        planned = records[target["node"]] if target["gpu"] else None
        foreign = {path for gpu in planned["gpus"] if gpu["address"] not in target["gpu"]["addresses"] for path in gpu["devices"]} if planned else set()
        assert sorted(device["path"] for device in devices) == sorted(set(planned[planned["vendor"]]["devices"]) - foreign if planned else [])
        in_group = bool(planned) and planned["vendor"] != "nvidia"
        assert {(device["uid"], device["gid"], device["mode"]) for device in devices} <= {(0, gids["render"], "0660") if in_group else (0, 0, "0666")}
        mounts = [parse_properties(text, "volume") for key, text in config.items() if key.startswith("mp")]
        assert {mount["mp"] for mount in mounts} == ({"/srv/models"} if target["datasets"] else set())
        assert all(mount.get("replicate") == "0" if mount["volume"].startswith("/") else mount["backup"] == "0" for mount in mounts)
        assert int(target.get("vmid", 0)) in {0, *(int(number) for number in re.findall(r"-(\d+)-disk-0", config["rootfs"]))}
    return {target["gpu"]["vendor"] for target in plan["targets"].values() if target["gpu"]}


@pytest.mark.usefixtures("whole_node")
def test_every_container_of_every_plan_is_confined():
    held = []  # houses that cannot be planned count for nothing

    @settings(max_examples=HOUSES, deadline=None, derandomize=True)
    @given(house=houses())
    def look(house):
        held.append(hold(house))

    look()
    assert len(held) >= HOUSES
    assert set().union(*held) == {"nvidia", "amd", "intel"}
