# SPDX-License-Identifier: GPL-3.0-or-later
"""The script that makes NVIDIA's device nodes at boot, run with a driver that is files."""

import os
import subprocess

# As the driver writes it: names are padded with tabs.
INFORMATION = "Model: \t\t NVIDIA GeForce RTX 3060\nIRQ:   \t\t 150\nBus Location: \t 0000:01:00.0\nDevice Minor: \t {minor}\nGPU Excluded:\t No\n"
NOTED = '#!/bin/sh\necho "${0##*/} $*" >>"$CALLS"\n'


def test_each_card_gets_the_node_of_its_own_minor_number(role, tmp_path):
    nvidia = role("gpu_nvidia")
    nvidia.variables.update({"__gpu_nvidia_version": "580.159.04", "__gpu_nvidia_cdi_spec": str(tmp_path / "spec.yaml")})
    text = nvidia.template("psw-nvidia.sh.j2").replace("/proc/driver/nvidia", str(tmp_path)).replace("/run/cdi", str(tmp_path))
    for address, minor in (("0000:01:00.0", 0), ("0000:41:00.0", 12)):
        (tmp_path / "gpus" / address).mkdir(parents=True)
        (tmp_path / "gpus" / address / "information").write_text(INFORMATION.format(minor=minor))
    for name in ("modprobe", "nvidia-modprobe", "nvidia-smi", "nvidia-ctk"):
        (tmp_path / name).write_text(NOTED)
        (tmp_path / name).chmod(0o755)
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "CALLS": str(tmp_path / "calls")}
    subprocess.run(["sh", "-c", text], env=environment, check=True)
    made = [line for line in (tmp_path / "calls").read_text().splitlines() if line.startswith("nvidia-modprobe")]
    assert made == ["nvidia-modprobe -c 0 -u", "nvidia-modprobe -c 12 -u"]
