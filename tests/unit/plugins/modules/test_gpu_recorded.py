# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""gpu_recorded on fixture machines: what is not as recorded is a refusal that says what was found, what is recorded, and what to do."""

import pytest

from lab import machines

CARD = {"address": "0000:01:00.0", "id": "10de:2882", "name": "GeForce RTX 4060"}
RECORD = {"vendor": "nvidia", "gpus": [CARD], "nvidia": {"driver_version": "580.159.04", "kernel_modules": "open"}}
AMD = {"vendor": "amd", "gpus": [{"address": "0000:03:00.0", "id": "1002:744c", "name": "Radeon RX 7900 XTX"}], "amd": {"gfx": "gfx1100"}}


@pytest.fixture
def said(run_module, tmp_path):
    """Return a function that gives what the module says of a fixture machine, whose files may be changed before."""

    def run(name, record, *, check=False, version=None):
        root = machines.lay_out(machines.load(name), tmp_path)
        if version:
            (root / "proc/driver/nvidia").mkdir(parents=True, exist_ok=True)
            (root / "proc/driver/nvidia/version").write_text(f"NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  {version}  Release Build\n")
        return run_module("gpu_recorded", check=check, record=record, node="pve1", root=str(root))

    return run


def test_a_node_that_is_as_recorded_is_let_pass(said):
    assert said("rtx_4060_with_the_driver_loaded", RECORD, version="580.159.04") == {"changed": False}


def test_an_amd_node_that_is_as_recorded_is_let_pass(said):
    assert said("rx_7900_xtx", AMD) == {"changed": False}


@pytest.mark.parametrize("check", [False, True], ids=["in a real run", "in check mode"])
def test_another_driver_is_refused_with_both_versions_and_what_to_do(said, check):
    assert said("rtx_4060_with_the_driver_loaded", RECORD, check=check, version="580.178.04")["refusal"] == {
        "code": "module_version",
        "message": "NVIDIA driver 580.178.04 is loaded on pve1, and 580.159.04 is recorded",
        "hint": "run: psw node setup-gpu pve1, which puts the recorded one back; with --driver-version 580.178.04 it records the one that is there",
    }


def test_a_driver_of_a_branch_that_psw_may_not_know_is_not_offered_to_be_recorded(said):
    hint = said("rtx_4060_with_the_driver_loaded", RECORD, version="550.163.01")["refusal"]["hint"]
    assert hint == "run: psw node setup-gpu pve1, which puts the recorded one back"


def test_the_libraries_fit_either_flavour_of_the_module(said):
    proprietary = {**RECORD, "nvidia": {**RECORD["nvidia"], "kernel_modules": "proprietary"}}
    assert said("rtx_4060_with_the_driver_loaded", proprietary, version="580.159.04") == {"changed": False}


def test_a_node_whose_driver_is_not_loaded_is_refused(said):
    refusal = said("rtx_4060_with_the_driver_loaded", RECORD)["refusal"]
    assert (refusal["code"], refusal["message"]) == ("module_not_loaded", "no NVIDIA driver is loaded on pve1, and 580.159.04 is recorded")


@pytest.mark.parametrize(
    ("address", "number", "found"),
    [
        ("0000:05:00.0", "1002:744c", "(0000:05:00.0) is recorded for pve1, there is nothing"),
        ("0000:03:00.0", "1002:7550", "(0000:03:00.0) is recorded for pve1, there is another device (1002:744c)"),
    ],
    ids=["gone", "replaced"],
)
def test_a_card_that_is_not_at_its_place_is_refused_whoever_made_it(said, address, number, found):
    refusal = said("rx_7900_xtx", {**AMD, "gpus": [{"address": address, "id": number, "name": "the card"}]})["refusal"]
    assert (refusal["code"], refusal["message"]) == ("card_gone", f"where the card {found}")


def test_a_record_from_before_ids_were_recorded_fits_any_card(said):
    assert said("rx_7900_xtx", {**AMD, "gpus": [{"address": "0000:03:00.0"}]}) == {"changed": False}
