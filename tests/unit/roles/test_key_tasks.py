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
MINTED = {"consumer": "probe", "status": "minted", "changed": True, "before": {}, "after": {}, "key": KEY}


@pytest.fixture
def house(tmp_path):
    """A project with an age key of its own, and a podman whose Open WebUI mints one key."""
    env = {**os.environ, "HOME": str(tmp_path), "SOPS_AGE_KEY_FILE": str(tmp_path / "age.txt"), "ANSIBLE_CONFIG": str(REPO / "ansible.cfg")}
    env |= {"PATH": f"{tmp_path}/bin:{BIN}:{os.environ['PATH']}", "ANSIBLE_COLLECTIONS_PATH": str(REPO / ".dev")}
    subprocess.run([BIN / "psw", "init", tmp_path / "home", "--domain", "home.example"], check=True, env=env, capture_output=True)
    (tmp_path / "bin").mkdir()
    consumer = {"consumer": "probe", "secret": "probe_openwebui_service_key", "email": "psw-probe@psw.local", "role": "user"}
    role = {"name": "psw.ai.openwebui", "tasks_from": "keys"}
    given = {"psw_project_dir": str(tmp_path / "home"), "psw_domain": "home.example", "openwebui_consumers": [consumer]}
    play = {"hosts": "localhost", "connection": "local", "gather_facts": False, "vars": given, "tasks": [{"ansible.builtin.include_role": role}]}
    (tmp_path / "play.yml").write_text(yaml.safe_dump([play]))

    def run(*more):
        return subprocess.run([BIN / "ansible-playbook", tmp_path / "play.yml", *more], env=env, capture_output=True, text=True, check=False)

    run.env, run.home = env, tmp_path / "home"
    answers(run, MINTED)
    return run


def answers(house, consumer):
    """Let the house's Open WebUI say this."""
    told = {name: value for name, value in consumer.items() if value is not None}
    podman = house.home.parent / "bin" / "podman"
    podman.write_text("#!/bin/sh\ncat >/dev/null\ncat <<'END'\npsw-answer:" + json.dumps({"consumers": [told]}) + "\nEND\n")
    podman.chmod(0o755)


def stored(house):
    """Return all secrets of the house."""
    file = house.home / "secrets" / "apps.yml"
    if not file.exists():
        return {}
    done = subprocess.run(["sops", "decrypt", "--output-type", "json", file], env=house.env, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)["apps"]


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


def test_a_key_that_the_server_does_not_open_the_api_to_is_stored_and_said(house):
    answers(house, {**MINTED, "doubt": "its new key is stored, and Open WebUI answers it with 403 instead of 200"})

    failed = house()

    assert failed.returncode == 2
    assert "probe: its new key is stored, and Open WebUI answers it with 403 instead of 200" in failed.stdout
    assert stored(house) == {"probe": {"probe_openwebui_service_key": KEY}}


def test_who_hands_keys_on_first_may_say_what_is_wrong_later(house):
    answers(house, {**MINTED, "doubt": "its new key is stored, and Open WebUI answers it with 403 instead of 200"})

    done = house("-e", "{openwebui_fail_for_keys: false}")

    assert done.returncode == 0
    assert "changed=1" in done.stdout
    assert stored(house) == {"probe": {"probe_openwebui_service_key": KEY}}


def test_the_key_of_a_consumer_that_is_gone_is_forgotten_and_other_secrets_stay(house):
    house()
    for name in ("gone_openwebui_service_key", "gone_password"):
        value = ["sops", "set", "--value-stdin", house.home / "secrets" / "apps.yml", f'["apps"]["gone"]["{name}"]']
        subprocess.run(value, env=house.env, input='"a-secret-of-the-past"', text=True, check=True)
    answers(house, {**MINTED, "status": "valid", "changed": False, "key": None})

    again = house()

    assert "changed=1" in again.stdout
    assert stored(house) == {"probe": {"probe_openwebui_service_key": KEY}, "gone": {"gone_password": "a-secret-of-the-past"}}
    assert "changed=0" in house().stdout


def test_check_mode_stores_and_forgets_nothing(house):
    assert "changed=1" in house("--check").stdout
    assert stored(house) == {}
