# SPDX-License-Identifier: GPL-3.0-or-later
"""The module's own part: what goes to psql, and what is made of the answer."""

import json

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.psw.ai.plugins.module_utils._postgres import scram
from ansible_collections.psw.ai.plugins.modules import postgres_database

PASSWORD = "correct-horse"
THERE = json.dumps({"owner": "app", "login": True, "stored": scram(PASSWORD, b"0123456789abcdef")}) + '\n{"extensions": ["plpgsql", "vector"]}'


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    podman = tmp_path / "podman"
    lines = ["#!/bin/sh", f"cd {tmp_path}", 'echo "$@" >>argv', "cat >>stdin", "cat stdout", "cat stderr >&2", "exit $(cat rc)"]
    podman.write_text("\n".join(lines) + "\n")
    podman.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    def call(prints, rc=0, says="psql: error: connection refused", **more):
        (tmp_path / "stderr").write_text(says)
        (tmp_path / "stdout").write_text(prints)
        (tmp_path / "rc").write_text(str(rc))
        with patch_module_args({"name": "app", "password": PASSWORD, "extensions": ["vector"], **more}), pytest.raises(SystemExit):
            postgres_database.main()
        return json.loads(capsys.readouterr().out)

    call.folder = tmp_path
    return call


def test_a_database_as_wished_is_asked_once_and_left_alone(run):
    assert not run(THERE)["changed"]
    assert len((run.folder / "argv").read_text().splitlines()) == 1


def test_a_missing_database_is_made_without_its_password_in_sight(run):
    result = run("{}")

    assert result["changed"]
    assert "CREATE DATABASE app OWNER app" in (run.folder / "stdin").read_text()
    assert PASSWORD not in (run.folder / "stdin").read_text() + (run.folder / "argv").read_text() + json.dumps(result)


def test_another_password_is_drift(run):
    result = run(THERE, password="another")

    assert result["changed"]
    assert json.loads(result["diff"]["before"])["password"] is False


def test_check_mode_asks_and_does_nothing(run):
    assert run("{}", _ansible_check_mode=True)["changed"]
    assert "CREATE DATABASE" not in (run.folder / "stdin").read_text()


def test_a_server_that_is_not_there_yet_is_no_failure_in_check_mode(run):
    assert run("", rc=125, _ansible_check_mode=True)["changed"]


def test_a_server_that_refuses_is_named_with_its_words(run):
    assert run("", rc=2)["msg"] == "PostgreSQL in the container postgres refused (exit code 2): psql: error: connection refused"


@pytest.mark.parametrize(
    ("says", "reason"),
    [
        (
            'psql: error: connection to server on socket "/run/s" failed: No such file\n\tIs the server running locally?\n',
            'psql: error: connection to server on socket "/run/s" failed: No such file',
        ),
        ("psql:<stdin>:1: ERROR:  extension is not available\nLINE 1: CREATE EXTENSION x\n                         ^\n", "ERROR:  extension is not available"),
        ('Error: no container with name or ID "postgres" found\n', 'Error: no container with name or ID "postgres" found'),
        ("", "no message"),
    ],
)
def test_the_reason_is_what_psql_says_and_not_its_advice(run, says, reason):
    assert run("", rc=2, says=says)["msg"].endswith(f"(exit code 2): {reason}")
