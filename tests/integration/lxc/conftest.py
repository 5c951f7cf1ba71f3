# SPDX-License-Identifier: GPL-3.0-or-later
"""A lab's node, whose API is fakepve and whose containers are real; modules run on it as Ansible would run them."""

import io
import json
import os
import signal
import subprocess
import sys
import tarfile
from pathlib import Path

import ansible
import pytest

from lab.lab import down, up

REPO = Path(__file__).parents[3]
NAME = os.environ.get("PSW_INTEGRATION_LAB", "integration")  # labs by other names run beside it
KILLED = 128 + signal.SIGKILL  # the exit code that a shell gives to a program that was killed
# A program that is about to do what /run/kill-at says kills whoever asked for it instead: how a run dies between two steps.
KILLER = """\
#!/bin/sh
if [ -e /run/kill-at ] && echo "${0##*/} $*" | grep -q -- "$(cat /run/kill-at)"; then
  rm /run/kill-at
  case $(cat /proc/$PPID/comm) in timeout) kill -9 "$(cut -d ' ' -f 4 /proc/$PPID/stat)" ;; esac
  kill -9 $PPID
  exit 1
fi
exec /usr/sbin/${0##*/} "$@"
"""


class Node:
    """The node under test."""

    def __init__(self, lab):
        self.lab = lab
        options = ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR", "-o", "BatchMode=yes"]
        shared = ["-o", "ControlMaster=auto", "-o", f"ControlPath=/tmp/psw-test-{os.getpid()}-%C", "-o", "ControlPersist=60"]
        self.ssh = ["ssh", *options, *shared, "-i", str(lab.key), f"root@{lab.node_address}"]

    def _done(self, command, data=None):
        return subprocess.run([*self.ssh, command], input=data, capture_output=True, text=True, check=False, timeout=300)

    def run(self, command, *, data=None, check=True):
        done = self._done(command, data)
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def install(self):
        """Put the modules and what they import on the node."""
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w") as tar:
            tar.add(Path(ansible.__file__).parent / "module_utils", "ansible/module_utils")
            for name in ("__init__.py", "release.py", "_vendor"):
                tar.add(Path(ansible.__file__).parent / name, f"ansible/{name}")
            for folder in ("modules", "module_utils"):
                tar.add(REPO / "plugins" / folder, f"ansible_collections/psw/ai/plugins/{folder}")
        subprocess.run([*self.ssh, "rm -rf /opt/psw; mkdir -p /opt/psw; tar -x -C /opt/psw"], input=archive.getvalue(), check=True, timeout=300)
        for program in ("pct", "zfs"):
            self.run(f"cat >/usr/local/bin/{program}; chmod 755 /usr/local/bin/{program}", data=KILLER)

    def module(self, name, /, *, check=False, **options):
        """Run a module and return its result; None when it was killed."""
        arguments = {"ANSIBLE_MODULE_ARGS": {**options, "_ansible_check_mode": check, "_ansible_diff": True}}
        # The shell stays until the end: of a program that was killed in its place ssh says no more than of a connection that broke.
        command = f"cd /; PYTHONPATH=/opt/psw python3 -m ansible_collections.psw.ai.plugins.modules.{name}; exit $?"
        done = self._done(command, json.dumps(arguments))
        if done.returncode == KILLED:
            return None
        assert done.stdout.strip(), f"{name} ended with {done.returncode} and said: {done.stderr}"
        return json.loads(done.stdout)

    def kill_at(self, words):
        self.run("cat >/run/kill-at", data=words)

    def fault(self, *words):
        subprocess.run([sys.executable, "-m", "lab", "fault", "--name", self.lab.name, *words], cwd=REPO, check=True, capture_output=True)

    def containers(self):
        return json.loads(self.run("pvesh get /nodes/pve1/lxc --output-format json"))

    def remove_containers(self):
        for row in self.containers():
            vmid = row["vmid"]
            self.run(f"pct unlock {vmid}; pct stop {vmid}; pct destroy {vmid} --purge 1", check=False)


@pytest.fixture(scope="session")
def lab_node():
    if os.geteuid() != 0:
        pytest.skip("the lab needs root")
    node = Node(up(NAME, "rtx_3060", upstream_images=True))  # no image is pulled here, so none has to be built
    node.install()
    yield node
    if not os.environ.get("PSW_KEEP_LAB"):
        down(NAME)


@pytest.fixture
def node(lab_node):
    """The node without faults and without containers."""
    lab_node.fault()
    lab_node.run("rm -f /run/kill-at")
    lab_node.remove_containers()
    return lab_node
