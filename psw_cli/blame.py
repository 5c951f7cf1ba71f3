# SPDX-License-Identifier: GPL-3.0-or-later
"""Say which layer of a run failed: a node, a target, an app, or the project on this machine."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

from psw_cli import exits
from psw_cli.events import OTHER_HOST_KEY
from psw_cli.failures import Failure

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ansible_collections.psw.ai.plugins.plugin_utils._project import Project

    from psw_cli.events import Problem, Run

SSH_PORT = 22
DENIED = "Permission denied ("  # ssh, with the ways to log in that the other side has


def failure(project: Project, state: Run, log: str, report: dict[str, Any]) -> Failure:
    """Return the failure of a run; the first problem decides, since the later ones mostly follow from it."""
    at = f"the log of this run: {log}"
    if not state.problems:
        why = state.errors[0] if state.errors else "ansible-playbook ended without saying why"
        return Failure("run_failed", why, at, exits.FAILED, report)
    first = state.problems[0]
    others = len({problem.host for problem in state.problems} - {first.host})
    layer = layer_of(project, first)
    report = {**report, "layer": layer, "host": first.where, "task": first.task}
    if first.kind == "refused":
        refusals = first.refusals
        more = {"refusals": refusals} if len(refusals) > 1 else {}
        return Failure(refusals[0]["code"], refusals[0]["message"], refusals[0].get("hint", ""), exits.REFUSED, {**report, **more})
    if first.kind == "unreachable":
        return Failure("unreachable", f"{layer} cannot be reached: {first.reason}", f"{_try(project, first)}; {at}", exits.UNREACHABLE, report)
    also = f" (and {others} more {'host' if others == 1 else 'hosts'})" if others else ""
    return Failure("run_failed", f"{layer}, task {first.task!r} failed{also}: {first.reason}", at, exits.FAILED, report)


def layer_of(project: Project, problem: Problem) -> str:
    """Name the layer in which a task ran."""
    targets, apps = (project.plan or {}).get("targets", {}), (project.plan or {}).get("apps", {})
    if problem.kind != "unreachable" and problem.role in apps:
        return f"app {problem.role} on {problem.where}"
    role = f", role {problem.role}" if problem.role and problem.kind != "unreachable" else ""
    if problem.where in project.wishes["nodes"]:
        return f"node {problem.where}{role}"
    if problem.where in targets:
        return f"target {problem.where}{role}"
    if problem.where == "localhost":
        return f"this machine{role or ', play ' + repr(problem.play)}"
    return f"{problem.where}{role}"


def _try(project: Project, problem: Problem) -> str:
    """Tell what to try when a machine does not answer, or does not let psw in."""
    node = project.wishes["nodes"].get(problem.where)
    if not node:
        return "see on its node whether it runs: pct list; if it has another address or other keys now: psw deploy converge"
    if DENIED in problem.reason:
        return f"psw logs in with a key only: ssh-copy-id {_login(node)}, or, if your key has a passphrase: ssh-add"
    if problem.reason.startswith(OTHER_HOST_KEY):
        name = node["host"] if node["port"] == SSH_PORT else f"[{node['host']}]:{node['port']}"
        return f"if it was installed anew: ssh-keygen -R {shlex.quote(name)} -f {shlex.quote(problem.reason.removeprefix(OTHER_HOST_KEY))}"
    return f"try: {ssh(node)}; the address stands in psw.yml"


def ssh(node: Mapping[str, Any]) -> str:
    """Return the command that logs in to a node."""
    return f"ssh {_login(node)}"


def _login(node: Mapping[str, Any]) -> str:
    """Return what ssh and its like are told of a node."""
    port = f"-p {node['port']} " if node["port"] != SSH_PORT else ""
    key = f"-i {node['ssh_key']} " if node["ssh_key"] else ""
    return f"{port}{key}{node['user']}@{node['host']}"
