# SPDX-License-Identifier: GPL-3.0-or-later
"""A project, and the real ansible-playbook on it."""

import os
import sys
from pathlib import Path

import ansible_runner
import pytest
import yaml
from ansible_collections.psw.ai.plugins.plugin_utils._project import Project, init_project

REPO = Path(__file__).parents[3]
RECORD = {
    "schema": 1,
    "node": "pve1",
    "recorded_at": "2026-11-22T10:00:00Z",
    "kernel": "6.17.2-1-pve",
    "secure_boot": "disabled",
    "vendor": "nvidia",
    "gpus": [{"address": "0000:01:00.0", "id": "10de:2503", "name": "GeForce RTX 3060", "usable_mib": 12288}],
    "nvidia": {"branch": "580", "driver_version": "580.159.04", "devices": ["/dev/nvidia0", "/dev/nvidiactl"]},
}


@pytest.fixture(autouse=True)
def environment(tmp_path, monkeypatch):
    """Ansible as a user has it: no configuration for psw but the collection's place."""
    (tmp_path / "ansible.cfg").write_text("")
    for name, value in {
        "HOME": str(tmp_path),
        "ANSIBLE_CONFIG": str(tmp_path / "ansible.cfg"),
        "ANSIBLE_COLLECTIONS_PATH": str(REPO / ".dev"),
        "ANSIBLE_LOCALHOST_WARNING": "false",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }.items():
        monkeypatch.setenv(name, value)
    for name in ("XDG_CONFIG_HOME", "SOPS_AGE_KEY", "SOPS_AGE_KEY_FILE", "PSW_LOCK_HELD"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def project(tmp_path):
    """A project with a node and the stack @ai, in a directory with a space in its name."""
    project = init_project(tmp_path / "my home", "home.example").project
    project.add_node("pve1", "192.0.2.10")
    project.add_apps(["@ai"])
    return project


@pytest.fixture
def ready(project):
    """The same after setup-gpu."""
    project.write_record("pve1", RECORD)
    return Project.open(project.path)


@pytest.fixture
def play(tmp_path):
    """Run tasks on a project's inventory and return the result of each, in order."""

    def run(project, *tasks, check=False, hosts="localhost"):
        playbook = [{"hosts": hosts, "connection": "local", "gather_facts": False, "tasks": [{"ignore_errors": True, **task} for task in tasks]}]
        (tmp_path / "play.yml").write_text(yaml.safe_dump(playbook))
        (tmp_path / "run").mkdir(exist_ok=True)
        results = []

        def note(event):
            if event["event"] in {"runner_on_ok", "runner_on_failed"}:
                results.append({**event["event_data"]["res"], "failed": event["event"] == "runner_on_failed"})

        done = ansible_runner.run(
            private_data_dir=str(tmp_path / "run"),
            playbook=str(tmp_path / "play.yml"),
            inventory=str(project.path / "psw.yml"),
            cmdline="--check" if check else "",
            quiet=True,
            settings={"pexpect_timeout": 0.2},
            event_handler=note,
        )
        assert results, done.stdout.read()
        return results

    return run
