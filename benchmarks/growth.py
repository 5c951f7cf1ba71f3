"""(b) How a converge with nothing to do grows with the number of targets, and how the same checks as a task each do.

The lab has one psw-core. The others are that very container by other names, each with SSH connections of its own to it and to its node: as many
targets on as many nodes for Ansible, but one machine that does the work of all. What is measured is the way from the controller and back.
"""

import json
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from benchmarks.checks import Check, Shell, collect
from benchmarks.converge import BIN, caller, connection, plain
from benchmarks.interleaved import ratio, seconds
from lab.project import LabProject
from lab.state import NODE
from psw_cli import runner

COUNTS = (1, 4, 16)
TARGET = "psw-core"
HEAD = "| targets | psw, s | times one target | a task per check, s | times one target | times psw |"
NOTE = (
    "A converge that changes nothing, of 1, 4 and 16 targets with PostgreSQL, Open WebUI and Caddy, each on a node of its own, in {rounds} rounds. Simulated: "
    "all are the lab's one psw-core under other names, with SSH connections of their own to it and to its node, so one machine of few cores does the work "
    "of the controller, of all nodes and of all targets; with machines of their own both ways grow less. psw's playbook runs with psw's settings (20 hosts at "
    "a time), the {checks} checks per target as a task each run with Ansible's own (5 at a time)."
)


def _names(name: str, count: int) -> list[str]:
    return [name, *(f"{name}-{number:02}" for number in range(2, count + 1))]


def _apart(scratch: Path, name: str) -> dict[str, str]:
    """Return what gives a name a connection of its own, where Ansible would share one per address."""
    return {"ansible_control_path": str(scratch / name)}


def _targets(project: LabProject, home: Path, count: int, scratch: Path) -> dict[str, Any]:
    """Return psw's own inventory of the project with so many targets on so many nodes."""
    command = [BIN / "ansible-inventory", "-i", project.path / "psw.yml", "--list"]
    listed = subprocess.run(command, env=project.environment, check=True, capture_output=True, text=True).stdout
    found = json.loads(listed, object_hook=lambda value: value.get("__ansible_unsafe", value))
    known = {host: {**facts, "psw_project_dir": str(home)} for host, facts in found.pop("_meta")["hostvars"].items()}
    nodes = {name: {**known[NODE], **_apart(scratch, name)} for name in _names(NODE, count)}
    targets = {}
    for name, node in zip(_names(TARGET, count), nodes, strict=True):
        vhosts = [{**vhost, "target": name} for vhost in known[TARGET]["psw_vhosts"]]  # each is the whole house
        targets[name] = {**known[TARGET], **_apart(scratch, name), "psw_node": node, "lxc_target_name": TARGET, "psw_vhosts": vhosts}
    apps = {name: {"hosts": dict.fromkeys(group["hosts"])} for name, group in found.items() if name.startswith("app_")}
    return {
        "vars": {name: value for name, value in known[TARGET].items() if known[NODE].get(name) == value},
        "hosts": {host: facts for host, facts in known.items() if host not in {NODE, TARGET}},
        "children": {"nodes": {"hosts": nodes}, "targets": {"hosts": targets}, **apps},
    }


def _psw(project: LabProject, count: int, scratch: Path) -> Callable[[], None]:
    home = scratch / "my-home"  # the real project does not know all these targets
    shutil.copytree(project.path, home)
    (scratch / "psw.yml").write_text(yaml.safe_dump({"all": _targets(project, home, count, scratch)}), encoding="utf-8")
    config = scratch / "psw.cfg"
    config.write_text(runner.CONFIG.replace("psw.ai.project, host_list", "yaml"), encoding="utf-8")
    environment = {**project.environment, **runner.environment(config)}
    run = caller(environment, sys.executable, "-P", "-m", "psw_cli._playbook", "-i", scratch / "psw.yml", "psw.ai.converge")
    run()  # the copies are remembered

    def converge() -> None:
        if set(re.findall(r"changed=(\d+)", run())) != {"0"}:
            raise SystemExit("a converge that should have had nothing to do changed something")

    return converge


def _plain(project: LabProject, checks: list[Check], address: str, count: int, scratch: Path) -> Callable[[], str]:
    def machines(name: str, address: str) -> dict[str, Any]:
        return {"hosts": {one: {**connection(address, project.lab.key, scratch), **_apart(scratch, one)} for one in _names(name, count)}}

    return plain(scratch, checks, {"children": {"nodes": machines(NODE, project.lab.node_address), "targets": machines(TARGET, address)}})


@contextmanager
def _many_at_once(shells: list[Shell]) -> Iterator[None]:
    """Let one sshd take the logins of as many machines as it stands for: it drops some of more than ten at once."""

    def everywhere(script: str) -> None:
        for shell in shells:
            shell.read("sh", "-c", f"{script}; systemctl reload ssh")

    file = "/etc/ssh/sshd_config.d/benchmark.conf"
    everywhere(f"echo MaxStartups 100 > {file}")
    try:
        yield
    finally:
        everywhere(f"rm {file}")


def _checks_of_one(project: LabProject) -> tuple[list[Check], str]:
    """Return the checks of one target, inside it and on its node, for the groups of both, and its address."""
    found, addresses = collect(project)
    listed = Shell(addresses[NODE], project.lab.key).read("pct", "list")
    vmid = next(line.split()[0] for line in listed.splitlines() if line.split()[-1] == TARGET)
    on_node = [replace(check, host="nodes") for check in found if check.host == NODE and check.name.split()[-1] == vmid]
    return on_node + [replace(check, host="targets") for check in found if check.host == TARGET], addresses[TARGET]


def run(project: LabProject, rounds: int = 3) -> str:
    """Return the Markdown section."""
    checks, address = _checks_of_one(project)
    shells = [Shell(machine, project.lab.key) for machine in (project.lab.node_address, address)]
    with tempfile.TemporaryDirectory() as name, _many_at_once(shells):
        actions: dict[str, Callable[[], object]] = {}
        for count in COUNTS:
            scratch = Path(name, str(count))
            scratch.mkdir()
            actions[f"psw {count}"] = _psw(project, count, scratch)
            actions[f"plain {count}"] = _plain(project, checks, address, count, scratch)
        taken = seconds(actions, rounds, warm_up=0)  # psw has been run once, and a round takes minutes
    lines = ["## As targets become more", "", HEAD, "|---:|---:|---:|---:|---:|---:|"]
    for count in COUNTS:
        ours, theirs = taken[f"psw {count}"], taken[f"plain {count}"]
        cells = [statistics.median(ours), ratio(ours, taken["psw 1"]), statistics.median(theirs), ratio(theirs, taken["plain 1"]), ratio(theirs, ours)]
        lines.append(f"| {count} | {' | '.join(f'{cell:.2f}' for cell in cells)} |")
    return "\n".join([*lines, "", NOTE.format(checks=len(checks), rounds=rounds), ""])
