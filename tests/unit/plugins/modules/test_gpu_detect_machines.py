# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What psw says of every fixture machine: the same ones that the lab brings up as nodes."""

import pytest
from ansible_collections.psw.ai.plugins.module_utils import _gpu_sysfs, _gpu_table, _gpu_verdict, _gpu_words

from lab import machines

FLOOR = 7680
CODES = {"ok", "no_gpu", *_gpu_words.SENTENCES}


@pytest.fixture(scope="module", params=machines.known())
def machine(request):
    return machines.load(request.param)


@pytest.fixture(scope="module")
def said(machine, tmp_path_factory):
    found = _gpu_sysfs.read_machine(str(machines.lay_out(machine, tmp_path_factory.mktemp(machine["name"]))))
    return _gpu_verdict.assess(found, FLOOR, machine.get("nvidia_smi"))


def test_the_verdict_is_that_of_a_careful_person(machine, said):
    expected = machine["expect"]
    assert (said["verdict"]["code"], said["selected"]) == (expected["code"], expected["selected"])
    assert said["verdict"]["supported"] == (expected["code"] == "ok") == (said["vendor"] is not None)


def test_every_gpu_is_found_and_judged_and_nothing_else_is_taken_for_one(machine, said):
    assert {gpu["address"]: [gpu["reason"], gpu["usable_mib"], gpu["vram_source"]] for gpu in said["gpus"]} == machine["expect"]["gpus"]


def test_the_warnings_are_those_that_matter_and_no_more(machine, said):
    expected = machine["expect"]["warnings"]
    assert len(said["warnings_found"]) == len(expected), said["warnings_found"]
    for words in expected:
        assert any(words in warning for warning in said["warnings_found"]), words


def test_a_refusal_names_the_card_and_a_next_step(machine, said):
    verdict = said["verdict"]
    if verdict["code"] == "ok":
        assert verdict["hint"] == ""
        assert all(f"({address})" in verdict["message"] for address in said["selected"])
    else:
        assert verdict["hint"].endswith((".", "!"))
        assert verdict["code"] == "no_gpu" or any(f"{gpu['name']} ({gpu['address']})" in verdict["message"] for gpu in said["gpus"])
    for words in machine["expect"].get("says", []):
        assert words in verdict["message"]


def test_secure_boot_is_what_the_firmware_and_the_boot_loader_say(machine, said):
    assert said["secure_boot"] == machine["expect"].get("secure_boot", machine["secure_boot"])


def test_the_machines_cover_every_code_and_every_family_of_the_catalogue(tmp_path):
    codes, families = set(), set()
    for name in machines.known():
        described = machines.load(name)
        found = _gpu_sysfs.read_machine(str(machines.lay_out(described, tmp_path / name)))
        codes.add(described["expect"]["code"])
        families |= {(gpu["vendor"], gpu["arch"], gpu["integrated"]) for gpu in _gpu_verdict.assess(found, FLOOR)["gpus"]}
    vendors = {"10de": "nvidia", "1002": "amd", "8086": "intel"}
    known = {(vendors[pci_id[:4]], arch, integrated) for pci_id, (_name, arch, _gfx, _sizes, integrated) in _gpu_table.CARDS.items()}
    assert codes == CODES
    assert sorted(known - families) == []
    assert ("nvidia", "before Maxwell", False) in families
