# SPDX-License-Identifier: GPL-3.0-or-later
"""Who else wants a card: VMs, and the settings of vfio-pci."""

import pytest
from ansible_collections.psw.ai.plugins.module_utils._gpu_claims import CMDLINE, claimed_by, claims, reservations
from ansible_collections.psw.ai.plugins.module_utils._gpu_text import secure_boot_state

ADDRESS = "0000:0a:00.0"
MAPPINGS = """\
big_gpu
\tdescription the one for games
\tmap id=10de:2684,iommugroup=20,node=pve1,path=0000:0A:00.0;0000:0a:00.1
\tmap id=10de:2684,node=pve2,path=0000:0b:00.0

small_gpu
\tmap id=10de:2503,node=pve1,path=0000:0c:00
"""


@pytest.mark.parametrize(
    "value",
    ["0a:00.0", "0A:00", "0000:0a:00", "host=0a:00,pcie=1", "pcie=1,host=0000:0a:00.0", "0b:00.0;0a:00.0", "mapping=big_gpu,pcie=1", "0a:00.0,mdev=nvidia-63"],
)
def test_a_vm_may_list_a_card_in_every_way_pve_allows(value):
    found = claims({"105": f"name: win\nhostpci0: {value}\n"}, MAPPINGS, "pve1")
    assert claimed_by(ADDRESS, found) == ["VM 105 (win)"]


@pytest.mark.parametrize("value", ["0b:00.0", "0a:00.1", "1:0a:00.0", "mapping=small_gpu", "mapping=none", "0a:01"])
def test_other_devices_are_no_claim_to_the_card(value):
    assert claimed_by(ADDRESS, claims({"105": f"hostpci0: {value}\n"}, MAPPINGS, "pve1")) == []


def test_a_mapping_counts_on_its_own_node_alone_also_when_the_node_says_its_whole_name():
    vms = {"105": "hostpci0: mapping=big_gpu\n"}
    assert claimed_by(ADDRESS, claims(vms, MAPPINGS, "pve1.home.example")) == ["VM 105"]
    assert claimed_by(ADDRESS, claims(vms, MAPPINGS, "pve2")) == []


@pytest.mark.parametrize(("section", "holders"), [("PENDING", ["VM 105 (win)"]), ("before_update", []), ("special:cloudinit", [])])
def test_a_pending_change_is_a_claim_and_a_snapshot_is_none(section, holders):
    assert claimed_by(ADDRESS, claims({"105": f"name: win\n\n[{section}]\nname: other\nhostpci0: 0a:00\n"})) == holders


def test_a_comment_is_no_claim():
    assert claims({"105": "#hostpci0: 0a:00\n"}) == []


def test_every_vm_that_lists_a_card_is_named_once_and_in_order():
    vms = {"1002": "name: b\nhostpci0: 0a:00\n", "101": "name: a\nhostpci0: 0a:00.0\nhostpci1: 0a:00.0\n"}
    assert claimed_by(ADDRESS, claims(vms)) == ["VM 101 (a)", "VM 1002 (b)"]


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("options vfio-pci ids=10de:2503,10DE:228e disable_vga=1", {"10de:2503", "10de:228e"}),
        ("options vfio_pci disable_vga=1 ids=10de:2204:1462:3884", {"10de:2204"}),
        ("# options vfio-pci ids=10de:2503", set()),
        ("options vfio-pci disable_vga=1", set()),
        ("options nvidia ids=10de:2503", set()),
        ("softdep nouveau pre: vfio-pci", set()),
    ],
)
def test_the_settings_of_vfio_name_what_it_takes_at_boot(text, ids):
    assert reservations({"/etc/modprobe.d/vfio.conf": f"{text}\n"}, "") == dict.fromkeys(ids, "/etc/modprobe.d/vfio.conf")


def test_the_kernel_command_line_sets_cards_aside_too():
    assert reservations({}, "quiet intel_iommu=on vfio-pci.ids=10de:2503 iommu=pt") == {"10de:2503": CMDLINE}


@pytest.mark.parametrize(
    ("variable", "shim", "state"),
    [
        (b"\x06\0\0\0\x01", None, "enabled"),
        (b"\x06\0\0\0\0", None, "disabled"),
        (b"\x06\0\0\0\x01", b"\x06\0\0\0\x01", "disabled"),
        (b"\x06\0\0\0\x01", b"\x06\0\0\0\0", "enabled"),
        (b"\x06\0\0\0\x01", b"\x07\0\0\0\x01", "enabled"),
        (b"\x06\0\0\0", None, "unknown"),
        (b"\x06\0\0\0\x02", None, "unknown"),
        (None, None, "unknown"),
    ],
)
def test_secure_boot_is_what_the_kernel_makes_of_the_variables(variable, shim, state):
    """A non-volatile MokSBStateRT (attribute 1) could have been written by anyone, and counts for nothing."""
    assert secure_boot_state(efi=True, variable=variable, shim=shim) == state


def test_without_efi_there_is_no_secure_boot():
    assert secure_boot_state(efi=False, variable=b"\x06\0\0\0\x01") == "unsupported"
