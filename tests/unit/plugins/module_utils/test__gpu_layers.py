# SPDX-License-Identifier: GPL-3.0-or-later
"""Which layer is named when a GPU does not do the work."""

import pytest
from ansible_collections.psw.ai.plugins.module_utils._gpu_layers import broken

VERSION = "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.159.04  Release Build  (dvs-builder@U22)\n"
RIGHT = {
    "proc/driver/nvidia/version": VERSION,
    "dev/nvidia0": "",
    "dev/nvidiactl": "",
    "dev/nvidia-uvm": "",
    "usr/lib/x86_64-linux-gnu/libcuda.so.580.159.04": "",
    "etc/cdi/nvidia.yaml": "hostPath: /usr/lib/x86_64-linux-gnu/libcuda.so.580.159.04\n",
}


def target(tmp_path, files):
    for path, text in files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    return str(tmp_path)


@pytest.mark.parametrize(
    ("change", "layer"),
    [
        ({"proc/driver/nvidia/version": None}, "module: the node's kernel has no NVIDIA module loaded; run psw node setup-gpu"),
        ({"dev/nvidia0": None}, "node or gid: /dev/nvidia* cannot be used in this container; a converge passes them through"),
        ({"dev/nvidia-uvm": None}, "node or gid: /dev/nvidia-uvm cannot be used in this container; a converge passes them through"),
        (
            {"usr/lib/x86_64-linux-gnu/libcuda.so.580.159.04": None, "usr/lib/x86_64-linux-gnu/libcuda.so.580.82.07": ""},
            "userspace: the driver is 580.159.04, but its libraries here are 580.82.07; a converge installs the ones that match",
        ),
        (
            {"usr/lib/x86_64-linux-gnu/libcuda.so.580.159.04": None},
            "userspace: the driver is 580.159.04, but its libraries here are missing; a converge installs the ones that match",
        ),
        ({"etc/cdi/nvidia.yaml": None}, "CDI: there is no /etc/cdi/nvidia.yaml; see: systemctl status psw-nvidia-cdi"),
        (
            {"etc/cdi/nvidia.yaml": "hostPath: /usr/lib/x86_64-linux-gnu/libcuda.so.580.82.07\n"},
            "CDI: /etc/cdi/nvidia.yaml was made for another driver than 580.159.04; run: systemctl restart psw-nvidia-cdi ollama",
        ),
    ],
)
def test_the_first_broken_layer_of_an_nvidia_card_is_named(tmp_path, change, layer):
    files = {path: text for path, text in {**RIGHT, **change}.items() if text is not None}

    assert broken("nvidia", root=target(tmp_path, files)) == f"The layer that is wrong is the {layer}"


def test_a_target_that_has_another_card_than_the_first_is_whole(tmp_path):
    files = {**RIGHT, "dev/nvidia3": ""}
    del files["dev/nvidia0"]

    assert broken("nvidia", root=target(tmp_path, files)).startswith("Driver, device nodes, userspace and CDI look right")


def test_when_everything_looks_right_it_is_the_app(tmp_path):
    assert broken("nvidia", root=target(tmp_path, RIGHT)) == ("Driver, device nodes, userspace and CDI look right, so it is the app; see: journalctl -u ollama")


@pytest.mark.parametrize(
    ("vendor", "backend", "node"),
    [
        ("amd", None, "/dev/kfd, /dev/dri/renderD*"),
        ("amd", "rocm", "/dev/kfd, /dev/dri/renderD*"),
        ("amd", "vulkan", "/dev/dri/renderD*"),
        ("intel", None, "/dev/dri/renderD*"),
    ],
)
def test_missing_nodes_of_other_vendors_are_named(tmp_path, vendor, backend, node):
    assert (
        broken(vendor, backend, str(tmp_path))
        == f"The layer that is wrong is the node or gid: {node} cannot be used in this container; a converge passes them through"
    )
