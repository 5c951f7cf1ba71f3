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


def test_a_record_without_devices_is_not_good_enough():
    with pytest.raises(PlanError, match="the record of pve1 lists no devices"):
        gpu_devices({**NVIDIA, "nvidia": {"branch": "580"}}, "pve1")


def test_the_filter_says_what_is_wrong_in_one_line():
    with pytest.raises(AnsibleFilterError, match=r"^psw\.ai\.gpu_devices: no GPU is recorded for pve1"):
        gpu_devices_filter(None, "pve1")
