# SPDX-License-Identifier: GPL-3.0-or-later
"""Each role on the lab's node by itself, then the whole of @ai: check mode, converge, idempotence, and a look at it after a restart.

By default the road is that of an NVIDIA card. With PSW_FULL=1 it is travelled with AMD's and Intel's, too.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lab import state
from lab.lab import down, up
from lab.project import LabProject

from .conftest import NAME

REPO = Path(__file__).parents[2]
# The road's own order: each scenario finds what the ones before it left, or makes it.
SCENARIOS = ["gpu_nvidia", "zfs_models", "lxc_target", "container_host", "postgres", "ollama", "openwebui", "caddy", "ai"]

OTHERS = {"amd": "rx_7900_xtx", "intel": "arc_b580"}
WITH_OTHERS = ["zfs_models", "lxc_target", "ollama", "ai"]
ELSEWHERE = ["gpu_amd", "gpu_cards", "gpu_intel"]  # each on a machine, and so in a lab, of its own


def test_every_scenario_is_run():
    assert sorted(SCENARIOS + ELSEWHERE) == sorted(path.parent.name for path in (REPO / "molecule").glob("*/molecule.yml"))


def run(scenario, environment, memory):
    environment = {**environment, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "MOLECULE_EPHEMERAL_DIRECTORY": str(memory)}
    command = ["molecule", "test", "--destroy", "never", "--scenario-name", scenario]
    done = subprocess.run(command, cwd=REPO, env=environment, capture_output=True, text=True, check=False)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said[-6000:]
    assert "no hosts matched" not in said
    assert "already created" not in said


@pytest.mark.e2e
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_scenario(scenario, project):
    run(scenario, project.environment, project.lab.home / "molecule" / scenario)  # gone with the lab: Molecule must not take an older lab's word for this one


@pytest.mark.e2e
def test_what_plain_ansible_brought_up_role_by_role_leaves_nothing_to_do_for_the_cli(project):
    assert project.json("deploy", "converge")["changed"] == 0


@pytest.mark.e2e
@pytest.mark.parametrize("scenario", ELSEWHERE)
def test_scenario_on_a_machine_of_its_own(scenario, tmp_path):
    if os.geteuid() != 0:
        pytest.skip("the lab needs root")
    name = f"{NAME}-{scenario.removeprefix('gpu_')}"
    if state.load(name) is not None:
        down(name)  # what a killed run left
    run(scenario, os.environ, tmp_path)
    if not os.environ.get("PSW_KEEP_LAB"):
        down(name)


@pytest.fixture(scope="module", params=OTHERS)
def another(request):
    """Bring up a lab with another vendor's card."""
    if os.geteuid() != 0:
        pytest.skip("the lab needs root")
    name = f"{NAME}-{request.param}-road"
    if state.load(name) is not None:
        down(name)  # what a killed run left
    yield LabProject(up(name, OTHERS[request.param]))
    if not os.environ.get("PSW_KEEP_LAB"):
        down(name)


@pytest.mark.e2e
@pytest.mark.skipif(not os.environ.get("PSW_FULL"), reason="with PSW_FULL=1")
@pytest.mark.parametrize("scenario", WITH_OTHERS)
def test_scenario_with_another_vendors_card(scenario, another):
    lab = another.lab
    names = {"PSW_MOLECULE_LAB": lab.name, "PSW_MOLECULE_MACHINE": lab.machine}
    run(scenario, {**another.environment, **names}, lab.home / "molecule" / scenario)
