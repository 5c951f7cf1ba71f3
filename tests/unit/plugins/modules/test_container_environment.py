# SPDX-License-Identifier: GPL-3.0-or-later
"""A promise is kept by the container that runs, not by the unit that was written."""

import json

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.psw.ai.plugins.modules import container_environment


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    def call(prints, rc=0, *, check=False, **expected):
        podman = tmp_path / "podman"
        podman.write_text(f"#!/bin/sh\ncat <<'END'\n{prints}\nEND\nexit {rc}\n")
        podman.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
        with patch_module_args({"container": "ollama", "expected": expected, "_ansible_check_mode": check}), pytest.raises(SystemExit):
            container_environment.main()
        return json.loads(capsys.readouterr().out)

    return call


def test_the_promised_environment_passes(run):
    assert run('true ["PATH=/bin","OLLAMA_NO_CLOUD=1","X=a=b"]', OLLAMA_NO_CLOUD=1, X="a=b")["wrong"] == {}


def test_each_broken_promise_is_named(run):
    assert run('true ["OLLAMA_NO_CLOUD=0"]', OLLAMA_NO_CLOUD=1, OLLAMA_NOHISTORY=1)["msg"] == (
        "the container ollama runs with settings that are not the promised ones: OLLAMA_NOHISTORY is None, not '1'; OLLAMA_NO_CLOUD is '0', not '1'. "
        "Is a drop-in or another unit in the way?"
    )


@pytest.mark.parametrize(("prints", "rc"), [("", 125), ("false []", 0)])
def test_a_container_that_does_not_run_keeps_no_promise(run, prints, rc):
    assert run(prints, rc, A=1)["msg"] == "the container ollama does not run, so nothing is known about its environment; see: journalctl -u ollama"


def test_check_mode_reports_and_does_not_fail(run):
    assert run('true ["A=0"]', check=True, A=1)["wrong"] == {"A": {"expected": "1", "there": "0"}}
    assert run("", 125, check=True, A=1)["wrong"] == {}
