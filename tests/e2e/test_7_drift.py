# SPDX-License-Identifier: GPL-3.0-or-later
"""What somebody changed by hand on a converged node is named by --check --diff, exactly, and healed with the least disturbance.

By default everything is changed at once, and one converge heals it. With PSW_FULL=1 each change gets a converge of its own, too.
"""

import json
import os
import re
from dataclasses import dataclass, field

import pytest

from lab.state import NODE

from .conftest import TREE

pytestmark = pytest.mark.e2e
FULL = bool(os.environ.get("PSW_FULL"))
APPS = {"ollama": "psw-ai", "postgres": "psw-core", "openwebui": "psw-core", "caddy": "psw-core"}
CADDY = "$(podman images --format '{{.Repository}}:{{.Tag}}' docker.io/library/caddy)"
QUADLET = "/etc/containers/systemd/openwebui.container"
LIBRARY = "/usr/lib/x86_64-linux-gnu/libcuda.so"
VERSION, NEWER = "580.159.04", "580.178.04"
INSTALLER = f"https://download.nvidia.com/XFree86/Linux-x86_64/{NEWER}/NVIDIA-Linux-x86_64-{NEWER}.run"


@dataclass(frozen=True)
class Drift:
    """What is done by hand, where, how --diff names it, and what may be restarted to heal it."""

    harm: str
    named: list[str]
    where: str = NODE
    disturbed: set[str] = field(default_factory=set)


DRIFTS = {
    "a device is removed": Drift("pct set VMID --delete dev1", ["+dev1: /dev/nvidiactl,mode=0666"]),
    "a device's mode is changed": Drift(
        "pct set VMID --dev2 /dev/nvidia-uvm,mode=0600", ["-dev2: /dev/nvidia-uvm,mode=0600", "+dev2: /dev/nvidia-uvm,mode=0666"]
    ),
    "the record size is changed": Drift("zfs set recordsize=128K tank/psw-models", ["-recordsize: 131072", "+recordsize: 1048576"]),
    "the container's memory is changed": Drift("pct set VMID --memory 4096", ["-memory: 4096", "+memory: 8704"]),
    "a quadlet is edited": Drift(
        f"sed -i '/^.Container.$/a Environment=EDITED=yes' {QUADLET}", ["-Environment=EDITED=yes"], where="openwebui", disturbed={"openwebui"}
    ),
    # From under its app, which then cannot start again: no unit pulls an image.
    "an image is removed": Drift(
        f"podman rmi -f {CADDY}; timeout 30 sh -c 'until [ $(systemctl show -P SubState caddy) = auto-restart ]; do sleep 0.2; done'",
        ["+present", "-activating", "+active"],
        where="caddy",
        disturbed={"caddy"},
    ),
    "the userspace is upgraded by a point release": Drift(
        f"curl -fsSo /tmp/newer.run {INSTALLER} && sh /tmp/newer.run --silent --no-kernel-modules --no-nvidia-modprobe --no-nouveau-check",
        [f"-driver: {NEWER} (run)", f"+driver: {VERSION} (run)"],
        where="ollama",  # which runs on with the libraries that it was started with
    ),
    "the description of the GPU is deleted": Drift("rm /etc/cdi/nvidia.yaml", [f"+nvidia.com/gpu with driver {VERSION}"], where="ollama"),
}


@pytest.fixture(scope="module", autouse=True)
def converged(project):
    project.make("@ai")
    record = project.path / "nodes" / NODE / "gpu.yml"
    if not record.exists() or VERSION not in record.read_text():  # the last test of this file leaves another
        project.run("node", "setup-gpu", NODE, "--driver-version", VERSION, "--yes", "--reboot")
    project.run("deploy", "converge")


@pytest.fixture
def shells(machines):
    """A function that runs a script on the node, where VMID is that of psw-ai, or in an app's target."""
    vmid = machines.node("pct list | awk '$NF == \"psw-ai\" {print $1}'").stdout.strip()
    return lambda where, script: (machines.node if where == NODE else lambda words: machines.target(where, words))(script.replace("VMID", vmid)).stdout


def starts(shells):
    """Return when each target and each app was started last."""
    targets = dict(line.split() for line in shells(NODE, "pct list | awk 'NR > 1 {print $NF, $1}'").splitlines())
    found = {name: shells(NODE, f"lxc-info -n {vmid} -pH") for name, vmid in targets.items()}
    return found | {app: found[target] + shells(app, f"systemctl show -P ActiveEnterTimestampMonotonic {app}") for app, target in APPS.items()}


def settings(shells):
    """Return everything that the drifts of this file touch."""
    images = "podman images --format '{{.Repository}}:{{.Tag}}' | sort"
    node = shells(NODE, "cat /etc/pve/lxc/*.conf; zfs get -H recordsize tank/psw-models")
    return node, shells("caddy", f"{images}; cat {QUADLET}"), shells("ollama", f"readlink -f {LIBRARY}.1; cat /etc/cdi/nvidia.yaml; true")


def edits(result):
    return [line.strip() for line in (result.stdout + result.stderr).splitlines() if re.match(r"^\s*[-+](?![-+])", line)]


def see_named_and_healed(project, shells, drifts):
    right, rested = settings(shells), starts(shells)
    for drift in drifts:
        shells(drift.where, drift.harm)
    wrong, before = settings(shells), starts(shells)
    assert wrong != right
    files = [shells(where, TREE) for where in (NODE, *APPS)]
    assert min(map(len, files)) > 10000

    shown = edits(project.run("deploy", "converge", "--check", "--diff"))
    assert sorted(shown) == sorted(line for drift in drifts for line in drift.named)
    assert (settings(shells), starts(shells)) == (wrong, before)
    assert [shells(where, TREE) for where in (NODE, *APPS)] == files

    project.run("deploy", "converge")
    after = starts(shells)
    assert settings(shells) == right
    assert {one for one in rested if after[one] != rested[one]} == set().union(*(drift.disturbed for drift in drifts))


def test_all_that_was_changed_by_hand_is_named_at_once_and_healed_by_one_run(project, shells):
    see_named_and_healed(project, shells, list(DRIFTS.values()))


@pytest.mark.skipif(not FULL, reason="with PSW_FULL=1")
@pytest.mark.parametrize("name", DRIFTS)
def test_what_was_changed_by_hand_is_named_and_healed_alone(project, shells, name):
    see_named_and_healed(project, shells, [DRIFTS[name]])


@pytest.mark.skipif(not FULL, reason="with PSW_FULL=1")
def test_a_device_that_is_missing_since_a_restart_is_given_back_without_another_one(project, shells):
    right = settings(shells)
    shells(NODE, "pct set VMID --delete dev1 && pct reboot VMID")
    before = starts(shells)
    shown = edits(project.run("deploy", "converge", "--check", "--diff"))
    assert shown[0] == "+dev1: /dev/nvidiactl,mode=0666"  # what follows from it is named after it
    project.run("deploy", "converge")
    after = starts(shells)
    assert settings(shells) == right
    assert {one for one in before if after[one] != before[one]} == {"ollama"}


@pytest.mark.skipif(not FULL, reason="with PSW_FULL=1")
def test_a_device_with_another_mode_since_a_restart_takes_one_restart_of_its_target_alone(project, shells):
    right = settings(shells)
    shells(NODE, "pct set VMID --dev2 /dev/nvidia-uvm,mode=0600 && pct reboot VMID")
    before = starts(shells)
    shown = edits(project.run("deploy", "converge", "--check", "--diff"))
    assert shown[:2] == ["-dev2: /dev/nvidia-uvm,mode=0600", "+dev2: /dev/nvidia-uvm,mode=0666"]
    project.run("deploy", "converge")
    after = starts(shells)
    assert settings(shells) == right
    assert {one for one in before if after[one] != before[one]} == {"psw-ai", "ollama"}


def test_a_driver_that_is_not_the_recorded_one_is_refused_before_anything_is_changed(project, shells):
    said = "/proc/driver/nvidia/version"
    shells(NODE, "pct set VMID --memory 4096")  # a converge that begins would heal that
    # As when somebody reloaded its modules. In the target, libraries and CDI go on fitting the record.
    shells(NODE, f"sed -i s/{VERSION}/{NEWER}/ {said}")
    try:
        for words in ([], ["--tags", "apps"]):
            done = project.run("deploy", "converge", "--json", *words, check=False)
            refusal = json.loads(done.stdout).get("refusal")
            assert (done.returncode, refusal) == (
                3,
                {
                    "code": "module_version",
                    "message": f"NVIDIA driver {NEWER} is loaded on {NODE}, and {VERSION} is recorded",
                    "hint": f"run: psw node setup-gpu {NODE}, which puts the recorded one back; with --driver-version {NEWER} it records the one that is there",
                },
            )
        assert "\nmemory: 4096\n" in shells(NODE, "cat /etc/pve/lxc/VMID.conf")
    finally:
        shells(NODE, f"sed -i s/{NEWER}/{VERSION}/ {said}")


def test_a_change_of_the_nodes_driver_is_named_by_the_doctor_and_followed_by_the_next_converge(project, shells):
    project.run("node", "setup-gpu", NODE, "--driver-version", NEWER, "--yes", "--reboot")
    asked = project.run("doctor", "--json", check=False)
    named = [(found["host"], found["id"], found["heal"]) for found in json.loads(asked.stdout)["findings"]]
    assert (asked.returncode, named) == (1, [("psw-ai", "userspace_version", "psw deploy converge")])

    project.run("deploy", "converge")
    assert shells(NODE, "cat /proc/driver/nvidia/version").count(f"  {NEWER}  ") == 1
    ask = "curl -sf http://127.0.0.1:11434/api/ps"  # the converge's own proof has loaded the model
    library, described, models = shells(
        "ollama", f"readlink -f {LIBRARY}.1; grep -oE 'libcuda[.]so[.][0-9]+[.][0-9.]+' /etc/cdi/nvidia.yaml | sort -u; {ask}"
    ).splitlines()
    assert (library, described) == (f"{LIBRARY}.{NEWER}", f"libcuda.so.{NEWER}")
    (model,) = json.loads(models)["models"]
    assert 0 < model["size"] == model["size_vram"]
    assert project.json("doctor")["findings"] == []
