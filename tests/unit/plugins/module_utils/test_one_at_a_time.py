# SPDX-License-Identifier: GPL-3.0-or-later
"""Two runs that want the same thing."""

import os
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest
from ansible_collections.psw.ai.plugins.module_utils import _one_at_a_time
from ansible_collections.psw.ai.plugins.module_utils._errors import PswModuleError
from ansible_collections.psw.ai.plugins.module_utils._one_at_a_time import one_at_a_time

HOLDER = """
import sys
from ansible_collections.psw.ai.plugins.module_utils._one_at_a_time import one_at_a_time
with one_at_a_time("app", folder=sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the lock until its input ends."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)
    assert process.stdout.readline() == b"held\n"
    yield process
    process.kill()
    process.wait()


def test_a_run_waits_until_the_one_before_is_through(tmp_path, holder, monkeypatch):
    waits = []

    def sleep(_seconds):
        waits.append(holder.poll())
        holder.stdin.close()
        holder.wait()

    monkeypatch.setattr(_one_at_a_time, "time", SimpleNamespace(monotonic=time.monotonic, sleep=sleep))
    with one_at_a_time("app", folder=str(tmp_path)):
        assert waits == [None]


def test_who_does_not_end_is_named(tmp_path, holder):
    with pytest.raises(PswModuleError, match=f"process {holder.pid} of an earlier run still works on app after 0.3 s; let it end, or end it"):
        one_at_a_time("app", limit=0.3, folder=str(tmp_path)).__enter__()


def test_a_killed_holder_is_no_hindrance_and_other_names_are_free(tmp_path, holder):
    with one_at_a_time("other", limit=0, folder=str(tmp_path)):
        holder.kill()
        holder.wait()
    with one_at_a_time("app", limit=0, folder=str(tmp_path)):
        assert (tmp_path / "app.lock").read_text() == f"{os.getpid()}\n"
