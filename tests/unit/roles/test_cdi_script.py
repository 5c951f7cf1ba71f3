# SPDX-License-Identifier: GPL-3.0-or-later
"""The script that describes the GPU to podman in a target, run with a driver and a systemd that are files."""

import os
import subprocess

import pytest

VERSION = "580.159.04"
MODULE = f"NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  {VERSION}  Release Build\n"
SYSTEMCTL = '#!/bin/sh\n[ "$1" != show ] || { echo "basic.target ollama.service"; exit; }\necho "$@" >>"$CALLS"\n'
CTK = '#!/bin/sh\ncp "$CARDS" "${3#--output=}"\n'


class Target:
    """A directory that stands in for a target, with the script pointed at it."""

    def __init__(self, role, path):
        self.path, self.calls, self.cards, self.spec = path, path / "calls", path / "cards", path / "spec.yaml"
        self.cards.write_text("one card\n")
        self.library(VERSION)
        given = {"__gpu_nvidia_version": VERSION, "__gpu_nvidia_cdi_spec": str(self.spec), "__gpu_nvidia_library": str(path / "libcuda.so.1")}
        nvidia = role("gpu_nvidia")
        nvidia.variables.update(given)
        text = nvidia.template("psw-nvidia-cdi.sh.j2").replace("/run/psw", str(path / "run")).replace("/proc/driver/nvidia/version", str(path / "version"))
        (path / "script").write_text(text.replace("/dev/nvidia", f"{path}/nvidia"))
        (path / "version").write_text(MODULE)
        for name in ("nvidiactl", "nvidia-uvm"):
            (path / name).symlink_to("/dev/null")
        for name, program in (("systemctl", SYSTEMCTL), ("nvidia-ctk", CTK)):
            (path / name).write_text(program)
            (path / name).chmod(0o755)

    def library(self, version):
        (self.path / f"libcuda.so.{version}").touch()
        (self.path / "libcuda.so.1").unlink(missing_ok=True)
        (self.path / "libcuda.so.1").symlink_to(f"libcuda.so.{version}")

    def start(self):
        environment = {"PATH": f"{self.path}:{os.environ['PATH']}", "CALLS": str(self.calls), "CARDS": str(self.cards)}
        return subprocess.run(["sh", self.path / "script"], env=environment, check=False, capture_output=True, text=True)

    @property
    def restarted(self):
        return self.calls.read_text().splitlines() if self.calls.exists() else []


@pytest.fixture
def target(role, tmp_path):
    return Target(role, tmp_path)


def test_at_boot_nothing_is_restarted(target):
    assert target.start().returncode == 0
    assert target.spec.read_text() == "one card\n"
    assert target.restarted == []


def test_a_description_that_was_deleted_comes_back_without_a_restart(target):
    target.start()
    target.spec.unlink()
    assert target.start().returncode == 0
    assert target.spec.read_text() == "one card\n"
    assert target.restarted == []


def test_what_changed_restarts_the_services_that_want_it_and_only_once(target):
    target.start()
    target.cards.write_text("another card\n")
    assert "restarting ollama.service" in target.start().stdout
    assert target.restarted == ["--no-block try-restart ollama.service"]
    target.start()
    assert len(target.restarted) == 1


def test_libraries_that_do_not_fit_take_the_description_away_and_their_return_restarts_nothing(target):
    target.start()
    target.library("580.142")
    said = target.start()
    assert (said.returncode, target.spec.exists()) == (1, False)
    assert f"the node runs NVIDIA {VERSION}, this container has 580.142" in said.stderr
    target.library(VERSION)
    assert target.start().returncode == 0
    assert target.restarted == []
