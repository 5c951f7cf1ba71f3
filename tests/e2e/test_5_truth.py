# SPDX-License-Identifier: GPL-3.0-or-later
"""The gate that closes when an engine does not do on the GPU what it should: at converge, in psw doctor and by the target's timer.

With PSW_FULL=1 it also closes on memory that no driver sees, and the timer is turned off and on.
"""

import json
import os
import subprocess

import pytest

from lab.project import EMBEDDING, MODEL

pytestmark = pytest.mark.e2e
FULL = bool(os.environ.get("PSW_FULL"))
SWITCHES = "/run/psw-lab"
UNLOAD = f'curl -sf http://127.0.0.1:11434/api/generate -d \'{{"model": "{MODEL}", "keep_alive": 0}}\''
# what the engine does: (how it is told to, what is found, what is said)
FAULTS = {
    "falls back to the CPU": ("touch {}/force-cpu", "model_on_cpu", f"Ollama runs {MODEL} on the CPU, not on the GPU."),
    "splits a model that fits": ("echo 100 > {}/gpu-mib", "model_split", f"MiB of {MODEL} lie in GPU memory, which has room for it"),
    "says what no driver sees": ("touch {}/unseen", "model_unseen", "MiB in use there."),
}


@pytest.fixture(scope="module")
def engine(converged, machines):
    """A shell on the target of the engine, which has been converged."""
    return lambda script, **options: machines.target("ollama", script, **options).stdout


def findings(project):
    """Return what psw doctor finds."""
    return json.loads(project.run("doctor", "--json", check=False).stdout)["findings"]


def heal(project, command):
    """Type what psw doctor says, where psw runs."""
    words = command.replace("ssh ", "ssh -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null ", 1)
    subprocess.run(words, shell=True, check=True, env={**project.environment, "PSW_PROJECT": str(project.path)}, capture_output=True)


@pytest.mark.parametrize("fault", FAULTS if FULL else list(FAULTS)[:2])
def test_an_engine_that_does_not_use_the_gpu_is_named_until_it_is_healed(project, engine, fault):
    switch, found, said = FAULTS[fault]
    engine(f"{UNLOAD} && podman exec ollama sh -c '{switch.format(SWITCHES)}'")

    engine("systemctl start psw-ollama-proof.service", check=False)
    assert "psw-ollama-proof.service" in engine("systemctl --failed --plain --no-legend")
    assert said in engine("journalctl -u psw-ollama-proof -o cat -n 20")

    failed = project.run("deploy", "converge", "--tags", "verify", check=False)
    assert (failed.returncode, said in failed.stderr) == (1, True)

    assert [each["id"] for each in findings(project)] == [found]
    engine(UNLOAD)
    (finding,) = findings(project)
    assert (finding["id"], said in finding["message"]) == ("proof_failed", True)

    heal(project, finding["heal"])
    assert "psw-ollama-proof" not in engine("systemctl --failed --plain --no-legend")
    assert findings(project) == []


def test_an_engine_that_is_down_is_named_and_brought_back_by_a_converge(project, engine):
    engine("systemctl stop ollama.service")
    (finding,) = findings(project)
    assert (finding["id"], finding["heal"]) == ("engine_down", "psw deploy converge")
    heal(project, finding["heal"])
    assert findings(project) == []


@pytest.fixture
def only_embeddings(project, engine):
    """The house with a model for embeddings as its first and only one."""
    wishes = project.path / "services" / "ollama" / "defaults.yml"
    before = wishes.read_text(encoding="utf-8")
    wishes.write_text(f"---\nollama_models: ['{EMBEDDING}']\n", encoding="utf-8")
    project.run("deploy", "converge")
    yield
    wishes.write_text(before, encoding="utf-8")
    engine(f"podman exec ollama ollama rm {EMBEDDING}")


@pytest.mark.usefixtures("only_embeddings")
def test_a_first_model_for_embeddings_is_proven_at_converge_and_by_the_timer(project, engine):
    engine(f"{UNLOAD} && {UNLOAD.replace(MODEL, EMBEDDING)}")
    engine("systemctl start psw-ollama-proof.service")
    assert f"on the GPU: {EMBEDDING}" in engine("journalctl -u psw-ollama-proof -o cat -n 5")
    assert findings(project) == []


@pytest.mark.skipif(not FULL, reason="with PSW_FULL=1")
def test_the_timer_is_on_until_it_is_turned_off(project, engine):
    timer = "systemctl is-enabled psw-ollama-proof.timer; systemctl is-active psw-ollama-proof.timer"
    assert engine(timer, check=False).split() == ["enabled", "active"]
    wishes = project.path / "services" / "ollama" / "defaults.yml"
    before = wishes.read_text(encoding="utf-8")
    wishes.write_text(f"{before}ollama_proof_schedule: ''\n", encoding="utf-8")
    project.run("deploy", "converge")
    assert engine(timer, check=False).split() == ["disabled", "inactive"]
    assert project.json("deploy", "converge")["changed"] == 0
    wishes.write_text(before, encoding="utf-8")
    project.run("deploy", "converge")
    assert engine(timer, check=False).split() == ["enabled", "active"]
