# SPDX-License-Identifier: GPL-3.0-or-later
"""What a GPU's driver tells of its memory."""

import pytest
from ansible_collections.psw.ai.plugins.module_utils import _gpu_memory as memory

GIB = 1 << 30


@pytest.fixture
def machine(tmp_path):
    """A machine whose files are these."""

    def make(files):
        for path, text in files.items():
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path).write_text(str(text), encoding="utf-8")
        return str(tmp_path)

    return make


def amd(address, used, total, gtt=0):
    home = f"sys/bus/pci/devices/{address}"
    return {f"{home}/mem_info_vram_used": used, f"{home}/mem_info_vram_total": total, f"{home}/mem_info_gtt_used": gtt}


TWO = "00000000:01:00.0, 704\n00000000:0A:00.0, 4\n"


@pytest.mark.parametrize(("addresses", "mib"), [(None, 708), (["0000:0a:00.0"], 4), (["0000:01:00.0", "0000:0a:00.0"], 708), (["0000:05:00.0"], 708)])
def test_nvidia_smi_is_asked_for_the_cards_that_are_meant_and_for_all_where_slots_were_numbered_anew(monkeypatch, addresses, mib):
    monkeypatch.setattr(memory, "_smi", lambda: TWO)
    assert memory.in_use("nvidia", addresses, 0) == {"source": "nvidia-smi", "mib": mib}


@pytest.mark.parametrize("said", ["", "No devices were found\n", "00000000:01:00.0, [N/A]\n"])
def test_a_driver_that_tells_nothing_is_no_witness(monkeypatch, said):
    monkeypatch.setattr(memory, "_smi", lambda: said)
    assert memory.in_use("nvidia", None, 0) is None


def test_a_program_that_is_not_there_or_fails_tells_nothing(monkeypatch):
    for command in (["psw-no-such-program"], ["false"]):
        monkeypatch.setattr(memory, "_SMI", command)
        assert memory.in_use("nvidia", None, 0) is None


def test_amdgpu_tells_it_in_sysfs(machine):
    root = machine({**amd("0000:03:00.0", 2 * GIB, 24 * GIB, gtt=GIB), **amd("0000:0a:00.0", 27 << 20, 24 * GIB)})
    assert memory.in_use("amd", ["0000:03:00.0"], 2048, root) == {"source": "sysfs", "mib": 2048}
    assert memory.in_use("amd", None, 2048, root) == {"source": "sysfs", "mib": 2075}


def test_an_apu_lends_main_memory_for_what_its_own_does_not_hold(machine):
    root = machine(amd("0000:c5:00.0", 400 << 20, 512 << 20, gtt=4 * GIB))
    assert memory.in_use("amd", None, 4096, root) == {"source": "sysfs", "mib": 4496}


def test_a_container_that_sees_no_card_in_sysfs_has_no_witness(machine):
    assert memory.in_use("amd", ["0000:03:00.0"], 2048, machine({})) is None


XE = "pos:\t0\ndrm-driver:\txe\ndrm-client-id:\t{client}\ndrm-pdev:\t0000:03:00.0\ndrm-resident-system:\t512 KiB\ndrm-resident-vram0:\t{held}\n"


def test_intels_drivers_tell_it_with_each_open_file_and_a_client_counts_once(machine):
    files = {"proc/41/fdinfo/7": XE.format(client=5, held="2097152 KiB"), "proc/41/fdinfo/8": XE.format(client=5, held="2097152 KiB")}
    root = machine({**files, "proc/42/fdinfo/3": XE.format(client=6, held="10 MiB"), "proc/42/fdinfo/4": "pos:\t0\nflags:\t02\n"})
    assert memory.in_use("intel", None, 0, root) == {"source": "fdinfo", "mib": 2058}


def test_i915_calls_a_cards_own_memory_local():
    assert memory.parse_fdinfo("drm-client-id: 9\ndrm-resident-local0: 4096 KiB\ndrm-resident-stolen-local0: 8 KiB\n") == ((None, "9"), 4096)


def test_where_no_open_file_is_a_cards_there_is_no_witness(machine):
    assert memory.in_use("intel", None, 0, machine({"proc/1/fdinfo/0": "pos:\t0\n"})) is None
