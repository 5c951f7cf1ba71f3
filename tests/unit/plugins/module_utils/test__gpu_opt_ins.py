# SPDX-License-Identifier: GPL-3.0-or-later
"""AMD cards that the engine's ROCm build has no kernels for count only by the user's word."""

import pytest
from ansible_collections.psw.ai.plugins.module_utils._gpu_verdict import accepted_gfx, judge, verdict

FLOOR = 7680
VULKAN = accepted_gfx("vulkan")


def card(gfx, **more):
    gpu = {
        "address": "0000:03:00.0", "id": "1002:73df", "name": "Radeon RX 6700 XT", "vendor": "amd", "arch": "RDNA2", "gfx": gfx, "integrated": False,
        "driver": "amdgpu", "vram_mib": 12288, "usable_mib": 12288, "vram_source": "sysfs", "vms": [], "reserved": None, "vfio": False,
    }  # fmt: skip
    return {**gpu, **more}


def reason(gfx, accepted, **more):
    return judge([card(gfx, **more)], FLOOR, "enabled", accepted)[0]["reason"]


@pytest.mark.parametrize("gfx", ["gfx1031", "gfx906", "gfx803", None])
def test_without_a_word_of_the_user_such_a_card_is_refused(gfx):
    assert reason(gfx, accepted_gfx()) == "unsupported_arch"


@pytest.mark.parametrize(
    ("gfx", "override", "code"),
    [
        ("gfx1031", "10.3.0", "ok"),
        ("gfx1032", "10.3.0", "ok"),
        ("gfx1031", "11.0.0", "unsupported_arch"),
        ("gfx906", "10.3.0", "unsupported_arch"),
        ("gfx1010", "10.3.0", "unsupported_arch"),
        ("gfx1100", "10.3.0", "ok"),
    ],
)
def test_an_override_lets_relatives_of_its_own_generation_in_and_no_others(gfx, override, code):
    assert reason(gfx, accepted_gfx("rocm", override)) == code


@pytest.mark.parametrize("gfx", ["gfx906", "gfx1010", "gfx803", None])
def test_vulkan_needs_no_gfx_target(gfx):
    assert reason(gfx, VULKAN) == "ok"


def test_vulkan_needs_the_driver_that_it_is_written_for():
    assert reason(None, VULKAN, driver="radeon") == "unsupported_arch"


@pytest.mark.parametrize(
    ("change", "code"),
    [({"vms": ["VM 105"]}, "vfio_bound"), ({"integrated": True}, "integrated_only"), ({"usable_mib": 6144}, "below_vram_floor")],
)
def test_the_users_word_is_about_gfx_targets_alone(change, code):
    assert reason("gfx906", VULKAN, **change) == code


def hint(gfx):
    return verdict(judge([card(gfx)], FLOOR, "disabled"), FLOOR)[0]["hint"]


def test_the_refusal_says_which_words_the_user_has():
    assert "as a relative that it supports, with gpu: {gfx_override: 10.3.0}, or without ROCm, with gpu: {backend: vulkan}. Or: Put in" in hint("gfx1031")
    assert "in psw.yml: without ROCm, with gpu: {backend: vulkan}. Or: Put in" in hint("gfx906")
