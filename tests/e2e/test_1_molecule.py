# SPDX-License-Identifier: GPL-3.0-or-later
"""Each role on the lab's node by itself, then the whole of @ai: check mode, converge, idempotence, verify."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

REPO = Path(__file__).parents[2]
# The road's own order: each scenario finds what the ones before it left, or makes it.
SCENARIOS = ["gpu_nvidia", "gpu_amd", "gpu_intel", "zfs_models", "lxc_target", "container_host", "postgres", "ollama", "openwebui", "caddy", "ai"]


def test_every_scenario_is_run():
    assert sorted(SCENARIOS) == sorted(path.parent.name for path in (REPO / "molecule").glob("*/molecule.yml"))


@pytest.mark.e2e
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_scenario(scenario, project):
    state = project.lab.home / "molecule" / scenario  # gone with the lab, so that Molecule never takes an older lab's word for this one
    environment = {**project.environment, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "MOLECULE_EPHEMERAL_DIRECTORY": str(state)}
    command = ["molecule", "test", "--destroy", "never", "--scenario-name", scenario]
    done = subprocess.run(command, cwd=REPO, env=environment, capture_output=True, text=True, check=False)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said[-6000:]
    assert "no hosts matched" not in said
    assert "already created" not in said
