"""``psw status`` and ``psw node setup-gpu``, with this machine as node and target."""

from __future__ import annotations

import json
import os

import pytest

SYSTEMCTL = """\
#!/bin/sh
# What systemd says of a running, a failing and an unknown unit.
for unit in "$@"; do
  case $unit in
    caddy.service) printf 'Id=%s\\nLoadState=loaded\\nActiveState=active\\nSubState=running\\n\\n' "$unit" ;;
    openwebui.service) printf 'Id=%s\\nLoadState=loaded\\nActiveState=activating\\nSubState=auto-restart\\n\\n' "$unit" ;;
    *.service) printf 'Id=%s\\nLoadState=not-found\\nActiveState=inactive\\nSubState=dead\\n\\n' "$unit" ;;
  esac
done
"""
TARGETS = "schema: 1\ntargets:\n  psw-ai: {vmid: 100, address: 192.0.2.20}\n  psw-core: {vmid: 101, address: 192.0.2.21}\n"


@pytest.fixture
def deployed(psw, project, tmp_path, monkeypatch, on_this_machine):
    """A project whose psw-core is this machine and whose psw-ai does not answer."""
    psw("plan", "--write")
    (project / ".psw").mkdir(exist_ok=True)
    (project / ".psw/targets.yml").write_text(TARGETS)
    on_this_machine("psw-core", "psw-ai")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/systemctl").write_text(SYSTEMCTL)
    (tmp_path / "bin/systemctl").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    return project


def test_status_shows_what_runs_where(psw, deployed):
    answer = psw("status")
    assert answer.exit_code == 0, answer.stderr
    assert answer.stdout == (
        "APP        TARGET    STATE         ADDRESS     URL\n"
        "ollama     psw-ai    not deployed  192.0.2.20  -\n"
        "postgres   psw-core  not deployed  192.0.2.21  -\n"
        "openwebui  psw-core  failing       192.0.2.21  https://chat.home.example\n"
        "caddy      psw-core  running       192.0.2.21  -\n"
    )


def test_status_shows_the_others_when_a_target_is_unreachable(psw, deployed):
    (deployed / "host_vars/psw-ai.yml").write_text("ansible_host: 127.0.0.1\nansible_port: 1\n")
    answer = psw("status", "--json")
    said = json.loads(answer.stdout)
    assert (answer.exit_code, said["ok"], said["error"]["code"]) == (4, False, "unreachable")
    assert said["error"]["message"].startswith("target psw-ai cannot be reached: ")
    assert {app["app"]: app["state"] for app in said["apps"]} == {
        "ollama": "unreachable",
        "postgres": "not deployed",
        "openwebui": "failing",
        "caddy": "running",
    }


def test_a_target_of_which_no_address_is_known_is_not_called_idle(psw, deployed):
    (deployed / ".psw/targets.yml").unlink()
    (deployed / "host_vars/psw-core.yml").unlink()
    answer = psw("status")
    assert answer.exit_code == 0, answer.stderr
    lines = answer.stdout.splitlines()
    assert [line.split()[:3] for line in lines[2:5]] == [
        ["postgres", "psw-core", "unknown"],
        ["openwebui", "psw-core", "unknown"],
        ["caddy", "psw-core", "unknown"],
    ]
    assert lines[-1] == "no address is known of psw-core; psw deploy converge finds it"


def test_what_is_wrong_with_the_project_is_told_by_a_run_too(psw, deployed):
    (deployed / "services/ollama").mkdir(parents=True)
    (deployed / "services/ollama/defaults.yml").write_text("ollama_keep_alvie: 5m\n")
    answer = psw("status")
    assert (answer.exit_code, answer.stdout) == (1, "")
    assert "services/ollama/defaults.yml:1: ollama has no setting 'ollama_keep_alvie'; did you mean 'ollama_keep_alive'?\n" in answer.stderr


def test_status_changes_nothing(psw, deployed):
    assert json.loads(psw("status", "--json").stdout)["ok"] is True
    log = next((deployed / ".psw/runs").glob("*-status.log")).read_text()
    assert "psw-core                   : ok=2    changed=0 " in log


@pytest.fixture
def setup_gpu(psw, project, tmp_path, monkeypatch, on_this_machine):
    """Run `psw node setup-gpu pve1` with a playbook that finds the given record."""
    on_this_machine("pve1")

    def run(record, *args):
        task = {"name": "Write it down", "psw.ai.project_record": {"record": record}}
        playbook = tmp_path / "playbook.yml"
        playbook.write_text(json.dumps([{"name": "Set up the GPU", "hosts": "nodes", "gather_facts": False, "tasks": [task]}]))
        monkeypatch.setattr("psw_cli.node.PLAYBOOK", str(playbook))
        return psw("node", "setup-gpu", "pve1", *args)

    return run


def test_setup_gpu_writes_the_record_and_says_its_verdict(psw_json, setup_gpu, project):
    _, shown = psw_json("node", "show", "pve1")
    (project / "nodes/pve1/gpu.yml").unlink()
    answer = setup_gpu(shown["record"])
    assert answer.exit_code == 0, answer.stderr
    assert answer.stdout.startswith("changed 1 thing (")
    assert answer.stdout.endswith("\npve1: ready: 12288 MiB of GPU memory for models\n")
    assert psw_json("node", "show", "pve1")[1]["record"] == shown["record"]


def test_setup_gpu_runs_on_the_named_node_alone(psw, psw_json, setup_gpu):
    psw("node", "add", "pve2", "--host", "192.0.2.11")
    _, shown = psw_json("node", "show", "pve1")
    said = json.loads(setup_gpu(shown["record"], "--json").stdout)
    assert (list(said["hosts"]), said["changed"], said["verdict"]["ready"]) == (["pve1"], 0, True)
