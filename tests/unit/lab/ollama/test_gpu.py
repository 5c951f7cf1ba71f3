# SPDX-License-Identifier: GPL-3.0-or-later
"""A model is on the GPU only where the real engine could put it there."""

import errno
import os

import pytest
from standin import gpu
from standin.settings import Settings

VERSION = "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.159.04  Release Build  (dvs-builder@U22)  Tue Jun  9 2026\nGCC version:  gcc\n"


@pytest.fixture
def machine(tmp_path):
    """A container in which everything fits."""
    (tmp_path / "dev").mkdir()
    for node in (*gpu.NODES, "dev/nvidia0"):
        (tmp_path / node).symlink_to("/dev/null")
    libraries = tmp_path / "usr/lib/x86_64-linux-gnu"
    libraries.mkdir(parents=True)
    (libraries / "libcuda.so.580.159.04").touch()
    (libraries / "libcuda.so.1").symlink_to("libcuda.so.580.159.04")
    driver = tmp_path / "proc/driver/nvidia"
    card = driver / "gpus/0000:01:00.0"
    card.mkdir(parents=True)
    (driver / "version").write_text(VERSION, encoding="utf-8")
    (card / "information").write_text("Model: \t\t NVIDIA GeForce RTX 3060\nGPU UUID: \t GPU-11\n", encoding="utf-8")
    (card / "lab").write_text("memory_mib: 12288\ncompute: 8.6\n", encoding="utf-8")
    return tmp_path


def test_a_gpu_counts_where_everything_fits(machine):
    device = gpu.find(Settings(), machine).device
    assert device == gpu.Device("CUDA", "GPU-11", "NVIDIA GeForce RTX 3060", "8.6", "580.159.04", "0000:01:00.0", 12288 << 20)


@pytest.mark.parametrize("node", [*gpu.NODES, "dev/nvidia0"])
def test_a_missing_device_node_is_named(machine, node):
    (machine / node).unlink()
    assert gpu.find(Settings(), machine) == gpu.Found(None, f"{machine / node}: No such file or directory")


def test_a_container_that_has_only_the_second_card_uses_that(machine):
    gpus = machine / "proc/driver/nvidia/gpus"
    (gpus / "0000:02:00.0").mkdir()
    (gpus / "0000:02:00.0/information").write_text("Model: \t\t NVIDIA Tesla P40\nDevice Minor: \t 1\n", encoding="utf-8")
    (machine / "dev/nvidia0").rename(machine / "dev/nvidia1")
    device = gpu.find(Settings(), machine).device
    assert (device.pci_id, device.name) == ("0000:02:00.0", "NVIDIA Tesla P40")


def test_the_lab_may_leave_a_card_less_memory_and_have_nobody_see_what_is_on_it(machine):
    (machine / "run/psw-lab").mkdir(parents=True)
    (machine / gpu.GPU_MIB).write_text("100\n", encoding="utf-8")
    (machine / gpu.UNSEEN).touch()
    device = gpu.find(Settings(), machine).device
    assert (device.total, device.seen) == (100 << 20, False)


def test_a_plain_file_is_no_device(machine):
    (machine / "dev/nvidia0").unlink()
    (machine / "dev/nvidia0").touch()
    assert gpu.find(Settings(), machine).reason == "/nvidia0 is no device"


@pytest.mark.parametrize(("code", "usable"), [(errno.ENXIO, True), (errno.EACCES, False), (errno.EPERM, False)])
def test_a_node_without_hardware_counts_and_one_without_permission_does_not(machine, monkeypatch, code, usable):
    def refuse(*_):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(gpu.os, "open", refuse)
    assert (gpu.find(Settings(), machine).device is not None) is usable


def test_a_missing_library_is_named_as_the_loader_names_it(machine):
    (machine / "usr/lib/x86_64-linux-gnu/libcuda.so.1").unlink()
    assert gpu.find(Settings(), machine).reason == "libcuda.so.1: cannot open shared object file: No such file or directory"


def test_a_library_of_another_version_than_the_kernels_driver_is_a_mismatch(machine):
    (machine / "proc/driver/nvidia/version").write_text(VERSION.replace("580.159.04", "580.142"), encoding="utf-8")
    reason = "system has unsupported display driver / cuda driver combination: library 580.159.04, kernel module 580.142"
    assert gpu.find(Settings(), machine) == gpu.Found(None, reason)


def test_without_the_kernels_driver_there_is_no_gpu(machine):
    (machine / "proc/driver/nvidia/version").unlink()
    assert gpu.find(Settings(), machine).reason == "the NVIDIA kernel module is not loaded"


def test_the_driver_may_show_itself_where_the_lab_mounts_it(machine):
    (machine / "run/psw-lab").mkdir(parents=True)
    (machine / "proc/driver").rename(machine / "run/psw-lab/driver")
    assert gpu.find(Settings(), machine).device is not None


@pytest.mark.parametrize("settings", [Settings(llm_library="cpu_avx2"), Settings(visible_devices=""), Settings(visible_devices="-1")])
def test_whoever_asks_for_the_cpu_gets_it(machine, settings):
    assert gpu.find(settings, machine).device is None


def test_the_lab_can_force_the_cpu(machine):
    (machine / "run/psw-lab").mkdir(parents=True)
    (machine / gpu.FORCE_CPU).touch()
    assert gpu.find(Settings(), machine) == gpu.Found(None, "the lab forces the CPU")


@pytest.mark.parametrize(
    ("text", "version"),
    [
        (VERSION, "580.159.04"),
        ("NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.163.01  Tue Apr  8 12:41:17 UTC 2025\n", "550.163.01"),
        ("nothing", None),
    ],
)
def test_the_kernels_version_is_read_from_both_kinds_of_module(text, version):
    assert gpu.kernel_version(text) == version


@pytest.fixture
def container(tmp_path):
    """A container of an image with these backends, and with these device nodes."""

    def make(*backends, nodes=()):
        for name in backends:
            (tmp_path / gpu.BACKENDS / name).mkdir(parents=True)
        for node in nodes:
            (tmp_path / node).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / node).symlink_to("/dev/null")
        return tmp_path

    return make


PLAIN, KFD, RENDER = ("cuda_v12", "cuda_v13", "vulkan"), "dev/kfd", "dev/dri/renderD128"


def test_rocm_needs_the_compute_node_and_a_render_node(container):
    assert gpu.find(Settings(), container("rocm_v7_2", nodes=[KFD, RENDER])).device.library == "ROCm"


@pytest.mark.parametrize(("node", "reason"), [(KFD, "no /dev/dri/renderD* here"), (RENDER, "kfd: No such file or directory")])
def test_rocm_with_half_of_its_nodes_names_the_other_half(container, node, reason):
    assert gpu.find(Settings(), container("rocm_v7_2", nodes=[node])).reason.endswith(reason)


def test_the_plain_image_takes_what_is_no_nvidia_card_through_vulkan(container):
    assert gpu.find(Settings(), container(*PLAIN, nodes=[RENDER])).device.library == "Vulkan"


def test_where_vulkan_is_off_the_plain_image_has_only_cuda(container):
    assert gpu.find(Settings(vulkan=False), container(*PLAIN, nodes=[RENDER])).reason.endswith("nvidia0: No such file or directory; OLLAMA_VULKAN=0")


def test_every_backend_of_the_image_says_what_it_lacks(container):
    assert gpu.find(Settings(), container(*PLAIN)).reason.endswith("nvidia0: No such file or directory; no /dev/dri/renderD* here")


def test_the_image_for_rocm_has_no_vulkan(container):
    assert gpu.find(Settings(), container("rocm_v7_2", nodes=[RENDER])).device is None


def test_an_nvidia_card_comes_before_vulkan(machine):
    for name in PLAIN:
        (machine / gpu.BACKENDS / name).mkdir(parents=True)
    (machine / "dev/dri").mkdir()
    (machine / RENDER).symlink_to("/dev/null")
    assert gpu.find(Settings(), machine).device.library == "CUDA"
