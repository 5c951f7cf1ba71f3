# SPDX-License-Identifier: GPL-3.0-or-later
"""Two runs that want the same thing."""

import os
import subprocess
import sys
import time

import pytest
from ansible_collections.psw.ai.plugins.module_utils._errors import PswModuleError
from ansible_collections.psw.ai.plugins.module_utils._one_at_a_time import one_at_a_time

HOLDER = """
import sys, time
from ansible_collections.psw.ai.plugins.module_utils._one_at_a_time import one_at_a_time
with one_at_a_time("app", folder=sys.argv[1]):
    print("held", flush=True)
    time.sleep(float(sys.argv[2]))
"""


@pytest.fixture
def hold(tmp_path):
    """Return a function that lets another process hold the lock for some seconds, and returns that process."""
    started = []

    def start(seconds):
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        started.append(subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path), str(seconds)], stdout=subprocess.PIPE, env=environment))
        assert started[-1].stdout.readline() == b"held\n"
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()


def test_a_run_waits_until_the_one_before_is_through(tmp_path, hold):
    started = time.monotonic()
    hold(0.7)
    with one_at_a_time("app", folder=str(tmp_path)):
        assert time.monotonic() - started >= 0.5


def test_who_does_not_end_is_named(tmp_path, hold):
    process = hold(60)
    with pytest.raises(PswModuleError, match=f"process {process.pid} of an earlier run still works on app after 0.3 s; let it end, or end it"):
        one_at_a_time("app", limit=0.3, folder=str(tmp_path)).__enter__()


def test_a_killed_holder_is_no_hindrance_and_other_names_are_free(tmp_path, hold):
    process = hold(60)
    with one_at_a_time("other", limit=0, folder=str(tmp_path)):
        process.kill()
        process.wait()
    with one_at_a_time("app", limit=0, folder=str(tmp_path)):
        assert (tmp_path / "app.lock").read_text() == f"{os.getpid()}\n"
