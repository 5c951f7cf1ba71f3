# SPDX-License-Identifier: GPL-3.0-or-later
"""A key is in the project's secrets and nowhere else, however loud the run."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

REPO = Path(__file__).parents[3]
KEY = "sk-0123456789abcdef0123456789abcdef"
BIN = Path(sys.executable).parent


@pytest.fixture
def house(tmp_path):
    """A project with an age key of its own, and a podman whose Open WebUI mints one key."""
    env = {**os.environ, "HOME": str(tmp_path), "SOPS_AGE_KEY_FILE": str(tmp_path / "age.txt"), "ANSIBLE_CONFIG": str(REPO / "ansible.cfg")}
    env |= {"PATH": f"{tmp_path}/bin:{BIN}:{os.environ['PATH']}", "ANSIBLE_COLLECTIONS_PATH": str(REPO / ".dev")}
    subprocess.run([BIN / "psw", "init", tmp_path / "home", "--domain", "home.example"], check=True, env=env, capture_output=True)
    minted = {"consumer": "probe", "status": "minted", "changed": True, "before": {}, "after": {}, "key": KEY}
    (tmp_path / "bin").mkdir()
    podman = tmp_path / "bin" / "podman"
    podman.write_text("#!/bin/sh\ncat >/dev/null\ncat <<'END'\npsw-answer:" + json.dumps({"consumers": [minted]}) + "\nEND\n")
    podman.chmod(0o755)
    consumer = {"consumer": "probe", "secret": "probe_openwebui_service_key", "email": "psw-probe@psw.local", "role": "user"}
    role = {"name": "psw.ai.openwebui", "tasks_from": "keys"}
    given = {"psw_project_dir": str(tmp_path / "home"), "psw_domain": "home.example", "openwebui_consumers": [consumer]}
    play = {"hosts": "localhost", "connection": "local", "gather_facts": False, "vars": given, "tasks": [{"ansible.builtin.include_role": role}]}
    (tmp_path / "play.yml").write_text(yaml.safe_dump([play]))

    def run(*more):
        return subprocess.run([BIN / "ansible-playbook", tmp_path / "play.yml", *more], env=env, capture_output=True, text=True, check=False)

    run.env, run.home = env, tmp_path / "home"
    return run


def test_a_minted_key_is_stored_and_never_shown(house):
    loud = house("-vvvv", "--diff")

    assert loud.returncode == 0, loud.stdout + loud.stderr
    assert KEY not in loud.stdout + loud.stderr
    extract = ["sops", "decrypt", "--extract", '["apps"]["probe"]["probe_openwebui_service_key"]', house.home / "secrets" / "apps.yml"]
    assert subprocess.run(extract, env=house.env, capture_output=True, text=True, check=True).stdout.strip() == KEY
    assert subprocess.run(["grep", "-rlF", KEY, house.home.parent, "--exclude=podman"], capture_output=True, text=True, check=False).stdout == ""


def test_a_failure_says_why_and_still_shows_no_key(house):
    podman = house.home.parent / "bin" / "podman"
    podman.write_text("#!/bin/sh\ncat >/dev/null\necho 'Error: no container with name openwebui' >&2\nexit 125\n")

    failed = house("-vvvv")

    assert failed.returncode == 2
    assert "the container openwebui did not answer (exit code 125): Error: no container with name openwebui" in failed.stdout


def test_the_one_switch_shows_what_is_hidden(house):
    assert KEY in house("-vvv", "--extra-vars", "openwebui_secure_logging=false").stdout
