"""Fixture machines, written as the trees of files that the node lays over its own."""

import json

import pytest

from lab import machines
from lab.host import LabError


@pytest.fixture
def written(tmp_path, monkeypatch):
    monkeypatch.setattr(machines, "MACHINES", tmp_path / "none")

    def generate(**machine):
        machines.generate({"name": "m", **machine}, tmp_path / "out")
        return tmp_path / "out/tree/sys"

    return generate


CARD = {"address": "0000:01:00.0", "class": "0x030000", "vendor": "0x10de", "device": "0x2503"}


def test_a_card_is_found_where_the_kernel_shows_it(written):
    sys = written(pci=[{**CARD, "driver": "nouveau", "drm": [{"card": "card0", "render": "renderD128"}]}])
    card = sys / "bus/pci/devices/0000:01:00.0"
    assert (card / "vendor").read_text() == "0x10de\n"
    assert (card / "driver").resolve() == (sys / "bus/pci/drivers/nouveau").resolve()
    assert (sys / "class/drm/renderD128/dev").read_text() == "226:128\n"
    assert (sys / "class/drm/card0/device").resolve() == card.resolve()


def test_lspci_reads_ids_and_class_from_the_config_space(written):
    config = (written(pci=[CARD]) / "bus/pci/devices/0000:01:00.0/config").read_bytes()
    assert config[:4] == bytes.fromhex("de100325")
    assert config[9:12] == bytes.fromhex("000003")


def test_a_card_without_driver_has_no_driver_link(written):
    assert not (written(pci=[CARD]) / "bus/pci/devices/0000:01:00.0/driver").exists()


def test_an_nvme_drive_leads_back_to_its_pci_function(written):
    sys = written(nvme=[{"name": "nvme0", "size_gib": 932, "link_speed": "32.0 GT/s PCIe"}])
    assert (sys / "class/nvme/nvme0/transport").read_text() == "pcie\n"
    assert (sys / "class/nvme/nvme0/device/current_link_speed").read_text() == "32.0 GT/s PCIe\n"
    assert (sys / "block/nvme0n1/queue/rotational").read_text() == "0\n"


@pytest.mark.parametrize(("state", "variable"), [("enabled", b"\x06\x00\x00\x00\x01"), ("disabled", b"\x06\x00\x00\x00\x00")])
def test_secure_boot_is_an_efi_variable(written, state, variable):
    (found,) = (written(secure_boot=state) / "firmware/efi/efivars").glob("SecureBoot-*")
    assert found.read_bytes() == variable


def test_a_machine_that_booted_by_bios_has_no_efi(written):
    assert not (written(secure_boot="unsupported") / "firmware/efi").exists()


def test_every_machine_of_the_lab_can_be_written(tmp_path):
    assert machines.known()
    for name in machines.known():
        machines.generate(machines.load(name), tmp_path / name)
        assert json.loads((tmp_path / name / "machine.json").read_text())["name"] == name


def test_a_misspelt_machine_is_named_with_those_that_exist():
    with pytest.raises(LabError, match=r"no machine called 'rtx_3061' in the lab; known machines: .*rtx_3060"):
        machines.load("rtx_3061")


AMD = {**CARD, "address": "0000:03:00.0", "vendor": "0x1002", "driver": "amdgpu"}
TWO = {
    "name": "two",
    "pci": [
        {**AMD, "drm": [{"card": "card0", "render": "renderD128"}]},
        {**AMD, "address": "0000:04:00.0", "drm": [{"card": "card1", "render": "renderD129"}]},
    ],
    "kfd": [
        {"node": 1, "properties": {"location_id": 768, "drm_render_minor": 128}},
        {"node": 2, "properties": {"location_id": 1024, "drm_render_minor": 129}},
    ],
    "vms": {"101.conf": "name: win\nhostpci0: 03:00\n"},
}


def test_a_card_in_another_slot_is_spoken_of_by_its_new_address_everywhere():
    moved = machines.renamed(TWO, machines.moves(["03:00=05:00"]))
    assert [card["address"] for card in moved["pci"]] == ["0000:05:00.0", "0000:04:00.0"]
    assert [node["properties"]["location_id"] for node in moved["kfd"]] == [1280, 1024]
    assert moved["vms"] == {"101.conf": "name: win\nhostpci0: 05:00\n"}


def test_render_nodes_change_places():
    moved = machines.renamed(TWO, machines.moves(["renderD128=renderD129"]))
    assert [card["drm"][0]["render"] for card in moved["pci"]] == ["renderD129", "renderD128"]
    assert [node["properties"]["drm_render_minor"] for node in moved["kfd"]] == [129, 128]
    assert machines.renamed(moved, machines.moves(["renderD128=renderD129"])) == TWO


@pytest.mark.parametrize("word", ["03:00", "03:00=renderD128", "card0=card1", "=", "renderD128=renderD129=renderD130"])
def test_a_move_that_cannot_be_is_refused(word):
    with pytest.raises(LabError, match=r"--move takes two slots \(01:00=02:00\) or two render nodes"):
        machines.moves([word])


def test_an_amd_card_tells_how_much_of_its_memory_is_used(written):
    sys = written(pci=[{**AMD, "files": {"mem_info_vram_total": "25753026560"}}])
    assert (sys / "bus/pci/devices/0000:03:00.0/mem_info_vram_used").read_text() == f"{27 << 20}\n"
