# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""gpu_detect on nodes of one and two cards, each test about one rule; test_gpu_detect_machines.py is about whole machines."""

import json
import stat

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.psw.ai.plugins.modules import gpu_detect

from lab import machines
from lab.machines import lay_out


@pytest.fixture
def detect(tmp_path, capsys):
    """Return a function that lays out a machine's files and gives what the module says about them."""

    def run(machine, **options):
        root = tmp_path / "machine" / "tree"
        if machine is not None:
            lay_out(machine, root.parent)
        with patch_module_args({"root": str(root), **options}), pytest.raises(SystemExit):
            gpu_detect.main()
        return json.loads(capsys.readouterr().out)

    return run


def card(device="0x2503", vendor="0x10de", **more):
    return {"address": "0000:01:00.0", "class": "0x030000", "vendor": vendor, "device": device, **more}


def node(*devices, **more):
    return {"kernel": "6.17.2-1-pve", "pci": list(devices), **more}


def smi(tmp_path, script):
    program = tmp_path / "nvidia-smi"
    program.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return str(program)


def test_a_card_without_a_driver_is_described_from_the_table_and_says_so(detect):
    said = detect(machines.load("rtx_3060"))
    assert said["gpus"] == [
        {
            "address": "0000:01:00.0",
            "id": "10de:2503",
            "name": "GeForce RTX 3060",
            "vendor": "nvidia",
            "arch": "Ampere",
            "gfx": None,
            "integrated": False,
            "driver": None,
            "vram_mib": 12288,
            "usable_mib": 12288,
            "vram_source": "table",
            "usable": True,
            "reason": "ok",
            "devices": [],
        }
    ]
    assert said["vendor"] == "nvidia"
    assert said["kernel"] == "6.17.2-1-pve"
    assert said["secure_boot"] == "disabled"
    assert said["warnings_found"] == ["The memory of GeForce RTX 3060 (0000:01:00.0) is estimated from its id: 12288 MiB. The driver will tell."]


@pytest.mark.parametrize(("bound", "module"), [("nouveau", "nouveau"), ("NovaCore", "nova_core"), ("nova-core", "nova_core")])
def test_a_driver_of_the_kernels_own_is_called_as_modprobe_calls_it(detect, bound, module):
    said = detect(node(card(driver=bound)))
    assert said["gpus"][0]["driver"] == module
    assert f"The {module} driver holds GeForce RTX 3060 (0000:01:00.0); NVIDIA's can take it over after a reboot only." in said["warnings_found"]


def test_the_drivers_memory_size_wins_over_the_table(detect, tmp_path):
    program = smi(tmp_path, 'echo "00000000:0A:00.0, NVIDIA GeForce RTX 3060, 12287, 580.159.04"')
    gpu = detect(node(card(address="0000:0a:00.0", driver="nvidia")), nvidia_smi=program)["gpus"][0]
    assert (gpu["vram_mib"], gpu["vram_source"], gpu["name"]) == (12287, "driver", "GeForce RTX 3060")


@pytest.mark.parametrize(
    ("script", "warning"), [("echo no devices; exit 6", "nvidia-smi gave no answer: no devices"), ("kill -9 $$", "nvidia-smi gave no answer: exit code -9")]
)
def test_a_failing_nvidia_smi_is_a_warning_and_the_table_stands_in(detect, tmp_path, script, warning):
    said = detect(node(card(driver="nvidia")), nvidia_smi=smi(tmp_path, script))
    assert warning in said["warnings_found"]
    assert said["gpus"][0]["vram_source"] == "table"


def test_nvidia_smi_that_is_not_there_is_a_warning(detect):
    said = detect(node(card(driver="nvidia")), nvidia_smi="/nonexistent/nvidia-smi")
    assert "/nonexistent/nvidia-smi cannot be run: No such file or directory" in said["warnings_found"]


def test_one_id_for_boards_of_several_sizes_counts_as_the_smallest(detect):
    gpu = detect(node(card("0x2d04")))["gpus"][0]
    assert (gpu["name"], gpu["vram_mib"]) == ("GeForce RTX 5060 Ti", 8192)


@pytest.mark.parametrize(("size", "code"), [("8178", "ok"), ("7680", "ok"), ("7679", "below_vram_floor")])
def test_a_card_sold_as_8_gb_passes_the_floor(detect, tmp_path, size, code):
    program = smi(tmp_path, f'echo "00000000:01:00.0, NVIDIA X, {size}, 580.159.04"')
    assert detect(node(card()), nvidia_smi=program)["verdict"]["code"] == code


def test_the_floor_can_be_set(detect):
    verdict = detect(node(card()), vram_floor_mib=16000)["verdict"]
    assert verdict["message"] == "GeForce RTX 3060 (0000:01:00.0) has 12288 MiB of memory, and 16000 MiB are needed."


def test_a_vm_is_named_when_it_holds_the_card(detect):
    verdict = detect(machines.load("rtx_3090_bound_to_vfio"))["verdict"]
    assert verdict["message"] == "GeForce RTX 3090 (0000:01:00.0) is given to VM 105 (win11), so containers cannot use it."


def test_a_card_that_only_a_snapshot_of_a_vm_lists_is_free(detect):
    vms = {"105.conf": "name: win\n[before]\nhostpci0: 01:00.0\n"}
    assert detect(node(card(), vms=vms))["verdict"]["code"] == "ok"


@pytest.mark.parametrize("value", ["01:00.0", "0000:01:00", "host=01:00,pcie=1", "02:00.0;01:00.0", "0000:01:00.0,mdev=x"])
def test_a_vm_may_write_the_address_in_every_way_pve_allows(detect, value):
    said = detect(node(card(), vms={"105.conf": f"hostpci3: {value}\n"}))
    assert said["gpus"][0]["reason"] == "vfio_bound"


def test_a_mapping_of_another_node_claims_nothing_here(detect):
    machine = machines.load("rtx_4090_claimed_by_a_stopped_vm")
    assert detect({**machine, "mappings": machine["mappings"].replace("node=pve1", "node=another")})["verdict"]["code"] == "ok"


def test_a_vm_comes_before_every_other_reason(detect):
    machine = node(card("0x1c03", driver="vfio-pci"), secure_boot="enabled")
    assert detect(machine)["gpus"][0]["reason"] == "vfio_bound"


def test_too_little_memory_comes_before_secure_boot(detect):
    assert detect(node(card("0x1c03"), secure_boot="enabled"))["gpus"][0]["reason"] == "below_vram_floor"


def test_secure_boot_does_not_concern_amd(detect):
    said = detect(machines.load("rx_7900_xtx"))
    assert (said["secure_boot"], said["verdict"]["code"]) == ("enabled", "ok")


def test_secure_boot_is_unknown_when_its_variable_is_too_short(detect, tmp_path):
    lay_out(node(card()), tmp_path / "machine")
    variable = next((tmp_path / "machine/tree/sys/firmware/efi/efivars").glob("SecureBoot-*"))
    variable.write_bytes(b"\x06\x00")
    assert detect(None)["secure_boot"] == "unknown"


def test_even_memory_goes_to_nvidia(detect):
    amd = card("0x745e", "0x1002", address="0000:02:00.0", files={"mem_info_vram_total": str(12288 * 1024 * 1024), "mem_info_vram_vendor": "samsung"})
    assert detect(node(amd, card()))["vendor"] == "nvidia"


def test_an_unknown_intel_gpu_on_the_root_bus_is_integrated(detect):
    igpu = card("0xffff", "0x8086", address="0000:00:02.0")
    assert detect(node(igpu))["verdict"]["code"] == "integrated_only"


def test_an_unknown_amd_gpu_is_judged_by_the_compute_topology(detect):
    kfd = [{"node": 1, "properties": {"gfx_target_version": 120001, "location_id": 256}}]
    files = {"mem_info_vram_total": "17163091968", "mem_info_vram_vendor": "hynix"}
    gpu = detect(node(card("0xfffe", "0x1002", files=files), kfd=kfd))["gpus"][0]
    assert (gpu["name"], gpu["gfx"], gpu["integrated"], gpu["reason"]) == ("AMD GPU 1002:fffe", "gfx1201", False, "ok")


def test_an_unknown_amd_gpu_without_its_driver_is_refused_with_what_would_tell(detect):
    verdict = detect(node(card("0xfffe", "0x1002")))["verdict"]
    assert (verdict["code"], "modprobe amdgpu" in verdict["hint"]) == ("unsupported_arch", True)


def test_the_audio_half_of_a_card_and_virtual_functions_are_no_gpus(detect, tmp_path):
    lay_out(node(card(), card(address="0000:01:00.1", **{"class": "0x040300"}), card(address="0000:01:00.4")), tmp_path / "machine")
    (tmp_path / "machine/tree/sys/bus/pci/devices/0000:01:00.4/physfn").symlink_to("../0000:01:00.0")
    assert [gpu["address"] for gpu in detect(None)["gpus"]] == ["0000:01:00.0"]


def test_an_empty_tree_is_a_verdict_and_no_traceback(detect):
    assert detect(None)["verdict"]["code"] == "no_gpu"


def test_accelerators_that_are_no_displays_are_gpus(detect):
    gpu = detect(node(card("0x74a1", "0x1002", files={"mem_info_vram_total": "206158430208"}, **{"class": "0x120000"})))["gpus"][0]
    assert (gpu["name"], gpu["reason"]) == ("Instinct MI300X", "ok")


def test_a_refused_node_is_explained_by_its_best_card(detect):
    machine = node(card("0x46d1", "0x8086", address="0000:00:02.0"), card("0x1c82", address="0000:01:00.0"), card("0x1c03", address="0000:02:00.0"))
    assert detect(machine)["verdict"]["message"].startswith("GeForce GTX 1060 6GB (0000:02:00.0) has 6144 MiB")


def nvidia_nodes(root, *names):
    (root / "proc/driver/nvidia/gpus/0000:01:00.0").mkdir(parents=True)
    (root / "proc/driver/nvidia/gpus/0000:01:00.0/information").write_text("Model: \t\t NVIDIA X\nDevice Minor: \t 1\n", encoding="utf-8")
    (root / "dev").mkdir()
    for name in names:
        (root / "dev" / name).touch()


def test_the_device_nodes_of_the_selected_card_are_named(detect, tmp_path):
    root = lay_out(node(card(driver="nvidia")), tmp_path / "machine")
    nvidia_nodes(root, "nvidia0", "nvidia1", "nvidiactl", "nvidia-uvm", "nvidia-uvm-tools", "nvidia-modeset")
    assert detect(None)["devices"] == ["/dev/nvidia1", "/dev/nvidiactl", "/dev/nvidia-uvm", "/dev/nvidia-uvm-tools"]


def test_a_device_node_that_does_not_exist_is_not_named(detect, tmp_path):
    root = lay_out(node(card(driver="nvidia")), tmp_path / "machine")
    nvidia_nodes(root, "nvidia1", "nvidiactl")
    assert detect(None)["devices"] == ["/dev/nvidia1", "/dev/nvidiactl"]


def test_every_card_names_the_device_nodes_that_it_has_for_itself(detect, tmp_path):
    other = card(address="0000:02:00.0", driver="nvidia")
    root = lay_out(node(card(driver="nvidia"), other), tmp_path / "machine")
    nvidia_nodes(root, "nvidia0", "nvidia1", "nvidiactl", "nvidia-uvm")
    (root / "proc/driver/nvidia/gpus/0000:02:00.0").mkdir()
    (root / "proc/driver/nvidia/gpus/0000:02:00.0/information").write_text("Device Minor: \t 0\n", encoding="utf-8")
    assert [gpu["devices"] for gpu in detect(None)["gpus"]] == [["/dev/nvidia1"], ["/dev/nvidia0"]]
    assert detect(None)["devices"] == ["/dev/nvidia1", "/dev/nvidia0", "/dev/nvidiactl", "/dev/nvidia-uvm"]


def test_an_amd_card_needs_its_render_node_and_the_compute_node(detect, tmp_path):
    root = lay_out(machines.load("rx_7900_xtx"), tmp_path / "machine")
    (root / "dev/dri").mkdir(parents=True)
    for name in ("kfd", "dri/renderD128", "dri/renderD129", "dri/card1"):
        (root / "dev" / name).touch()
    assert detect(None)["devices"] == ["/dev/dri/renderD128", "/dev/kfd"]


def test_a_card_that_works_although_vfio_is_told_to_take_it_is_used_with_a_warning(detect):
    said = detect(node(card(driver="nvidia"), cmdline="quiet vfio-pci.ids=10de:2503"))
    assert said["verdict"]["code"] == "ok"
    assert any("the kernel command line sets 10de:2503 aside for VMs" in warning for warning in said["warnings_found"])


def test_a_card_on_the_kernel_command_line_is_freed_without_an_initramfs(detect):
    verdict = detect(node(card(driver="vfio-pci"), cmdline="vfio-pci.ids=10de:2503"))["verdict"]
    assert verdict["message"] == "GeForce RTX 3060 (0000:01:00.0) is set aside for VMs by the kernel command line, so containers cannot use it."
    assert "take 10de:2503 out of the kernel command line; reboot the node; then run this again" in verdict["hint"]


def test_a_card_that_a_script_binds_is_freed_by_undoing_that(detect):
    verdict = detect(node(card(files={"driver_override": "vfio-pci"})))["verdict"]
    assert verdict["message"].endswith("is bound to vfio-pci, which keeps it for a VM, so containers cannot use it.")
    assert "undo what binds it (driverctl list-overrides, or a script that runs at boot); reboot the node" in verdict["hint"]


def test_a_card_that_only_a_stopped_vm_lists_needs_no_reboot(detect):
    assert "reboot" not in detect(machines.load("rtx_4090_claimed_by_a_stopped_vm"))["verdict"]["hint"]


def test_an_unknown_card_is_called_what_its_driver_calls_it(detect, tmp_path):
    root = lay_out(node(card("0x3333", driver="nvidia")), tmp_path / "machine")
    (root / "proc/driver/nvidia/gpus/0000:01:00.0").mkdir(parents=True)
    (root / "proc/driver/nvidia/gpus/0000:01:00.0/information").write_text("Model: \t\t NVIDIA GeForce RTX 6090\n", encoding="utf-8")
    assert detect(None)["gpus"][0]["name"] == "GeForce RTX 6090"


def test_an_unknown_nvidia_part_without_memory_of_its_own_shares_that_of_the_machine(detect, tmp_path):
    program = smi(tmp_path, 'echo "00000000:01:00.0, NVIDIA GB12, [N/A], 580.159.04"')
    gpu = detect(node(card("0x3333", driver="nvidia")), nvidia_smi=program)["gpus"][0]
    assert (gpu["integrated"], gpu["usable_mib"], gpu["vram_source"], gpu["reason"]) == (True, 128000, "sysfs", "ok")


def test_an_npu_of_intel_alone_is_no_gpu(detect):
    npu = card("0x643e", "0x8086", address="0000:00:0b.0", **{"class": "0x120000"})
    assert detect(node(npu))["gpus"] == []
