# SPDX-License-Identifier: GPL-3.0-or-later
"""The script that makes NVIDIA's device nodes at boot, run with a driver that is files."""

import os
import subprocess

# As the driver writes it: names are padded with tabs.
INFORMATION = "Model: \t\t NVIDIA GeForce RTX 3060\nIRQ:   \t\t 150\nBus Location: \t 0000:01:00.0\nDevice Minor: \t {minor}\nGPU Excluded:\t No\n"
NOTED = '#!/bin/sh\necho "${0##*/} $*" >>"$CALLS"\n'


CARDS = {"0000:01:00.0": 0, "0000:41:00.0": 12}


def boot(role, tmp_path):
    """Run the script and return what it called."""
    nvidia = role("gpu_nvidia")
    nvidia.variables["__gpu_nvidia_plan"] = {"gpus": [{"address": address} for address in CARDS], "driver": {"version": "580.159.04"}}
    nvidia.variables["__gpu_nvidia_cdi_spec"] = str(tmp_path / "spec.yaml")
    text = nvidia.template("psw-nvidia.sh.j2")
    for place in ("/proc/driver/nvidia", "/run/cdi", "/sys/bus/pci"):
        text = text.replace(place, str(tmp_path))
    for address, minor in CARDS.items():
        (tmp_path / "gpus" / address).mkdir(parents=True)
        (tmp_path / "gpus" / address / "information").write_text(INFORMATION.format(minor=minor))
    for name in ("modprobe", "nvidia-modprobe", "nvidia-smi", "nvidia-ctk"):
        (tmp_path / name).write_text(NOTED)
        (tmp_path / name).chmod(0o755)
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "CALLS": str(tmp_path / "calls")}
    subprocess.run(["sh", "-c", text], env=environment, check=True)
    return (tmp_path / "calls").read_text().splitlines()


def test_each_card_gets_the_node_of_its_own_minor_number(role, tmp_path):
    made = [line for line in boot(role, tmp_path) if line.startswith("nvidia-modprobe")]
    assert made == ["nvidia-modprobe -c 0 -u", "nvidia-modprobe -c 12 -u"]


def test_a_card_without_a_driver_is_offered_to_the_drivers(role, tmp_path):
    (tmp_path / "devices/0000:01:00.0/driver").mkdir(parents=True)
    boot(role, tmp_path)
    assert (tmp_path / "drivers_probe").read_text() == "0000:41:00.0\n"
