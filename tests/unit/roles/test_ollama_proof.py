# SPDX-License-Identifier: GPL-3.0-or-later
"""The timer that repeats the proof of the GPU: its program is the collection's own code, all of it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

RECORD = {
    "gpus": [{"address": "0000:01:00.0", "usable_mib": 12288}, {"address": "0000:02:00.0", "usable_mib": 24576}],
    "nvidia": {},
}


@pytest.fixture
def placed(role):
    """The role for a target with these of its node's two cards."""

    def make(addresses, **given):
        target = {"psw_target": {"gpu": {"vendor": "nvidia", "addresses": addresses}}}
        return role("ollama", psw_node="pve1", hostvars={"pve1": {"psw_gpu": RECORD}}, **target, **given)

    return make


@pytest.mark.parametrize(("addresses", "mib"), [(["0000:02:00.0"], 24576), (["0000:01:00.0", "0000:02:00.0"], 36864), ([], 36864)])
def test_the_cards_of_the_target_count_together(placed, addresses, mib):
    assert placed(addresses).value("__ollama_cards_mib") == mib


def test_without_a_record_nobody_knows_what_the_cards_have(role):
    assert role("ollama").value("__ollama_proof_config")["cards_mib"] is None


def test_what_models_need_comes_from_the_catalogue(role):
    assert role("ollama").value("__ollama_needs")["llama3.2:3b"] == 1926 + 1792 + 1024  # weights, 2 x 8192 tokens of context, the engine


def test_the_program_runs_with_nothing_but_what_is_installed(role, tmp_path):
    made = role("ollama", ollama_models=["m:1"])
    made.variables["ansible_search_path"] = [str(made.folder)]
    for file in made.value("__ollama_proof_files") + made.value("__ollama_proof_helpers"):
        path = tmp_path / file["path"].lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        text = file["content"].replace("/usr/local", f"{tmp_path}/usr/local").replace("/etc/psw", f"{tmp_path}/etc/psw")
        path.write_text(text.replace("PATIENCE = 120", "PATIENCE = 0"), encoding="utf-8")
    config = tmp_path / "etc/psw/ollama-proof.json"
    wished = json.loads(config.read_text(encoding="utf-8"))
    config.write_text(json.dumps({**wished, "url": "http://127.0.0.1:9", "state_file": str(tmp_path / "noted")}), encoding="utf-8")
    done = subprocess.run([sys.executable, "-IBS", tmp_path / "usr/local/lib/psw/ollama-proof"], capture_output=True, text=True, check=False, cwd="/")
    assert (done.returncode, done.stderr.partition(" [Errno")[0]) == (1, "psw: Ollama does not answer at http://127.0.0.1:9: <urlopen error")
    assert json.loads(Path(tmp_path / "noted").read_text(encoding="utf-8"))["failed"] == "engine_down"


@pytest.mark.parametrize(
    ("given", "is_on"),
    [({}, True), ({"ollama_proof_schedule": ""}, False), ({"ollama_models": []}, False), ({"psw_target": {"gpu": None}}, False)],
)
def test_the_timer_runs_where_there_is_something_to_prove_and_it_was_not_turned_off(role, given, is_on):
    assert role("ollama", **given).value("__ollama_proof_on") == is_on


def test_the_schedule_is_the_users(role):
    assert "OnCalendar=Sun 04:00\n" in role("ollama", ollama_proof_schedule="Sun 04:00").template("psw-ollama-proof.timer.j2")
