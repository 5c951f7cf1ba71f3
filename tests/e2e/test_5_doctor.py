# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults done by hand on a converged node, each of which psw doctor must name within ten seconds, and where it can, tell how to heal."""

import json
import resource
import subprocess

import pytest

from lab.lab import down, up
from lab.project import MODEL, LabProject
from lab.state import NODE

from .conftest import NAME, TREE, Machines

pytestmark = pytest.mark.e2e
LIMIT = 10
OTHERS = f"{NAME}-doctor"
VERSION, OTHER = "580.159.04", "580.159.03"
LOAD = f'curl -sf http://127.0.0.1:11434/api/generate -d \'{{"model": "{MODEL}"}}\''
LIBRARIES = "/usr/lib/x86_64-linux-gnu"
NEXT = "6.17.9-1-pve"
CARD, ELSEWHERE = "0000:01:00.0", "0000:02:00.0"
BRIDGE, BUS, DRIVER = "/sys/devices/pci0000:00", "/sys/bus/pci/devices", "/proc/driver/nvidia/gpus"


def older_libraries():
    """Swap the driver's libraries for those of another point release, as an upgrade that nobody asked for does."""
    swap = [f"cp {LIBRARIES}/{name}.so.{VERSION} {LIBRARIES}/{name}.so.{OTHER}" for name in ("libcuda", "libnvidia-ml")]
    swap += [f"ln -sfn {name}.so.{OTHER} {LIBRARIES}/{name}.so.1" for name in ("libcuda", "libnvidia-ml")]
    return " && ".join(swap)


def moved(old, new):
    """Take a card out of one slot and put it into another, as the kernel would show it."""
    return (
        f"mv {BRIDGE}/{old} {BRIDGE}/{new} && rm {BUS}/{old} && ln -s ../../../devices/pci0000:00/{new} {BUS}/{new}"
        f" && mv {DRIVER}/{old} {DRIVER}/{new} && sed -i s/{old}/{new}/ {DRIVER}/{new}/information"
    )


# fault: (where, what breaks it, what is found, what makes it whole again, or None where the named command does)
FAULTS = {
    "the uvm node is missing": ("node", "rm /dev/nvidia-uvm", "device_missing", None),
    "the next kernel has no module": (
        "node",
        f"mkdir -p /lib/modules/{NEXT}/kernel",
        "module_next_kernel",
        f"rm -r /lib/modules/{NEXT}",
    ),
    "the node's libraries are another point release": ("node", older_libraries(), "userspace_version", None),
    "the target's libraries are another point release": ("target", older_libraries(), "userspace_version", None),
    "the node's CDI spec is stale": ("node", f"sed -i s/{VERSION}/{OTHER}/ /etc/cdi/nvidia.yaml", "cdi_stale", None),
    "the target's CDI spec is stale": ("target", f"sed -i s/{VERSION}/{OTHER}/ /etc/cdi/nvidia.yaml", "cdi_stale", None),
    "another CDI spec shadows the target's": ("target", "mkdir -p /run/cdi && cp /etc/cdi/nvidia.yaml /run/cdi/", "cdi_shadowed", None),
    "the card moved to another address": ("node", moved(CARD, ELSEWHERE), "card_moved", moved(ELSEWHERE, CARD)),
    "the card is without a driver": ("node", f"/usr/lib/psw-lab/kernel/gpus unbind {CARD}", "driver_not_bound", None),
    "the card is gone": ("node", f"mv {BUS}/{CARD} /run/", "card_gone", f"mv /run/{CARD} {BUS}/"),
}
# fault of a card whose driver is the kernel's own: (what breaks it, what is found); setup-gpu heals each
DRM_CARD = "0000:03:00.0"
_DRIVER = f"driver=$(basename $(readlink /sys/bus/pci/devices/{DRM_CARD}/driver))"
DRM_FAULTS = {
    "the driver was unloaded": (f"{_DRIVER} && modprobe -r $driver", "driver_not_bound"),
    "the card was taken away from its driver": (f"/usr/lib/psw-lab/kernel/gpus unbind {DRM_CARD}", "driver_not_bound"),
    "the render node was removed": (f"rm $(readlink -f /dev/dri/by-path/pci-{DRM_CARD}-render)", "device_missing"),
}


@pytest.fixture(scope="module")
def healthy(converged):
    """The lab's project, converged, with nothing wrong."""
    said = converged.json("doctor")
    assert (said["findings"], said["asked"]) == ([], ["psw-ai", NODE])
    return converged


@pytest.fixture(scope="module", params=["rx_7900_xtx", "arc_b580"], ids=["amd", "intel"])
def drm(request):
    """A project whose node has an AMD or Intel card that is set up, in a lab of its own, and a shell on that node."""
    down(OTHERS)  # what a killed run may have left
    project = LabProject(up(OTHERS, request.param))
    project.make()
    project.run("node", "setup-gpu", NODE)
    yield project, Machines(project).node
    down(OTHERS)


def asked(project):
    """Return (exit code, findings)."""
    done = project.run("doctor", "--json", check=False)
    return done.returncode, json.loads(done.stdout)["findings"]


def asked_in_time(project):
    """Return the same, having held the doctor to its limit in processor time: what else this machine does makes it wait, not work."""

    def spent():
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        return used.ru_utime + used.ru_stime

    began = spent()
    answer = asked(project)
    assert spent() - began < LIMIT
    return answer


def heal(project, command):
    """Type what psw doctor says, where psw runs."""
    words = command.replace("ssh ", "ssh -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null ", 1)
    place = {**project.environment, "PSW_PROJECT": str(project.path)}
    done = subprocess.run(words, shell=True, check=False, env=place, capture_output=True, text=True)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_named_within_ten_seconds_and_healed_as_it_says(healthy, machines, fault):
    where, breaks, expected, mends = FAULTS[fault]

    def shell(script):
        return machines.node(script) if where == "node" else machines.target("ollama", script)

    machines.target("ollama", LOAD)  # what is wrong below a model that is in use shows in the model too, and is named once
    shell(breaks)
    status, findings = asked_in_time(healthy)
    if mends:
        shell(mends)
    else:
        heal(healthy, findings[0]["heal"])
    assert (status, [(found["host"], found["id"]) for found in findings]) == (1, [(NODE if where == "node" else "psw-ai", expected)])
    assert asked(healthy) == (0, [])


def test_the_doctor_changes_nothing(healthy, machines):
    look = f"{TREE}; ls -la /dev/nvidia*; ls /sys/module; systemctl list-units --no-legend --plain --type=service --state=active,failed | grep -v ^user"
    machines.node("rm -f /dev/nvidia-uvm /etc/cdi/nvidia.yaml")
    before = machines.node(look).stdout
    assert before.count("\n") > 1000
    assert asked(healthy)[0] == 1
    assert machines.node(look).stdout == before
    machines.node("systemctl restart psw-nvidia")


@pytest.mark.parametrize("gone", ["/dev/nvidia-uvm", "/dev/nvidia0", "/dev/nvidia0 /dev/nvidiactl /dev/nvidia-uvm"])
def test_missing_device_nodes_are_shown_and_healed_by_setup_too(healthy, machines, gone):
    machines.node(f"rm {gone}")
    assert healthy.json("node", "setup-gpu", NODE, "--check")["changed"] == 1
    assert healthy.json("node", "setup-gpu", NODE)["changed"] == 1
    assert asked(healthy) == (0, [])
    assert healthy.json("node", "setup-gpu", NODE)["changed"] == 0


def test_a_target_that_does_not_answer_does_not_hide_what_is_wrong_on_its_node(healthy, machines):
    inside = "pct exec $(pct list | awk '/psw-ai/ {print $1}') -- sh -c"
    machines.node("rm /dev/nvidia-uvm")
    machines.node(f"{inside} 'systemctl stop ssh; pkill sshd'")  # and the connections that are kept open
    try:
        status, findings = asked(healthy)
        assert (status, [found["id"] for found in findings]) == (4, ["device_missing"])
    finally:
        machines.node(f"{inside} 'systemctl start ssh'")
        machines.node("systemctl restart psw-nvidia")


@pytest.mark.parametrize("fault", DRM_FAULTS)
def test_what_is_wrong_with_a_card_of_the_kernels_own_drivers_is_named_shown_and_healed_by_setup(drm, fault):
    project, shell = drm
    breaks, expected = DRM_FAULTS[fault]
    shell(breaks)
    status, findings = asked_in_time(project)
    assert (status, [found["id"] for found in findings]) == (1, [expected])
    assert project.json("node", "setup-gpu", NODE, "--check")["changed"] == 1
    heal(project, findings[0]["heal"])
    assert asked(project) == (0, [])
    assert project.json("node", "setup-gpu", NODE)["changed"] == 0


def test_a_compute_node_that_was_removed_is_named_and_healed_as_it_says(drm):
    project, shell = drm
    if shell("test -e /dev/kfd", check=False).returncode:
        pytest.skip("Intel's drivers have none")
    shell("rm /dev/kfd")
    status, findings = asked(project)
    assert (status, [found["id"] for found in findings]) == (1, ["device_missing"])
    heal(project, findings[0]["heal"])
    assert asked(project) == (0, [])


def test_a_renumbered_render_group_is_named_until_nodes_and_record_follow(drm):
    project, shell = drm
    assert asked(project) == (0, [])

    shell("groupmod --gid 1234 render")
    status, findings = asked_in_time(project)
    assert (status, [found["id"] for found in findings]) == (1, ["device_gid", "group_changed"])

    shell("chgrp render $(ls -d /dev/kfd /dev/dri/renderD*)")  # as udev does at a boot
    assert [found["id"] for found in asked(project)[1]] == ["group_changed"]

    heal(project, findings[1]["heal"])
    assert asked(project) == (0, [])
