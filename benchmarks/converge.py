"""(a) A converge with nothing to do, against the same checks as a task per file and state, and against pyinfra doing them."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml

from benchmarks.checks import Check, collect
from benchmarks.interleaved import measure, table
from lab.project import LabProject

BIN = Path(sys.executable).parent
PYINFRA = Path(__file__).parents[1] / ".venv-bench" / "bin" / "pyinfra"


def _literal(text: str) -> str:
    """Return text that Ansible takes as it is: podman's formats look like Jinja."""
    return f"{{% raw %}}{text}{{% endraw %}}" if "{" in text else text


def _task(check: Check) -> dict[str, Any]:
    """Return the check as the task that anybody would write first."""
    builtin = "ansible.builtin."
    match check.kind:
        case "package":
            action: dict[str, Any] = {f"{builtin}apt": {"name": check.name, "state": "present"}}
        case "directory":
            action = {f"{builtin}file": {"path": check.name, "state": "directory", "mode": check.mode}}
        case "file":
            action = {f"{builtin}copy": {"dest": check.name, "content": _literal(check.content), "mode": check.mode}}
        case "service":
            action = {f"{builtin}systemd_service": {"name": check.name, "state": "started"}}
        case _:
            action = {f"{builtin}shell": _literal(check.name), "register": "seen", "changed_when": False}
            if check.expect:
                action["failed_when"] = f"{json.dumps(check.expect)} not in seen.stdout"
    return {"name": _literal(f"{check.kind} {check.name}"), **action}


def playbook(checks: list[Check]) -> str:
    """Return a playbook with a task per check, with default settings throughout; the checks' hosts may be groups."""
    hosts = list(dict.fromkeys(check.host for check in checks))
    plays = [{"name": host, "hosts": host, "tasks": [_task(check) for check in checks if check.host == host]} for host in hosts]
    return yaml.safe_dump(plays, sort_keys=False, width=10000)


# pyinfra runs this file once per host; the checks come by file, because a deploy has no other arguments.
DEPLOY = """
import json, os
from io import StringIO
from pyinfra import host
from pyinfra.operations import apt, files, server, systemd

for check in host.loop(json.load(open(os.environ["CHECKS"]))):  # its own loop keeps the order of operations
    if check["host"] != host.data.name:
        continue
    kind, name = check["kind"], check["name"]
    if kind == "package":
        apt.packages(packages=[name])
    elif kind == "directory":
        files.directory(path=name, mode=check["mode"])
    elif kind == "file":
        files.put(src=StringIO(check["content"]), dest=name, mode=check["mode"])
    elif kind == "service":
        systemd.service(service=name, running=True)
    else:
        server.shell(commands=[f"({name}) | grep -qF -- '{check['expect']}'" if check["expect"] else name])
"""


def caller(environment: dict[str, str], *command: str | Path) -> Callable[[], str]:
    """Return an action that runs a command, which must succeed, and returns what it printed."""

    def call() -> str:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
        if done.returncode != 0:
            raise SystemExit(f"{command[0]} ended with {done.returncode}:\n{(done.stdout + done.stderr)[-3000:]}")
        return done.stdout

    return call


def connection(address: str, key: Path, scratch: Path) -> dict[str, str]:
    """Return the variables with which plain Ansible reaches a machine of the lab."""
    return {
        "ansible_host": address,
        "ansible_user": "root",
        "ansible_ssh_private_key_file": str(key),
        "ansible_ssh_common_args": f"-o StrictHostKeyChecking=no -o UserKnownHostsFile={scratch}/known_hosts",
    }


def plain(scratch: Path, checks: list[Check], inventory: dict[str, Any]) -> Callable[[], str]:
    """Return an action in which ansible-playbook makes the checks with default settings."""
    (scratch / "plain.yml").write_text(playbook(checks), encoding="utf-8")
    (scratch / "hosts.yml").write_text(yaml.safe_dump({"all": inventory}), encoding="utf-8")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}  # default settings means no settings
    (scratch / "ansible.cfg").touch()
    environment["ANSIBLE_CONFIG"] = str(scratch / "ansible.cfg")
    return caller(environment, BIN / "ansible-playbook", "-i", scratch / "hosts.yml", scratch / "plain.yml")


def _pyinfra(scratch: Path, checks: list[Check], addresses: dict[str, str], key: Path) -> Callable[[], str]:
    (scratch / "checks.json").write_text(json.dumps([asdict(check) for check in checks]), encoding="utf-8")
    (scratch / "deploy.py").write_text(DEPLOY, encoding="utf-8")
    data = {"ssh_user": "root", "ssh_key": str(key), "ssh_strict_host_key_checking": "off", "ssh_known_hosts_file": str(scratch / "known_hosts")}
    hosts = [(address, {"name": name, **data}) for name, address in addresses.items()]
    (scratch / "inventory.py").write_text(f"machines = {hosts!r}\n", encoding="utf-8")
    environment = {**os.environ, "CHECKS": str(scratch / "checks.json")}
    return caller(environment, PYINFRA, "-y", scratch / "inventory.py", scratch / "deploy.py")


def run(project: LabProject, rounds: int = 5) -> str:
    """Return the Markdown section."""
    checks, addresses = collect(project)
    with tempfile.TemporaryDirectory() as name:
        scratch, reference = Path(name), "`psw deploy converge`"
        hosts = {name: connection(address, project.lab.key, scratch) for name, address in addresses.items()}
        rows = measure(
            {
                reference: lambda: project.run("deploy", "converge"),
                "ansible-playbook, a task per check, default settings": plain(scratch, checks, {"hosts": hosts}),
                "pyinfra, an operation per check": _pyinfra(scratch, checks, addresses, project.lab.key),
            },
            reference=reference,
            rounds=rounds,
        )
    kinds = {kind: sum(check.kind == kind for check in checks) for kind in ("package", "directory", "file", "service", "command")}
    listed = ", ".join(f"{count} {kind} checks" for kind, count in kinds.items())
    note = (
        f"A second converge of @ai, which changes nothing, on one node and two targets. The contenders make the {len(checks)} checks of `benchmarks/checks.py` "
        f"({listed}); psw makes these and more: it also loads the model and proves it on the GPU, validates keys, and compares secrets. pyinfra runs in an "
        "environment of its own: Ansible would load the libraries that it brings."
    )
    return table("A converge with nothing to do", rows, note, unit="s")
