# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The GPU catalogue: the table for nodes, and which driver fits which cards."""

import pytest
from ansible_collections.psw.ai.plugins.plugin_utils._errors import CatalogError, Refusal
from ansible_collections.psw.ai.plugins.plugin_utils._gpus import (
    TABLE_FILE,
    choose,
    load_gpus,
    render_table,
    sizes_mib,
)

CATALOGUE = load_gpus()


def detected(vendor="nvidia", **verdict):
    gpu = {
        "address": "0000:01:00.0", "id": "10de:2503", "name": "GeForce RTX 3060", "vendor": vendor, "arch": "Ampere", "gfx": None,
        "integrated": False, "driver": None, "vram_mib": 12288, "usable_mib": 12288, "vram_source": "table", "usable": True, "reason": "ok",
    }  # fmt: skip
    return {
        "gpus": [gpu],
        "vendor": vendor,
        "selected": ["0000:01:00.0"],
        "kernel": "6.17.2-1-pve",
        "verdict": {"supported": True, "code": "ok", "message": "", "hint": "", **verdict},
    }


def test_the_table_that_travels_to_nodes_is_that_of_the_catalogue():
    assert TABLE_FILE.read_text(encoding="utf-8") == render_table(CATALOGUE), "run `make generate`"


def test_every_card_has_a_name_and_an_architecture_that_its_vendor_knows():
    for pci_id, card in CATALOGUE["gpus"].items():
        assert card["name"], pci_id
        assert card["arch"], pci_id
        if pci_id.startswith("10de:"):
            assert card["arch"] in CATALOGUE["nvidia"]["architectures"], pci_id
        if pci_id.startswith("1002:"):
            assert card["gfx"].startswith("gfx"), pci_id


def test_every_card_without_memory_of_its_own_is_integrated():
    assert [pci_id for pci_id, card in CATALOGUE["gpus"].items() if not sizes_mib(card) and not card.get("integrated")] == []


def test_id_blocks_agree_with_every_card_in_the_table():
    blocks = [(int(first, 16), arch) for first, arch in CATALOGUE["nvidia"]["id_blocks"].items()]
    for pci_id, card in CATALOGUE["gpus"].items():
        if pci_id.startswith("10de:"):
            number = int(pci_id[5:], 16)
            assert [arch for first, arch in blocks if first <= number][-1] == card["arch"], pci_id


def test_a_refused_node_is_refused_in_the_words_of_the_verdict():
    with pytest.raises(Refusal) as refused:
        choose(detected(supported=False, code="vfio_bound", message="It belongs to VM 105.", hint="Take it out."), CATALOGUE)
    assert refused.value.as_dict() == {"code": "vfio_bound", "message": "It belongs to VM 105.", "hint": "Take it out."}


def amd(*gfx, driver="amdgpu"):
    found = detected("amd")
    cards = [{**found["gpus"][0], "address": f"0000:0{bus}:00.0", "gfx": name, "driver": driver} for bus, name in enumerate(gfx, 1)]
    return {**found, "gpus": cards}


def test_an_amd_card_needs_the_kernels_own_driver_and_its_firmware():
    assert choose(amd("gfx1100"), CATALOGUE)["driver"] == {
        "modules": ["amdgpu"],
        "firmware": "pve-firmware",
        "backend": "rocm",
        "gfx_override": None,
        "loaded": True,
    }


@pytest.mark.parametrize("driver", [None, "radeon"])
def test_an_amd_card_that_amdgpu_does_not_have_yet_is_not_ready(driver):
    assert not choose(amd("gfx1100", driver=driver), CATALOGUE)["driver"]["loaded"]


def test_an_override_is_for_cards_that_need_one():
    assert choose(amd("gfx1031"), CATALOGUE, gfx_override="10.3.0")["driver"]["gfx_override"] == "10.3.0"
    assert choose(amd("gfx1100"), CATALOGUE, gfx_override="10.3.0")["driver"]["gfx_override"] is None


def test_a_card_that_needs_an_override_makes_room_for_one_that_needs_none():
    chosen = choose(amd("gfx1031", "gfx1100"), CATALOGUE, gfx_override="10.3.0")
    assert [gpu["address"] for gpu in chosen["gpus"]] == ["0000:02:00.0"]
    assert chosen["driver"]["gfx_override"] is None


def test_vulkan_takes_all_amd_cards_as_they_are():
    chosen = choose(amd("gfx906", "gfx1100"), CATALOGUE, backend="vulkan", gfx_override="10.3.0")
    assert len(chosen["gpus"]) == 2
    assert (chosen["driver"]["backend"], chosen["driver"]["gfx_override"]) == ("vulkan", None)


@pytest.mark.parametrize(
    ("arch", "driver", "module", "loaded"),
    [
        ("Xe2-HPG (Battlemage)", None, "xe", False),
        ("Xe-HPG (Alchemist)", None, "i915", False),
        ("Xe-HPG (Alchemist)", "xe", "xe", True),
        ("Xe2-HPG (Battlemage)", "xe", "xe", True),
        (None, None, "xe", False),
    ],
)
def test_an_intel_card_keeps_the_driver_that_has_it_and_else_gets_that_of_its_generation(arch, driver, module, loaded):
    found = detected("intel")
    found["gpus"][0] |= {"arch": arch, "driver": driver}
    assert choose(found, CATALOGUE)["driver"] == {"modules": [module], "firmware": "pve-firmware", "backend": "vulkan", "loaded": loaded}


def test_every_discrete_intel_generation_in_the_table_has_a_driver():
    needed = {card["arch"] for key, card in CATALOGUE["gpus"].items() if key.startswith("8086:") and not card.get("integrated")}
    assert needed == set(CATALOGUE["intel"]["modules"])


def test_the_users_choice_of_vendor_must_be_there():
    with pytest.raises(Refusal, match="no usable GPU of the vendor amd") as refused:
        choose(detected(), CATALOGUE, vendor="amd")
    assert refused.value.code == "no_gpu"


def test_a_card_of_the_vendor_that_was_asked_for_is_refused_for_its_own_reason():
    found = detected()
    locked = {**found["gpus"][0], "address": "0000:02:00.0", "name": "Radeon RX 580", "vendor": "amd", "usable": False, "reason": "unsupported_arch"}
    with pytest.raises(Refusal, match=r"Radeon RX 580 \(0000:02:00.0\) cannot be used: unsupported_arch") as refused:
        choose({**found, "gpus": [*found["gpus"], locked]}, CATALOGUE, vendor="amd")
    assert refused.value.code == "unsupported_arch"
    assert refused.value.hint == "Leave gpu.vendor out, or set it to nvidia."


def test_what_is_chosen_is_described_as_a_record_describes_it():
    assert choose(detected(), CATALOGUE)["gpus"] == [
        {
            "address": "0000:01:00.0",
            "id": "10de:2503",
            "name": "GeForce RTX 3060",
            "arch": "Ampere",
            "integrated": False,
            "vram_mib": 12288,
            "usable_mib": 12288,
            "vram_source": "table",
        }
    ]


def test_a_catalogue_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(CatalogError, match=r"cannot read the GPU catalogue .*/gpus.yml"):
        load_gpus(tmp_path / "gpus.yml")
