"""``psw doctor``, with this machine as node and target; what they find is given."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

TARGETS = "schema: 1\ntargets:\n  psw-ai: {vmid: 101, address: 192.0.2.20}\n  psw-core: {vmid: 100, address: 192.0.2.21}\n"
MISSING = {
    "id": "device_missing",
    "layer": "device node",
    "message": "/dev/nvidia-uvm is not there",
    "heal": "systemctl restart psw-nvidia",
    "there": True,
    "inherited": False,
}
STALE = {**MISSING, "id": "cdi_stale", "layer": "CDI", "message": "it was made for another driver", "heal": "systemctl restart psw-nvidia-cdi"}
APART = {**MISSING, "id": "userspace_version", "layer": "userspace", "message": "the libraries do not fit", "heal": "psw deploy converge", "there": False}
UNLOADED = {**MISSING, "id": "module_not_loaded", "layer": "kernel module", "inherited": True}


@pytest.fixture
def ill(psw, project, tmp_path, monkeypatch, on_this_machine):
    """Return a function that asks psw doctor where each host finds the given things."""
    psw("plan", "--write")
    (project / ".psw").mkdir(exist_ok=True)
    (project / ".psw/targets.yml").write_text(TARGETS)
    on_this_machine("pve1", "psw-ai", "psw-core")

    def run(findings, *args):
        stats = {"data": {"psw_findings": "{{ given[inventory_hostname] }}"}, "per_host": True}
        task = {"name": "Report what was found", "ansible.builtin.set_stats": stats, "when": "inventory_hostname in given"}
        ping = {"name": "Ask", "ansible.builtin.ping": {}}
        playbook = tmp_path / "playbook.yml"
        play = {"name": "Look", "hosts": "nodes:targets", "gather_facts": False, "vars": {"given": findings}, "tasks": [ping, task]}
        playbook.write_text(json.dumps([play]))
        monkeypatch.setattr("psw_cli.doctor.PLAYBOOK", str(playbook))
        return psw("doctor", *args)

    return run


def test_where_all_is_as_recorded_it_says_so_and_who_was_asked(ill):
    answer = ill({"pve1": [], "psw-ai": []})
    assert (answer.exit_code, answer.stdout) == (0, "all is as recorded: psw-ai, pve1\n"), answer.stderr


def test_a_finding_names_the_layer_and_a_command_to_type_here(ill):
    answer = ill({"pve1": [MISSING], "psw-ai": [STALE, APART]})
    assert answer.exit_code == 1
    assert answer.stdout == (
        "pve1: device node (device_missing)\n"
        "  /dev/nvidia-uvm is not there\n"
        "  heal: ssh root@192.0.2.10 systemctl restart psw-nvidia\n"
        "\n"
        "psw-ai: CDI (cdi_stale)\n"
        "  it was made for another driver\n"
        "  heal: ssh root@192.0.2.10 pct exec 101 -- systemctl restart psw-nvidia-cdi\n"
        "\n"
        "psw-ai: userspace (userspace_version)\n"
        "  the libraries do not fit\n"
        "  heal: psw deploy converge\n"
    )
    assert answer.stderr.endswith(
        "error: the device node of pve1 is wrong, and 2 more things\n  each finding names the command that heals it; start with the first\n"
    )


def test_one_finding_is_said_in_the_documented_words(ill, documented):
    assert documented("\n".join(ill({"pve1": [MISSING]}).stderr.splitlines()[-2:]))


def test_json_is_one_object_with_the_findings(ill):
    answer = ill({"pve1": [MISSING], "psw-ai": []}, "--json")
    said = json.loads(answer.stdout)
    assert (answer.exit_code, said["ok"], said["error"]["code"], said["asked"]) == (1, False, "findings", ["psw-ai", "pve1"])
    assert said["findings"] == [
        {
            "host": "pve1",
            "id": "device_missing",
            "layer": "device node",
            "message": "/dev/nvidia-uvm is not there",
            "heal": "ssh root@192.0.2.10 systemctl restart psw-nvidia",
        }
    ]


def test_json_of_a_healthy_project_is_one_object_too(ill):
    answer = ill({"pve1": []}, "--json")
    assert (answer.exit_code, json.loads(answer.stdout)) == (0, {"ok": True, "findings": [], "asked": ["pve1"]})


def test_what_a_target_suffers_from_its_node_is_told_once(ill):
    assert "psw-ai" not in ill({"pve1": [MISSING], "psw-ai": [UNLOADED]}).stdout
    assert "psw-ai: kernel module (module_not_loaded)" in ill({"psw-ai": [UNLOADED]}).stdout
    assert "psw-ai: kernel module (module_not_loaded)" in ill({"pve1": [], "psw-ai": [UNLOADED]}).stdout  # what the node did not name


def test_a_machine_that_cannot_be_reached_does_not_hide_what_the_others_say(ill, project):
    (project / "host_vars/psw-ai.yml").write_text("ansible_host: 127.0.0.1\nansible_port: 1\n")
    answer = ill({"pve1": [MISSING]}, "--json")
    said = json.loads(answer.stdout)
    assert (answer.exit_code, said["error"]["code"], [found["id"] for found in said["findings"]]) == (4, "unreachable", ["device_missing"])
    assert said["error"]["message"].startswith("target psw-ai cannot be reached: ")
    assert "if it has another address or other keys now: psw deploy converge" in said["error"]["hint"]


@pytest.fixture
def gone(project, on_this_machine):
    """This machine as a node whose recorded card is nowhere."""
    on_this_machine("pve1")
    text = (project / "nodes/pve1/gpu.yml").read_text()
    (project / "nodes/pve1/gpu.yml").write_text(text.replace("0000:01:00.0", "ffff:01:00.0").replace("10de:2503", "10de:0000"))


@pytest.mark.usefixtures("gone")
def test_the_real_playbook_asks_this_machine_and_changes_nothing(psw, project):
    answer = psw("doctor", "--json", "--", "--limit", "nodes")
    assert (answer.exit_code, [found["id"] for found in json.loads(answer.stdout)["findings"]]) == (1, ["card_gone"])
    assert "changed=0 " in next((project / ".psw/runs").glob("*-doctor.log")).read_text()


INTEL = """\
schema: 1
node: pve1
recorded_at: "2026-11-22T10:00:00Z"
kernel: 6.17.2-1-pve
secure_boot: disabled
vendor: intel
gpus:
  - {address: "ffff:03:00.0", id: "8086:e20b", name: Arc B580, arch: Battlemage, integrated: false,
     vram_mib: 12288, usable_mib: 12288, vram_source: driver}
intel: {driver: xe, render_gid: 993, devices: [/dev/null]}
"""


def test_what_is_wrong_below_an_engine_is_told_and_what_it_does_to_the_engine_is_not(psw, project, on_this_machine):
    (project / "nodes/pve1/gpu.yml").write_text(INTEL)
    (project / "services/ollama").mkdir(parents=True)
    (project / "services/ollama/defaults.yml").write_text("ollama_port: 9\n")
    psw("plan", "--write")
    (project / ".psw").mkdir(exist_ok=True)
    (project / ".psw/targets.yml").write_text(TARGETS)
    on_this_machine("pve1", "psw-ai", "psw-core")

    def found(*args):
        return [(each["host"], each["id"]) for each in json.loads(psw("doctor", "--json", *args).stdout)["findings"]]

    assert found() == [("pve1", "card_gone")]
    assert found("--", "--limit", "targets") == [("psw-ai", "engine_down")]


@pytest.mark.usefixtures("gone")
def test_the_playbook_alone_fails_too_and_says_what_heals_it(project):
    playbook = [Path(sys.executable).parent / "ansible-playbook", "-i", project / "psw.yml", "--limit", "nodes", "psw.ai.doctor"]
    environment = {**os.environ, "ANSIBLE_INVENTORY_ENABLED": "psw.ai.project"}
    said = subprocess.run(playbook, cwd=Path(__file__).parents[2], env=environment, capture_output=True, text=True, check=False)
    assert said.returncode == 2, said.stderr
    assert re.search(r"\[pve1\]: FAILED! .*card \(card_gone\): .*heal: ", said.stdout + said.stderr, re.DOTALL)
