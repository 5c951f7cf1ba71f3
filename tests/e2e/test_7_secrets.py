# SPDX-License-Identifier: GPL-3.0-or-later
"""While keys come, change and go, and while a run fails, no secret is anywhere but where docs/security.md says."""

import json
import re
import subprocess
import threading
import uuid
from pathlib import Path

import pytest

from lab.state import NODE

pytestmark = pytest.mark.e2e
# Of podman and PostgreSQL, on a target: the exceptions in docs/security.md. podman's own store keeps values as base64.
EXCEPTIONS = (
    r"/var/lib/containers/storage/overlay-containers/\w+/userdata/(config\.json|secrets/\w+)",
    r"/run/crun/\w+/config\.json",
    r"/srv/postgres/pgdata/.*",
)
# Every file but an image's; what a container changed in its image is looked at too. What to look for comes by stdin and lies in memory.
SEARCH = """
wanted=$(mktemp -p /dev/shm) && cat > $wanted
changed=$(podman ps -aq 2>/dev/null | xargs -r podman inspect --format '{{.GraphDriver.Data.UpperDir}}')
find /etc /home /opt /root /run /srv /tmp /usr/local /var $changed -xdev -path '*/storage/overlay' -prune -o -type f -size -64M -print0 2>/dev/null |
    xargs -0 grep -laF -f $wanted 2>/dev/null
rm $wanted
"""
# What was written here since the project was made, but for what other tests wrote about the process list.
SEARCH_HERE = """
wanted=$(mktemp -p /dev/shm) && cat > $wanted
find /dev/shm /tmp /var/log /var/tmp {home} {project} -xdev -newer {project}/.gitignore -type f -size -64M \\
        -not -path '*/pytest-of-*' -not -path $wanted -print0 2>/dev/null |
    xargs -0 grep -laF -f $wanted 2>/dev/null
rm $wanted
"""
JOURNAL = "journalctl --no-pager --quiet --output=export | tr -cd '[:print:]\\n'"


def git(project, *words):
    command = ["git", "-c", "user.name=me", "-c", "user.email=me@home.example", *words]
    return subprocess.run(command, cwd=project.path, check=True, capture_output=True, text=True, errors="replace").stdout


def commit(project):
    git(project, "add", "--all")
    git(project, "commit", "--quiet", "--allow-empty", "--message", "As it is now")


def values(project):
    """Return every secret of the project as it is now."""
    command = ["sops", "decrypt", "--output-type", "json", project.path / "secrets" / "apps.yml"]
    apps = json.loads(subprocess.run(command, env=project.environment, check=True, capture_output=True, text=True).stdout)["apps"]
    return {value for names in apps.values() for value in names.values()}


class Sampler:
    """Reads command lines and environments of all processes, over and over; those of the lab's node and targets are processes of this machine."""

    def __init__(self):
        self.seen = {"cmdline": set(), "environ": set()}
        self.core_limits = set()  # of the program in the container, which holds all keys
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_exc):
        self._stop.set()
        self._thread.join()

    def _watch(self):
        while not self._stop.wait(0.02):
            for process in Path("/proc").glob("[0-9]*"):
                try:
                    self.seen["cmdline"].add(words := (process / "cmdline").read_bytes())
                    if words == b"python\0-\0":
                        self.core_limits.add(re.search(r"Max core file size +(\w+)", (process / "limits").read_text())[1])
                    if b"libpod" not in (process / "cgroup").read_bytes():  # an app's own environment is an exception, in memory
                        self.seen["environ"].add((process / "environ").read_bytes())
                except OSError:
                    continue


@pytest.fixture(scope="module")
def life(project, converged, machines):
    """Let keys come, change and go, and a run fail; return all secrets that there ever were, and what was seen meanwhile."""
    git(project, "init", "--quiet")
    commit(project)
    secrets, printed = values(project), []

    def psw(*words, check=True):
        done = project.run(*words, check=check)
        printed.append(done.stdout + done.stderr)
        secrets.update(values(project))
        commit(project)
        return done

    with Sampler() as sampler:
        project.run("consumer", "add", "e2e-scan")  # prints the key, this once
        secrets |= values(project)
        psw("deploy", "reset", "e2e-scan", "--", "-vvv")
        psw("deploy", "converge", "-vvv")
        machines.target("openwebui", "systemctl stop openwebui")
        assert psw("deploy", "reset", "--", "-vvv", check=False).returncode == 1
        psw("deploy", "converge")
        psw("consumer", "remove", "e2e-scan")
        playbook = f"ansible-playbook -vvv -i {project.path}/psw.yml psw.ai.converge"
        done = subprocess.run(playbook, shell=True, cwd="/", env=project.environment, check=True, capture_output=True, text=True)
        printed.append(done.stdout + done.stderr)
    secrets |= set(re.findall("AGE-SECRET-KEY-[A-Z0-9]+", project.identity.read_text(encoding="utf-8")))
    assert len(secrets) > 6
    return secrets, {**sampler.seen, "core limits": sampler.core_limits}, "".join(printed)


def found(secrets, text):
    data = text if isinstance(text, bytes) else text.encode()
    return [secret[:6] + "…" for secret in secrets if secret.encode() in data]


def test_no_secret_was_printed(life):
    secrets, _seen, printed = life
    assert "TASK [" in printed
    assert found(secrets, printed) == []


@pytest.mark.parametrize("what", ["cmdline", "environ"])
def test_no_secret_was_in_the_process_list(life, what):
    secrets, seen, _printed = life
    assert any(b"psw_cli._playbook" in text for text in seen["cmdline"])
    assert any(text.startswith(b"python\0-") for text in seen["cmdline"]), "the program in the container was not seen"
    assert found(secrets, b"\n".join(seen[what])) == []


def test_no_secret_is_in_git_or_in_what_psw_keeps(life, project):
    secrets, _seen, _printed = life
    history = git(project, "cat-file", "--batch-all-objects", "--batch")
    assert "ENC[AES256_GCM" in history
    assert found(secrets, history) == []
    kept = b"".join(file.read_bytes() for file in (project.path / ".psw").rglob("*") if file.is_file())
    assert b"TASK [" in kept
    assert found(secrets, kept) == []


def test_no_secret_is_on_the_controller(life, project):
    secrets, _seen, _printed = life
    planted = Path("/dev/shm") / uuid.uuid4().hex  # so that a search that finds nothing is known
    planted.write_text(planted.name, encoding="utf-8")
    search = SEARCH_HERE.format(home=Path.home(), project=project.path)
    try:
        done = subprocess.run(search, shell=True, input="\n".join([*secrets, planted.name]), check=True, capture_output=True, text=True)
    finally:
        planted.unlink()
    assert done.stdout.splitlines() == [str(planted)]


@pytest.mark.parametrize("machine", ["pve1", "openwebui", "ollama"])
def test_no_secret_is_on_a_disk_or_in_a_journal_but_where_it_belongs(life, project, machines, machine):
    secrets, _seen, _printed = life
    address = project.lab.node_address if machine == NODE else project.address(machine)
    files = machines.ssh(address, SEARCH, stdin="\n".join(secrets)).stdout.splitlines()
    assert [file for file in files if not any(re.fullmatch(exception, file) for exception in EXCEPTIONS)] == []
    if machine == "openwebui":
        assert {exception for exception in EXCEPTIONS if any(re.fullmatch(exception, file) for file in files)} == set(EXCEPTIONS), "the search finds nothing"
    journal = machines.ssh(address, JOURNAL).stdout
    assert "_SYSTEMD_UNIT=" in journal
    assert found(secrets, journal) == []


@pytest.mark.parametrize("app", ["openwebui", "ollama"])
def test_no_secret_is_in_what_podman_and_systemd_tell(life, machines, app):
    secrets, _seen, _printed = life
    told = machines.target(app, "podman ps -aq | xargs podman inspect; systemctl show '*.service'; cat /run/systemd/generator/*.service").stdout
    assert app in told
    assert found(secrets, told) == []


def test_the_program_that_holds_all_keys_writes_no_memory_to_the_disk_when_it_crashes(life):
    _secrets, seen, _printed = life
    assert seen["core limits"] == {"0"}


@pytest.mark.parametrize("app", ["openwebui", "ollama"])
def test_no_app_writes_its_memory_to_the_disk_when_it_crashes(machines, app):
    limits = machines.target(
        app, "for pid in $(podman ps --quiet | xargs podman inspect --format '{{.State.Pid}} {{.State.ConmonPid}}'); do grep core /proc/$pid/limits; done"
    )
    assert {tuple(line.split()[4:6]) for line in limits.stdout.splitlines()} == {("0", "0")}
