# SPDX-License-Identifier: GPL-3.0-or-later
"""Each role on the lab's node by itself, then the whole of @ai: check mode, converge, idempotence, verify."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

REPO = Path(__file__).parents[2]
# The road's own order: each scenario finds what the ones before it left, or makes it.
SCENARIOS = ["gpu_nvidia", "zfs_models", "lxc_target", "container_host", "postgres", "ollama", "openwebui", "caddy", "ai"]


def test_every_scenario_is_run():
    assert sorted(SCENARIOS) == sorted(path.parent.name for path in (REPO / "molecule").glob("*/molecule.yml"))


@pytest.mark.e2e
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_scenario(scenario, project):
    environment = {**project.environment, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    command = ["molecule", "test", "--destroy", "never", "--scenario-name", scenario]
    done = subprocess.run(command, cwd=REPO, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (done.stdout + done.stderr)[-6000:]
