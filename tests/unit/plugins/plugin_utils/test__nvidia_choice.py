# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which driver fits which cards, on which kernel, and from where."""

import pytest
from ansible_collections.psw.ai.plugins.plugin_utils._errors import Refusal
from ansible_collections.psw.ai.plugins.plugin_utils._gpus import load_gpus
from ansible_collections.psw.ai.plugins.plugin_utils._nvidia_choice import SOURCES, least_version, nvidia_driver, version_key

CATALOGUE = load_gpus()
RTX_3060 = {"id": "10de:2503", "name": "GeForce RTX 3060", "arch": "Ampere"}
GTX_1080 = {"id": "10de:1b80", "name": "GeForce GTX 1080", "arch": "Pascal"}
RTX_5090 = {"id": "10de:2b85", "name": "GeForce RTX 5090", "arch": "Blackwell"}
GH200 = {"id": "10de:2342", "name": "GH200 120GB", "arch": "Hopper"}


@pytest.mark.parametrize(
    ("cards", "flavour"),
    [
        ([RTX_3060], "open"),
        ([GTX_1080], "proprietary"),
        ([RTX_5090], "open"),
        ([GH200], "open"),
        ([RTX_3060, GTX_1080], "proprietary"),
        ([RTX_3060, RTX_5090], "open"),
    ],
)
def test_the_kernel_modules_fit_all_cards(cards, flavour):
    assert nvidia_driver(cards, "6.17.2-1-pve", CATALOGUE)["kernel_modules"] == flavour


def test_cards_that_need_different_kernel_modules_are_refused():
    with pytest.raises(Refusal, match="GeForce RTX 5090 needs NVIDIA's open kernel modules and GeForce GTX 1080 the proprietary ones") as refused:
        nvidia_driver([RTX_5090, GTX_1080], "6.17.2-1-pve", CATALOGUE)
    assert refused.value.code == "mixed_kernel_modules"


def test_a_card_may_be_pickier_than_its_architecture():
    with pytest.raises(Refusal, match="GH200 120GB needs NVIDIA's open kernel modules"):
        nvidia_driver([GH200, GTX_1080], "6.17.2-1-pve", CATALOGUE)


def test_the_driver_comes_from_the_catalogue():
    assert nvidia_driver([RTX_3060], "6.17.2-1-pve", CATALOGUE) == {
        "branch": "580",
        "version": "580.159.04",
        "source": "run",
        "kernel_modules": "open",
        "toolkit": "1.20.0-1",
        "least_versions": {"7.0": "580.142", "7.1": "580.159.04"},
    }


@pytest.mark.parametrize(
    ("kernel", "least"),
    [
        ("6.12.48+deb13-amd64", None),
        ("7.2+deb14-amd64", "580.159.04"),
        ("6.14.8-2-pve", None),
        ("6.17.2-1-pve", None),
        ("7.0.2-6-pve", "580.142"),
        ("7.1.1-1-pve", "580.159.04"),
        ("7.4.0-1-pve", "580.159.04"),
    ],
)
def test_newer_kernels_need_newer_point_releases(kernel, least):
    assert least_version(CATALOGUE["nvidia"]["branches"]["580"], kernel) == least


def test_a_pinned_version_that_does_not_build_on_the_kernel_is_refused():
    with pytest.raises(Refusal, match=r"NVIDIA driver 580.126.09 does not build on kernel 7.0.2-6-pve; 580.142 is the first that does") as refused:
        nvidia_driver([RTX_3060], "7.0.2-6-pve", CATALOGUE, {"version": "580.126.09"})
    assert refused.value.code == "driver_too_old_for_kernel"


@pytest.mark.parametrize(
    ("kernel", "recorded", "version"),
    [
        ("6.17.2-1-pve", "580.178.04", "580.178.04"),
        ("6.17.2-1-pve", "580.142", "580.142"),
        ("7.1.1-1-pve", "580.142", "580.159.04"),
        ("6.17.2-1-pve", "550.163.01", "580.159.04"),
    ],
)
def test_a_recorded_version_stays_as_long_as_it_serves(kernel, recorded, version):
    assert nvidia_driver([RTX_3060], kernel, CATALOGUE, record={"driver_version": recorded})["version"] == version


def test_a_pinned_version_wins_over_the_recorded_one():
    assert nvidia_driver([RTX_3060], "6.17.2-1-pve", CATALOGUE, {"version": "580.142"}, {"driver_version": "580.178.04"})["version"] == "580.142"


def driver(cards=(RTX_3060,), record=None, **wish):
    return nvidia_driver(cards, "6.17.2-1-pve", CATALOGUE, wish, record)


def refusal(**wish):
    with pytest.raises(Refusal) as refused:
        driver(**wish)
    return refused.value.code, str(refused.value)


def test_a_branch_that_nobody_knows_is_refused_with_those_that_psw_knows():
    assert refusal(version="999.1")[0] == "unknown_driver_branch"
    assert "it knows 580, 590, 595, 610" in refusal(branch="999")[1]


def test_a_branch_that_dropped_a_card_is_refused_with_the_last_one_that_drives_it():
    code, said = refusal(cards=[RTX_3060, GTX_1080], branch="590")
    assert code == "driver_branch_dropped_card"
    assert "590 no longer drives GeForce GTX 1080 (Pascal); 580 is the last that does" in said


def test_the_repository_is_preferred_where_it_carries_the_branch():
    assert driver(branch="590")["source"] == "nvidia_repo"
    assert driver(branch="590", source="auto")["source"] == "nvidia_repo"
    assert driver(branch="590", source="run")["source"] == "run"
    assert driver(branch="580")["source"] == "run"


def test_a_source_that_lacks_the_branch_is_refused_with_what_it_carries():
    code, said = refusal(source="nvidia_repo")
    assert code == "source_lacks_branch"
    assert "repository does not carry driver branch 580; it carries 590, 595, 610" in said


RECORD = {"driver_version": "590.44.01", "source": "run", "kernel_modules": "proprietary"}


def test_branch_source_and_flavour_stay_as_recorded_when_nothing_is_wished_for():
    stays = driver(record=RECORD)
    assert (stays["branch"], stays["version"], stays["source"], stays["kernel_modules"]) == ("590", "590.44.01", "run", "proprietary")


def test_a_recorded_branch_that_dropped_the_card_of_today_does_not_stay():
    assert driver(cards=[GTX_1080], record=RECORD)["version"] == "580.159.04"


def test_a_flavour_may_be_asked_for_where_the_card_takes_both():
    assert driver(kernel_modules="proprietary")["kernel_modules"] == "proprietary"


@pytest.mark.parametrize(("card", "wrong"), [(RTX_5090, "proprietary"), (GTX_1080, "open")])
def test_a_flavour_that_does_not_drive_the_card_is_refused(card, wrong):
    assert refusal(cards=[card], kernel_modules=wrong)[0] == "wrong_kernel_modules"


def test_every_branch_has_a_version_of_its_own_and_known_sources():
    for name, branch in CATALOGUE["nvidia"]["branches"].items():
        assert branch["version"].split(".")[0] == name
        assert branch["sources"]
        assert set(branch["sources"]) <= set(SOURCES)
        # Proxmox VE 9 brings 7.0, and an empty list would mean any kernel.
        assert set(branch["kernels"]) == set(CATALOGUE["nvidia"]["branches"]["580"]["kernels"]) >= {"7.0", "7.1"}
        for least in filter(None, branch["kernels"].values()):
            assert version_key(branch["version"]) >= version_key(least), "the default must build on every kernel that the branch builds on"


@pytest.mark.parametrize(("branch", "kernel"), [("590", "7.0.2-6-pve"), ("590", "7.2.0-1-pve"), ("595", "7.1.1-1-pve")])
def test_a_branch_of_which_no_version_builds_on_the_kernel_is_refused_with_the_way_out(branch, kernel):
    with pytest.raises(Refusal, match=rf"No version of NVIDIA's driver branch {branch} is known to build on kernel {kernel}") as refused:
        nvidia_driver([RTX_3060], kernel, CATALOGUE, {"branch": branch})
    assert (refused.value.code, "--driver-branch 580" in str(refused.value.hint)) == ("driver_too_old_for_kernel", True)


@pytest.mark.parametrize(
    ("branch", "kernel", "version"),
    [("590", "6.17.2-1-pve", "590.48.01"), ("595", "7.0.2-6-pve", "595.58.03"), ("610", "7.1.1-1-pve", "610.43.03")],
)
def test_a_branch_that_builds_on_the_kernel_is_taken(branch, kernel, version):
    assert nvidia_driver([RTX_3060], kernel, CATALOGUE, {"branch": branch})["version"] == version
