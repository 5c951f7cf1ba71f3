# SPDX-License-Identifier: GPL-3.0-or-later
"""One psw at a time in a project."""

import json
import os
import re
import stat
import subprocess
import sys
import threading
import time

import pytest
from ansible_collections.psw.ai.plugins.plugin_utils._errors import LockError, PswError
from ansible_collections.psw.ai.plugins.plugin_utils._lock import mutex, project_lock, state_directory

OTHER = """
import sys
from pathlib import Path
from ansible_collections.psw.ai.plugins.plugin_utils._lock import project_lock
with project_lock(Path(sys.argv[1]), command="psw deploy converge"):
    print("held", flush=True)
    sys.stdin.read()
"""
TAKE = """
import sys
from pathlib import Path
from ansible_collections.psw.ai.plugins.plugin_utils._lock import project_lock
with project_lock(Path(sys.argv[1])):
    print("mine")
"""


@pytest.fixture
def other(tmp_path):
    """Another process that holds the lock until its input ends."""
    process = subprocess.Popen([sys.executable, "-c", OTHER, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()


def test_a_second_psw_is_told_who_is_at_work(tmp_path, monkeypatch, other):
    monkeypatch.chdir(tmp_path.parent)
    with pytest.raises(LockError) as caught, project_lock(tmp_path):
        pass
    assert re.fullmatch(
        rf"another psw is at work in {tmp_path.name}: psw deploy converge \(pid {other.pid}, since \d\d:\d\d:\d\d\); "
        r"wait until it is done, or let psw wait with --lock-timeout SECONDS",
        str(caught.value),
    )


def test_a_second_psw_that_may_wait_gets_the_lock_and_says_once_for_whom_it_waits(tmp_path, other):
    said = []
    with project_lock(tmp_path, wait=60, on_wait=lambda text: (said.append(text), other.stdin.close())):
        assert other.wait(60) == 0
    assert [re.sub(r"\d\d:\d\d:\d\d", "TIME", text) for text in said] == [f"psw deploy converge (pid {other.pid}, since TIME)"]


def test_waiting_ends_when_the_time_is_up(tmp_path, other):
    began = time.monotonic()
    with pytest.raises(LockError), project_lock(tmp_path, wait=0.3):
        pass
    assert 0.3 <= time.monotonic() - began < 60


def test_the_lock_of_a_killed_psw_is_free(tmp_path, other):
    other.kill()
    other.wait()
    with project_lock(tmp_path):
        pass


def test_the_lock_is_free_afterwards_also_after_an_error(tmp_path):
    with pytest.raises(ValueError, match="x"), project_lock(tmp_path):
        raise ValueError("x")
    with project_lock(tmp_path):
        pass


def test_the_holder_says_who_it_is(tmp_path):
    with project_lock(tmp_path, command="psw app add"):
        holder = json.loads((tmp_path / ".psw/lock").read_text())
    assert (holder["pid"], holder["command"]) == (os.getpid(), "psw app add")


def test_what_psw_starts_does_not_wait_for_psw(tmp_path):
    with project_lock(tmp_path):
        done = subprocess.run([sys.executable, "-c", TAKE, tmp_path], capture_output=True, text=True, check=True)
    assert done.stdout == "mine\n"


def test_who_only_claims_to_be_started_by_the_holder_waits(tmp_path, monkeypatch, other):
    monkeypatch.setenv("PSW_LOCK_HELD", str(os.getpid()))
    with pytest.raises(LockError), project_lock(tmp_path):
        pass


def test_a_claim_that_outlived_its_holder_counts_for_nothing(tmp_path, monkeypatch):
    state_directory(tmp_path).joinpath("lock").write_text(json.dumps({"pid": 1, "command": "psw", "since": "then"}))
    monkeypatch.setenv("PSW_LOCK_HELD", "1")
    with project_lock(tmp_path):
        assert json.loads((tmp_path / ".psw/lock").read_text())["pid"] == os.getpid()


def test_the_claim_is_gone_with_the_lock(tmp_path):
    with project_lock(tmp_path):
        assert os.environ["PSW_LOCK_HELD"] == str(os.getpid())
    assert "PSW_LOCK_HELD" not in os.environ


def test_state_is_closed_to_other_users(tmp_path):
    assert stat.S_IMODE(state_directory(tmp_path).stat().st_mode) == 0o700


def test_a_project_that_cannot_be_written_is_an_error_and_not_a_crash(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "gone").mkdir()
    (tmp_path / "gone").rmdir()
    with pytest.raises(PswError) as caught, project_lock(tmp_path / "gone"):
        pass
    assert str(caught.value) == "cannot write gone/.psw, it is as it was; no such file or directory"


@pytest.mark.parametrize("take", [project_lock, lambda path: mutex(path, "lock")])
def test_state_that_belongs_to_somebody_else_is_an_error_and_not_a_crash(tmp_path, monkeypatch, take):
    monkeypatch.chdir(tmp_path)
    (state_directory(tmp_path) / "lock").mkdir()  # even root may not open this to write
    (state_directory(tmp_path) / "lock.lock").mkdir()
    with pytest.raises(PswError, match=r"cannot write \.psw/lock(\.lock)?, it is as it was; "), take(tmp_path):
        pass


def test_a_mutex_keeps_the_workers_of_one_run_apart_although_the_lock_is_theirs(tmp_path):
    inside, most = [], []

    def work():
        with mutex(tmp_path, "secrets"):
            inside.append(1)
            most.append(len(inside))
            time.sleep(0.02)
            inside.pop()

    threads = [threading.Thread(target=work) for _ in range(5)]
    with project_lock(tmp_path):
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert most == [1] * 5
