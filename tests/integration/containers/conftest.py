# SPDX-License-Identifier: GPL-3.0-or-later
"""A real Debian 13 with systemd and podman, in a container of the lab's podman; modules run in it as they do on a target."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import ansible
import pytest

from lab import rootfs
from lab.host import install_programs
from lab.podman import container_defaults, kill_cgroup, podman, podman_command, start_detached

REPO = Path(__file__).parents[3]
PACKAGES = (
    "aardvark-dns", "busybox-static", "ca-certificates", "crun", "dbus", "iproute2", "netavark", "nftables", "podman", "procps", "python3", "systemd",
    "systemd-sysv",
)  # fmt: skip
KILLED = 128 + signal.SIGKILL  # the exit code that a shell and podman give to a program that was killed
# A program that is about to do what /run/kill-at says kills whoever asked for it instead: how a run dies between two steps.
KILLER = """\
#!/bin/sh
if [ -e /run/kill-at ] && echo "$0 $*" | grep -q -- "$(cat /run/kill-at)"; then rm /run/kill-at; kill -9 $PPID; exit 1; fi
exec /usr/bin/${0##*/} "$@"
"""
WEB_IMAGE = """\
mkdir -p /tmp/web/bin /tmp/web/www; cp /bin/busybox /tmp/web/bin/
for name in sh httpd cat echo true; do ln -sf busybox /tmp/web/bin/$name; done
echo '{"status": true}' >/tmp/web/www/ready
for tag in 1 2; do echo $tag >/tmp/web/tag; tar -C /tmp/web -c . | podman import --quiet - docker.io/psw/web:$tag; done
"""


class Machine:
    """The machine under test."""

    def __init__(self, name):
        self.name = name

    def run(self, *argv, stdin=None, check=True):
        done = subprocess.run(podman_command("exec", "-i", self.name, *argv), input=stdin or "", capture_output=True, text=True, check=False, timeout=300)
        assert not check or done.returncode == 0, done.stderr
        return done

    def write(self, path, text):
        self.run("sh", "-c", f"mkdir -p $(dirname {path}); cat >{path}", stdin=text)

    def read(self, path):
        return self.run("cat", path).stdout

    def exists(self, path):
        return self.run("test", "-e", path, check=False).returncode == 0

    def module(self, module, *, check=False, **options):
        """Run a module and return its result; None when it was killed."""
        arguments = {"ANSIBLE_MODULE_ARGS": {**options, "_ansible_check_mode": check, "_ansible_diff": True}}
        argv = ["env", "PYTHONPATH=/opt/psw", "python3", "-m", f"ansible_collections.psw.ai.plugins.modules.{module}"]
        done = self.run(*argv, stdin=json.dumps(arguments), check=False)
        if done.returncode == KILLED:
            return None
        assert done.stdout.strip(), f"{module} ended with {done.returncode} and said: {done.stderr}"
        return json.loads(done.stdout)

    def invocation(self, service):
        """Return what systemd calls this run of a service: it changes with every restart."""
        return self.run("systemctl", "show", "--value", "--property=InvocationID", service).stdout.strip()

    def kill_at(self, words):
        self.write("/run/kill-at", words)


def _wait_for_systemd(machine):
    end = time.monotonic() + 300
    while time.monotonic() < end:
        if machine.run("systemctl", "is-system-running", check=False).stdout.strip() in {"running", "degraded"}:
            return
        time.sleep(0.3)
    pytest.fail("the machine did not boot")


@pytest.fixture(scope="session")
def machine():
    if os.geteuid() != 0:
        pytest.skip("the lab's podman needs root")
    install_programs()
    archive = rootfs.build(rootfs.Recipe("containers-test", PACKAGES, ("rm -f /etc/machine-id; touch /etc/machine-id",), {}), ".tar")
    name = f"psw-containers-test-{os.getpid()}"
    image = f"localhost/{name}"
    podman("import", archive, image)
    mounts = [f"{REPO}:/opt/psw/ansible_collections/psw/ai:ro", f"{Path(ansible.__file__).parent}:/opt/psw/ansible:ro", "/var/lib/containers"]
    options = ["--privileged", "--cgroups=disabled", "--cgroupns=private", "--systemd=always", "--hostname=target", *(f"--volume={mount}" for mount in mounts)]
    start_detached(name, "run", "--detach", f"--name={name}", *options, image, "/lib/systemd/systemd")
    machine = Machine(name)
    try:
        machine.write("/etc/containers/containers.conf.d/00-lab.conf", container_defaults())
        for program in ("podman", "systemctl"):
            machine.write(f"/usr/local/bin/{program}", KILLER)
            machine.run("chmod", "755", f"/usr/local/bin/{program}")
        _wait_for_systemd(machine)
        machine.run("sh", "-ec", WEB_IMAGE)
        yield machine
    finally:
        podman("rm", "--force", "--volumes", "--time=5", name, check=False)
        kill_cgroup(name)
        podman("rmi", image, check=False)
