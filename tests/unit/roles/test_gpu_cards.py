# SPDX-License-Identifier: GPL-3.0-or-later
"""The script that has containers keep their own cards, run over boots of a node that is a directory."""

import importlib.util
import json
import os
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[3] / "roles/gpu_cards/files/psw-gpu-cards.py"
A, B, C = "0000:01:00.0", "0000:02:00.0", "0000:41:00.0"
NVIDIA, RADEON = "10de:2503", "1002:744c"
# Changes a container's entries as Proxmox VE does while the container is stopped. $BROKEN is how a node without a quorum answers.
PCT = """#!/bin/sh
[ -z "$BROKEN" ] || { echo "cluster not ready - no quorum?" >&2; exit 2; }
file=$CONFIGS/$2.conf; shift 2
while [ $# -gt 0 ]; do
    case $1 in
        --delete) for key in $(echo "$2" | tr , ' '); do sed -i "/^$key:/d" "$file"; done ;;
        *) sed -i "s|^${1#--}: .*|${1#--}: $2|" "$file" ;;
    esac
    shift 2
done
"""


@pytest.fixture
def script():
    spec = importlib.util.spec_from_file_location("psw_gpu_cards", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.PATIENCE = 0
    return module


class Node:
    """A node whose cards can be put elsewhere between two boots."""

    def __init__(self, script, root):
        self.script, self.root, self.configs = script, root, root / "etc/pve/lxc"
        self.configs.mkdir(parents=True)

    def has(self, **cards):
        """Say which cards are there, as name=(address, id, minor of NVIDIA or render node)."""
        for directory in ("sys/bus/pci/devices", "proc/driver/nvidia/gpus"):
            for path in sorted((self.root / directory).rglob("*"), reverse=True):
                path.rmdir() if path.is_dir() else path.unlink()
        for address, kind, name in cards.values():
            place = self.root / "sys/bus/pci/devices" / address
            place.mkdir(parents=True)
            for file, text in (("class", "0x030000"), ("vendor", "0x" + kind[:4]), ("device", "0x" + kind[5:])):
                (place / file).write_text(text)
            if isinstance(name, int):
                about = self.root / "proc/driver/nvidia/gpus" / address
                about.mkdir(parents=True)
                (about / "information").write_text(f"Model: X\nDevice Minor: \t {name}\n")
            else:
                (place / "drm" / name).mkdir(parents=True)

    def container(self, vmid, *lines, tags="psw;psw.ai"):
        (self.configs / f"{vmid}.conf").write_text("".join(f"{line}\n" for line in (f"tags: {tags}", *lines)))

    def devices(self, vmid):
        return [line for line in (self.configs / f"{vmid}.conf").read_text().splitlines() if line.startswith("dev")]

    def boot(self):
        return self.script.main(str(self.root))


@pytest.fixture
def node(script, tmp_path, monkeypatch):
    (tmp_path / "pct").write_text(PCT)
    (tmp_path / "pct").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("CONFIGS", str(tmp_path / "node/etc/pve/lxc"))
    return Node(script, tmp_path / "node")


@pytest.fixture
def two(node):
    """A node with two cards of one kind, each in a container of its own, that has booted once."""
    node.has(a=(A, NVIDIA, 0), b=(B, NVIDIA, 1))
    node.container(101, "dev0: /dev/nvidia0,mode=0666", "dev1: /dev/nvidiactl,mode=0666")
    node.container(102, "dev0: /dev/nvidia1,mode=0666", "dev1: /dev/nvidiactl,mode=0666")
    assert node.boot() == 0
    return node


def test_a_boot_like_the_last_one_changes_nothing(two):
    before = {path: path.read_bytes() for path in two.root.rglob("*") if path.is_file()}
    assert two.boot() == 0
    assert {path: path.read_bytes() for path in two.root.rglob("*") if path.is_file()} == before
    assert two.devices(101) == ["dev0: /dev/nvidia0,mode=0666", "dev1: /dev/nvidiactl,mode=0666"]


def test_cards_that_changed_names_stay_with_their_containers(two):
    two.has(a=(A, NVIDIA, 1), b=(B, NVIDIA, 0))
    assert two.boot() == 0
    assert (two.devices(101)[0], two.devices(102)[0]) == ("dev0: /dev/nvidia1,mode=0666", "dev0: /dev/nvidia0,mode=0666")
    assert two.boot() == 0
    assert two.devices(101) == ["dev0: /dev/nvidia1,mode=0666", "dev1: /dev/nvidiactl,mode=0666"]


def test_render_nodes_of_amd_and_intel_follow_their_cards_in_either_spelling(node):
    node.has(a=(A, RADEON, "renderD128"), b=(B, "8086:e20b", "renderD129"))
    node.container(101, "dev0: path=/dev/dri/renderD128,gid=993", "dev1: /dev/kfd,gid=993")
    node.boot()
    node.has(a=(A, RADEON, "renderD129"), b=(B, "8086:e20b", "renderD128"))
    assert node.boot() == 0
    assert node.devices(101) == ["dev0: path=/dev/dri/renderD129,gid=993", "dev1: /dev/kfd,gid=993"]


def test_a_container_of_somebody_elses_is_left_alone(two):
    two.container(103, "dev0: /dev/nvidia0", tags="mine")
    two.container(104, "dev0: /dev/nvidia0", tags="psw-fan")
    two.has(a=(A, NVIDIA, 1), b=(B, NVIDIA, 0))
    assert two.boot() == 0
    assert two.devices(103) == two.devices(104) == ["dev0: /dev/nvidia0"]


def test_cards_whose_slots_were_numbered_anew_keep_their_order(two):
    two.has(a=("0000:03:00.0", NVIDIA, 1), b=("0000:04:00.0", NVIDIA, 0))
    assert two.boot() == 0
    assert (two.devices(101)[0], two.devices(102)[0]) == ("dev0: /dev/nvidia1,mode=0666", "dev0: /dev/nvidia0,mode=0666")


def test_nobody_gets_a_card_that_is_not_theirs(two, capsys):
    two.has(b=(B, NVIDIA, 0))
    assert two.boot() == 0
    assert two.devices(101) == ["dev1: /dev/nvidiactl,mode=0666"]
    assert two.devices(102)[0] == "dev0: /dev/nvidia0,mode=0666"
    assert "container 101: dev0 was /dev/nvidia0,mode=0666, is removed, as its card is gone" in capsys.readouterr().out


def test_the_entry_of_a_card_that_is_gone_waits_for_it_while_nobody_has_its_name(two):
    two.has(a=(A, NVIDIA, 0))
    assert two.boot() == 0
    assert two.devices(102)[0] == "dev0: /dev/nvidia1,mode=0666"
    two.has(a=(A, NVIDIA, 1), b=(B, NVIDIA, 0))
    assert two.boot() == 0
    assert (two.devices(101)[0], two.devices(102)[0]) == ("dev0: /dev/nvidia1,mode=0666", "dev0: /dev/nvidia0,mode=0666")


def test_a_boot_without_a_quorum_is_made_up_for_by_the_next_one(two, monkeypatch, capsys):
    two.has(a=(A, NVIDIA, 1), b=(B, NVIDIA, 0))
    monkeypatch.setenv("BROKEN", "yes")
    assert two.boot() == 1
    assert "container 101 may start with another card than its own: cluster not ready - no quorum?" in capsys.readouterr().err
    monkeypatch.delenv("BROKEN")
    assert two.boot() == 0
    assert (two.devices(101)[0], two.devices(102)[0]) == ("dev0: /dev/nvidia1,mode=0666", "dev0: /dev/nvidia0,mode=0666")
    assert json.loads((two.root / "var/lib/psw/gpu-cards.json").read_text())["owed"] == {}


def test_a_boot_that_was_cut_off_half_way_swaps_nothing_twice(two, monkeypatch, script):
    two.has(a=(A, NVIDIA, 1), b=(B, NVIDIA, 0))
    real = script.carry_out

    def dies(vmid, changed, deadline):
        if vmid == "102":
            raise KeyboardInterrupt
        real(vmid, changed, deadline)
        raise KeyboardInterrupt  # changed, and not yet written down

    monkeypatch.setattr(script, "carry_out", dies)
    with pytest.raises(KeyboardInterrupt):
        two.boot()
    monkeypatch.setattr(script, "carry_out", real)
    assert two.boot() == 0
    assert (two.devices(101)[0], two.devices(102)[0]) == ("dev0: /dev/nvidia1,mode=0666", "dev0: /dev/nvidia0,mode=0666")


def test_what_is_owed_and_what_came_since_add_up(two, monkeypatch):
    monkeypatch.setenv("BROKEN", "yes")
    two.has(a=(A, NVIDIA, 1), b=(B, NVIDIA, 0))
    assert two.boot() == 1
    monkeypatch.delenv("BROKEN")
    two.has(a=(A, NVIDIA, 2), b=(B, NVIDIA, 0))
    assert two.boot() == 0
    assert (two.devices(101)[0], two.devices(102)[0]) == ("dev0: /dev/nvidia2,mode=0666", "dev0: /dev/nvidia0,mode=0666")


def test_an_entry_that_waits_for_the_next_start_is_the_one_that_counts(script):
    config = "tags: psw\ndev0: /dev/nvidia1\n\n[pve:pending]\ndev0: /dev/nvidia0,mode=0666\n\n[before-upgrade]\ndev0: /dev/nvidia7\n"
    assert script.changes(config, {"/dev/nvidia0": "/dev/nvidia3"}, {}) == {"dev0": ["/dev/nvidia0,mode=0666", "/dev/nvidia3,mode=0666"]}


@pytest.mark.parametrize("waiting", ["delete: dev0", "delete: mp0,!dev0"])
def test_an_entry_that_waits_for_its_removal_is_not_given_back(script, waiting):
    config = f"tags: psw\ndev0: /dev/nvidia0\ndev1: /dev/nvidia1\n\n[pve:pending]\n{waiting}\n"
    assert script.changes(config, {"/dev/nvidia0": "/dev/nvidia3", "/dev/nvidia1": "/dev/nvidia0"}, {}) == {"dev1": ["/dev/nvidia1", "/dev/nvidia0"]}


def test_a_state_that_cannot_be_read_starts_afresh(two):
    (two.root / "var/lib/psw/gpu-cards.json").write_text("{")
    assert two.boot() == 0
    assert set(json.loads((two.root / "var/lib/psw/gpu-cards.json").read_text())["cards"]) == {A, B}
