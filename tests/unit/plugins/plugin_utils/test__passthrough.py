# SPDX-License-Identifier: GPL-3.0-or-later
"""From a node's GPU record to a container's devices."""

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.psw.ai.plugins.filter.gpu_devices import gpu_devices_filter
from ansible_collections.psw.ai.plugins.plugin_utils._errors import PlanError, Refusal
from ansible_collections.psw.ai.plugins.plugin_utils._passthrough import gpu_devices

from .conftest import AMD, NVIDIA


def test_exactly_the_recorded_devices_pass_open_to_every_app_of_the_container():
    assert gpu_devices(NVIDIA, "pve1") == [
        {"path": "/dev/nvidia0", "uid": 0, "gid": 0, "mode": "0666"},
        {"path": "/dev/nvidiactl", "uid": 0, "gid": 0, "mode": "0666"},
    ]


def test_a_node_without_a_record_is_sent_to_setup():
    with pytest.raises(Refusal, match=r"no GPU is recorded for pve1.*psw node setup-gpu pve1") as refused:
        gpu_devices(None, "pve1")
    assert refused.value.code == "node_not_set_up"


def test_the_kernels_own_nodes_pass_for_the_containers_group_whatever_its_number():
    assert gpu_devices(AMD, "pve1") == [
        {"path": "/dev/kfd", "uid": 0, "group": "render", "mode": "0660"},
        {"path": "/dev/dri/renderD128", "uid": 0, "group": "render", "mode": "0660"},
    ]


TWO = {
    **NVIDIA,
    "gpus": [{"address": "0000:01:00.0", "devices": ["/dev/nvidia1"]}, {"address": "0000:02:00.0", "devices": ["/dev/nvidia0"]}],
    "nvidia": {"driver_version": "580.159.04", "devices": ["/dev/nvidia1", "/dev/nvidia0", "/dev/nvidiactl", "/dev/nvidia-uvm"]},
}


@pytest.mark.parametrize(
    ("addresses", "paths"),
    [
        (["0000:01:00.0"], ["/dev/nvidia1", "/dev/nvidiactl", "/dev/nvidia-uvm"]),
        (["0000:02:00.0"], ["/dev/nvidia0", "/dev/nvidiactl", "/dev/nvidia-uvm"]),
        (["0000:02:00.0", "0000:01:00.0"], ["/dev/nvidia1", "/dev/nvidia0", "/dev/nvidiactl", "/dev/nvidia-uvm"]),
        (None, ["/dev/nvidia1", "/dev/nvidia0", "/dev/nvidiactl", "/dev/nvidia-uvm"]),
    ],
)
def test_a_target_gets_its_own_cards_and_what_all_cards_share(addresses, paths):
    assert [device["path"] for device in gpu_devices(TWO, "pve1", addresses)] == paths


def test_an_amd_card_keeps_the_compute_node_that_all_share():
    cards = [{"address": f"0000:0{number}:00.0", "devices": [f"/dev/dri/renderD12{8 + number}"]} for number in range(2)]
    two = {**AMD, "gpus": cards, "amd": {"gfx": "gfx1100", "devices": ["/dev/dri/renderD128", "/dev/dri/renderD129", "/dev/kfd"]}}
    assert [device["path"] for device in gpu_devices(two, "pve1", ["0000:01:00.0"])] == ["/dev/dri/renderD129", "/dev/kfd"]


def test_a_cards_own_device_says_whose_it_is():
    assert gpu_devices(TWO, "pve1", ["0000:01:00.0"])[:2] == [
        {"path": "/dev/nvidia1", "uid": 0, "gid": 0, "mode": "0666", "card": "0000:01:00.0"},
        {"path": "/dev/nvidiactl", "uid": 0, "gid": 0, "mode": "0666"},
    ]


def test_a_record_from_before_cards_had_devices_of_their_own_gives_all():
    assert gpu_devices(NVIDIA, "pve1", ["0000:01:00.0"]) == gpu_devices(NVIDIA, "pve1")


def test_a_card_that_is_planned_and_no_longer_recorded_is_named():
    with pytest.raises(PlanError, match=r"no card of pve1 is recorded at 0000:09:00\.0.*psw node setup-gpu pve1, and then: psw plan --write"):
        gpu_devices(TWO, "pve1", ["0000:01:00.0", "0000:09:00.0"])


def test_a_record_without_devices_is_not_good_enough():
    with pytest.raises(PlanError, match="the record of pve1 lists no devices"):
        gpu_devices({**NVIDIA, "nvidia": {"branch": "580"}}, "pve1")


def test_the_filter_says_what_is_wrong_in_one_line():
    with pytest.raises(AnsibleFilterError, match=r"^psw\.ai\.gpu_devices: no GPU is recorded for pve1"):
        gpu_devices_filter(None, "pve1")
