# SPDX-License-Identifier: GPL-3.0-or-later
"""A lab that was killed comes back: every one of its processes ended at once, as when a machine's session or CI job is ended."""

import os
import signal
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


def kill_all(lab):
    # conmon first: it is not to tell podman how the node ended
    for pid in processes(lab):
        with suppress(ProcessLookupError):  # what was short-lived, or went with its parent
            os.kill(pid, signal.SIGKILL)


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
    os.kill(processes(lab)[0], signal.SIGKILL)
    up(NAME, upstream_images=True)
    assert podman.podman("exec", lab.container, "cat", "/proc/sys/kernel/random/boot_id").stdout == before


def test_down_removes_a_killed_lab(lab):
    kill_all(lab)
    down(NAME)
    assert node.status(lab) == "missing"
