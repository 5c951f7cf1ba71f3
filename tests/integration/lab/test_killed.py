# SPDX-License-Identifier: GPL-3.0-or-later
"""A lab that was killed comes back: every one of its processes ended at once, as when a machine's session or CI job is ended."""

import os
import select
import signal
import time
from contextlib import suppress

import pytest

from lab import node, podman
from lab.lab import down, up

NAME = "killed"


@pytest.fixture
def lab():
    if os.geteuid() != 0:
        pytest.skip("the lab needs root")
    yield up(NAME, upstream_images=True)  # no image is pulled here
    down(NAME)


def processes(lab):
    """Return the pids of conmon and of everything in the node, its guests included."""
    tree = f"/sys/fs/cgroup/{lab.container}"
    inside = podman.in_namespace("find", tree, "-name", "cgroup.procs", "-exec", "cat", "{}", "+").stdout.split()
    return [int(pid) for pid in [podman.podman("inspect", "--format", "{{.State.ConmonPid}}", lab.container).stdout, *inside]]


def kill(pid):
    """Kill a process, and wait until it is dead."""
    handle = os.pidfd_open(pid)
    signal.pidfd_send_signal(handle, signal.SIGKILL)
    assert select.select([handle], [], [], 300)[0], f"{pid} does not die"
    os.close(handle)


def kill_all(lab):
    conmon, *inside = processes(lab)
    kill(conmon)  # first: it is not to tell podman how the node ended
    for pid in inside:
        with suppress(ProcessLookupError):  # what was short-lived, or went with its parent
            os.kill(pid, signal.SIGKILL)
    end = time.monotonic() + 300
    while "populated 1" in podman.in_namespace("cat", f"/sys/fs/cgroup/{lab.container}/cgroup.events").stdout:
        assert time.monotonic() < end, "the node's processes do not die"
        time.sleep(0.1)


def test_up_starts_a_killed_lab_with_its_disk(lab):
    podman.podman("exec", lab.container, "touch", "/root/kept")
    kill_all(lab)
    up(NAME, upstream_images=True)
    assert node.ready(lab)
    assert podman.podman("exec", lab.container, "ls", "/root/kept").stdout.strip() == "/root/kept"


def test_a_stop_that_was_killed_too_does_not_hinder_the_start(lab):
    kill_all(lab)
    podman.podman("stop", "-t", "0", lab.container, check=False)
    assert node.status(lab) == "stopping"
    up(NAME, upstream_images=True)
    assert node.ready(lab)


def test_up_leaves_a_lab_alone_that_lost_only_its_conmon(lab):
    before = podman.podman("exec", lab.container, "cat", "/proc/sys/kernel/random/boot_id").stdout
    kill(processes(lab)[0])
    up(NAME, upstream_images=True)
    assert podman.podman("exec", lab.container, "cat", "/proc/sys/kernel/random/boot_id").stdout == before


def test_down_removes_a_killed_lab(lab):
    kill_all(lab)
    down(NAME)
    assert node.status(lab) == "missing"
