# SPDX-License-Identifier: GPL-3.0-or-later
"""What apt is told about NVIDIA's driver."""

from ansible_collections.psw.ai.plugins.module_utils._nvidia import PACKAGES


def test_upgrades_leave_every_package_of_the_driver_alone(role):
    assert set(role("gpu_nvidia").value("__gpu_nvidia_driver_patterns").split()) == set(PACKAGES)
