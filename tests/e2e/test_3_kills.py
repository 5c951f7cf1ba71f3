# SPDX-License-Identifier: GPL-3.0-or-later
"""A killed first converge is finished by the next one, wherever the kill fell.

By default the kills fall into one first converge, one after the other, each later on the road. With PSW_FULL=1 each kill gets a first converge of its own.
"""

import os
import signal
import subprocess
import time

import pytest

from lab.project import MODEL
from lab.state import NODE

from .conftest import TREE

pytestmark = pytest.mark.e2e
# Tasks spread over the road, as `psw -v deploy converge` announces them.
MOMENTS = [
    "Keep the container on its node",
    "Keep podman as it should be",
    "Keep PostgreSQL as it should be",
    "Keep Open WebUI as it should be",
    "Keep one key per consumer, and prove those that are new",
]
FULL = bool(os.environ.get("PSW_FULL"))


def ended_at(project, moment, number):
    """Start a converge, send psw a signal when it announces the step; return its exit code and what else it said, or None where it did not come to that."""
    command = ["psw", "-C", str(project.path), "-v", "deploy", "converge"]
    with subprocess.Popen(command, env=project.environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        for line in process.stderr:
            if moment in line:
                time.sleep(0.5)  # into the step, not before it
                process.send_signal(number)
                said = process.stderr.read()
                return process.wait(), said
    return None


def check_the_next_run(project, machines):
    project.run("deploy", "converge")
    assert project.chat().ask(MODEL, "Hello?").status == 200
    query = "select count(*) from \"user\" where email like 'psw-%@psw.local'; select count(*) from api_key;"
    counts = machines.target("postgres", "podman exec -i postgres psql -U postgres -d openwebui -At", stdin=query).stdout.split()
    assert counts == ["1", "1"]


@pytest.fixture(scope="module", autouse=True)
def before_the_first_converge(project, machines):
    project.make("@ai")
    project.run("node", "setup-gpu", NODE)
    machines.forget_everything()


def test_a_check_before_the_first_converge_shows_what_is_to_come_and_makes_nothing(project, machines):
    def everything():
        places = [file for file in sorted(project.path.rglob("*")) if file.is_file() and ".psw" not in file.parts]
        return machines.node(f'{TREE}; pct list; zfs list -H -o name; pvesm status | cut -d" " -f1').stdout, {file: file.read_bytes() for file in places}

    before = everything()
    assert project.json("deploy", "converge", "--check")["changed"] > 0
    assert everything() == before


@pytest.mark.parametrize("moment", MOMENTS)
def test_killed_at(moment, project, machines):
    assert ended_at(project, moment, signal.SIGKILL)[0] == -signal.SIGKILL
    if FULL:
        check_the_next_run(project, machines)
        machines.forget_everything()


def test_ctrl_c_ends_everything_and_says_that_the_next_run_may_come(project):
    code, said = ended_at(project, "Keep Caddy as it should be", signal.SIGINT)
    assert (code, said.count("interrupted: psw deploy converge: stopped as you asked\n  it is safe to run it again")) == (130, 1), said[-2000:]
    listed = subprocess.run(["pgrep", "--list-full", "--full", str(project.path)], capture_output=True, text=True, check=False).stdout
    assert [line for line in listed.splitlines() if "playbook" in line] == []


def test_the_run_after_the_kills_ends_green_with_one_user_and_one_key(project, machines):
    check_the_next_run(project, machines)
