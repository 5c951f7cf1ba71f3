# SPDX-License-Identifier: GPL-3.0-or-later
"""ansible-playbook as psw starts it ends with psw, whatever becomes of the signal that tells it so."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

# In place of Ansible, which catches the interruption in some places and ends on it in others. What is loaded by then is not looked at for garbage
# again, so that forks go on sharing it; what comes later is.
DEAF = """\
import gc, pathlib, time
def main(args):
    assert gc.isenabled() and gc.get_freeze_count()
    end = time.monotonic() + 60
    while time.monotonic() < end:
        try:
            pathlib.Path(args[1]).touch()
            time.sleep(1)
        except KeyboardInterrupt:
            pathlib.Path(args[1]).write_text("interrupted")
"""
START = "import os, subprocess, sys; os.environ['PSW_PID'] = str(os.getpid()); print(subprocess.Popen(sys.argv[1:]).pid, flush=True); sys.stdin.read()"
PLAYBOOK = "import sys; from psw_cli import _playbook; _playbook.GRACE = 3; sys.argv = ['', sys.argv[1]]; _playbook.main()"


def wait_for(what, seconds=300):
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


def running(pid):
    stat = Path("/proc", str(pid), "stat")
    return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z"


@pytest.fixture
def start(tmp_path):
    """Start a psw with an Ansible that hears badly; return the psw and the file that Ansible makes."""
    package = tmp_path / "ansible" / "cli"
    package.mkdir(parents=True)
    for place in (package.parent, package):
        (place / "__init__.py").touch()
    (package / "playbook.py").write_text(DEAF)
    noted = tmp_path / "noted"
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}:{Path(__file__).parents[2]}"}

    def run(*before):
        command = [*before, sys.executable, "-c", START, sys.executable, "-c", PLAYBOOK, str(noted)]
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment), noted

    return run


@pytest.mark.skipif(subprocess.run(["unshare", "--pid", "--fork", "true"], check=False).returncode != 0, reason="needs the right to make a namespace")
def test_a_psw_that_is_the_first_process_of_a_container_runs_playbooks_as_well(start):
    psw, noted = start("unshare", "--pid", "--fork", "--kill-child")
    with psw:
        try:
            wait_for(noted.exists)
        finally:
            psw.kill()


@pytest.mark.parametrize("before", [[], ["sh", "-c", 'trap "" INT; exec "$@"', "sh"]], ids=["as it is", "deaf, as in the background of a script"])
def test_a_run_whose_psw_was_killed_ends_where_its_interruption_is_lost_too(start, before):
    psw, noted = start(*before)
    with psw:
        pid = int(psw.stdout.readline())
        try:
            wait_for(noted.exists)
            psw.send_signal(signal.SIGKILL)
            wait_for(lambda: noted.read_text() == "interrupted")
            wait_for(lambda: not running(pid))
        finally:
            if running(pid):
                os.kill(pid, signal.SIGKILL)
