# SPDX-License-Identifier: GPL-3.0-or-later
"""One lab for most end-to-end tests, which follow the road in the order of their file names; the others bring up labs of their own."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from lab import state
from lab.lab import down, up
from lab.project import LabProject

REPO = Path(__file__).parents[2]
NAME = os.environ.get("PSW_MOLECULE_LAB", "molecule")  # shared with the Molecule scenarios: what they built is what these tests look at

# Prints every file that a look may not touch: on a node and in a target, but for what changes by itself and Ansible's own scratch directory.
LIVELY = "^/(root/.ansible|run|tmp|var/log|var/tmp|etc/pve|var/lib/lxc|var/lib/containers|srv/postgres)"
TREE = f"find / -xdev -type d -printf '%p %m %U:%G\\n' -o -printf '%p %m %U:%G %s %C@ %l\\n' | grep -vE '{LIVELY}' | sort"


def pytest_collection_modifyitems(items):
    """Mark the tests of the house that all share, so that the others can run beside them."""
    for item in items:
        if "project" in item.fixturenames and item.get_closest_marker("e2e"):
            item.add_marker(pytest.mark.house)


@dataclass(frozen=True)
class Machines:
    """Shells on the node and in the targets, for looking at what psw did and for doing harm by hand."""

    project: LabProject

    def ssh(self, address, *command, check=True, stdin=None):
        options = ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR", "-o", "BatchMode=yes"]
        argv = ["ssh", *options, "-i", self.project.lab.key, f"root@{address}", *command]
        return subprocess.run(argv, check=check, capture_output=True, text=True, input=stdin, timeout=300)

    def node(self, *command, check=True):
        return self.ssh(self.project.lab.node_address, *command, check=check)

    def target(self, app, *command, check=True, stdin=None):
        return self.ssh(self.project.address(app), *command, check=check, stdin=stdin)

    def forget_everything(self):
        """Back to before the first converge: no targets, no models, no secrets."""
        listed = self.node("pct", "list").stdout.splitlines()[1:]
        for vmid in [line.split()[0] for line in listed]:
            self.node("pct", "stop", vmid, check=False)
            self.node("pct", "destroy", vmid)
        for name in ("secrets/apps.yml", "deployment-plan.yml", ".psw/targets.yml", ".psw/known_hosts"):
            (self.project.path / name).unlink(missing_ok=True)


@pytest.fixture(scope="session")
def project():
    if os.geteuid() != 0:
        pytest.skip("the lab needs root")
    yield LabProject(up(NAME))
    if state.load(NAME) is not None and not os.environ.get("PSW_KEEP_LAB"):
        down(NAME)


@pytest.fixture(scope="module")
def converged(project):
    """The project with all of @ai running, whatever the tests before left."""
    project.make("@ai")
    if not (project.path / "nodes" / state.NODE / "gpu.yml").exists():
        project.run("node", "setup-gpu", state.NODE)
    project.run("deploy", "converge")
    return project


@pytest.fixture(scope="session")
def machines(project):
    return Machines(project)
