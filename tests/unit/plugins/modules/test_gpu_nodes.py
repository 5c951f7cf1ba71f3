# SPDX-License-Identifier: GPL-3.0-or-later
"""gpu_nodes: who owns the device nodes, whether they open, and whether the kernel computes on the cards."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from ansible_collections.psw.ai.plugins.module_utils import _gpu_nodes, _gpu_own

MODULE = "gpu_nodes"
NUMBERS = {"video": 44, "render": 993}
CARD = "0000:03:00.0"


@pytest.fixture(autouse=True)
def groups(monkeypatch):
    """The groups that there are; what is taken out of it does not exist."""
    found = dict(NUMBERS)
    monkeypatch.setattr(_gpu_nodes.grp, "getgrnam", lambda name: SimpleNamespace(gr_gid=found[name]))
    return found


@pytest.fixture
def kfd(monkeypatch):
    """The nodes of the compute topology."""
    nodes = ["gfx_target_version 0\nlocation_id 0\n", "gfx_target_version 110000\nlocation_id 768\ndomain 0\n"]
    monkeypatch.setattr(_gpu_nodes, "read_kfd", lambda _root: nodes)
    return nodes


def test_what_opens_is_described(run_module):
    found = run_module(MODULE, devices=["/dev/null"])
    assert found == {"changed": False, "nodes": [{"path": "/dev/null", "gid": Path("/dev/null").stat().st_gid, "mode": "0666"}], "groups": NUMBERS, "gfx": {}}


def test_a_missing_node_is_named(run_module, tmp_path):
    found = run_module(MODULE, devices=["/dev/null", f"{tmp_path}/renderD128"])
    assert found["msg"] == f"node: {tmp_path}/renderD128 cannot be opened: No such file or directory"


def test_a_file_in_the_place_of_a_node_is_no_device(run_module, tmp_path):
    (tmp_path / "kfd").touch()
    assert run_module(MODULE, devices=[f"{tmp_path}/kfd"])["msg"] == f"node: {tmp_path}/kfd is no device"


def test_a_node_of_another_group_than_the_one_here_is_named_with_both_numbers(run_module):
    assert run_module(MODULE, devices=["/dev/null"], group="render")["msg"] == "gid: /dev/null belongs to group 0, and render is 993 here"


def test_a_node_of_the_right_group_passes(run_module, groups):
    groups["render"] = Path("/dev/null").stat().st_gid
    assert "failed" not in run_module(MODULE, devices=["/dev/null"], group="render")


def test_a_group_that_is_not_there_is_named_with_how_to_make_it(run_module, groups):
    del groups["render"]
    assert run_module(MODULE, devices=["/dev/null"], group="render")["msg"] == "gid: there is no group render here; create it with: groupadd --system render"


def test_the_kernel_says_what_a_card_computes(run_module, kfd):
    assert len(kfd) == 2
    assert run_module(MODULE, devices=[], compute=[CARD])["gfx"] == {CARD: "gfx1100"}


def test_a_card_that_the_driver_has_but_the_kernel_cannot_compute_on_is_named(run_module, kfd):
    kfd.pop()
    assert run_module(MODULE, devices=[], compute=[CARD])["msg"].startswith(f"module: amdgpu has the card {CARD}, but cannot compute on it")


def test_check_mode_tells_what_a_step_before_may_heal(run_module, tmp_path):
    found = run_module(MODULE, check=True, devices=[f"{tmp_path}/kfd"])
    assert found == {"changed": False, "problem": f"node: {tmp_path}/kfd cannot be opened: No such file or directory"}


@pytest.mark.parametrize(
    ("address", "nodes"), [("0000:01:00.0", ["/dev/nvidia1", "/dev/dri/renderD129"]), ("0000:03:00.0", ["/dev/dri/renderD128"]), ("0000:09:00.0", [])]
)
def test_a_cards_own_nodes_are_found_by_its_address(tmp_path, address, nodes):
    for path in ("0000:01:00.0/drm/renderD129", "0000:01:00.0/drm/card0", "0000:03:00.0/drm/renderD128"):
        (tmp_path / "sys/bus/pci/devices" / path).mkdir(parents=True)
    (tmp_path / "proc/driver/nvidia/gpus/0000:01:00.0").mkdir(parents=True)
    (tmp_path / "proc/driver/nvidia/gpus/0000:01:00.0/information").write_text("Model: X\nDevice Minor: \t 1\n")
    assert _gpu_own.own(address, str(tmp_path)) == nodes
