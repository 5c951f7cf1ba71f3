# SPDX-License-Identifier: GPL-3.0-or-later
"""What a scheduler is given runs the collection's own playbooks, and needs what the collection needs."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml

REPO = Path(__file__).parents[3]
JOBS = sorted((REPO / "examples/awx").glob("*.yml"))
OF_THE_CLI = {"ansible-core", "ansible-runner", "click", "rich"}  # an execution environment brings the first two itself


def requirements(lines):
    return dict(re.fullmatch(r"([\w.-]+)(.*)", line).groups() for line in lines if line and not line.startswith("#"))


@pytest.mark.parametrize("job", JOBS, ids=lambda job: job.name)
def test_a_job_is_a_playbook_of_the_collection(job):
    (play,) = yaml.safe_load(job.read_text(encoding="utf-8"))
    collection, name = play["ansible.builtin.import_playbook"].rsplit(".", 1)
    assert collection == "psw.ai"
    assert (REPO / "playbooks" / f"{name}.yml").is_file()
    assert f"`{job.name}`" in (REPO / "docs/awx.md").read_text(encoding="utf-8")


def test_an_execution_environment_has_what_the_collections_plugins_need():
    environment = yaml.safe_load((REPO / "meta/execution-environment.yml").read_text(encoding="utf-8"))["dependencies"]
    listed = requirements((REPO / environment["python"]).read_text(encoding="utf-8").splitlines())
    declared = requirements(tomllib.loads((REPO / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"])
    assert listed == {name: version for name, version in declared.items() if name not in OF_THE_CLI}
    assert (REPO / environment["system"]).is_file()
