# SPDX-License-Identifier: GPL-3.0-or-later
"""``psw doctor``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
from ansible_collections.psw.ai.plugins.plugin_utils import _targets

from psw_cli import exits
from psw_cli.base import Settings, Verb
from psw_cli.blame import ssh
from psw_cli.events import Run
from psw_cli.failures import Failure
from psw_cli.output import count, result
from psw_cli.play import Job, perform
from psw_cli.projects import opened

if TYPE_CHECKING:
    from ansible_collections.psw.ai.plugins.plugin_utils._project import Project

PLAYBOOK = "psw.ai.doctor"


@click.command(cls=Verb, ansible_args=True)
@click.pass_obj
def doctor(settings: Settings) -> None:
    """Name what is wrong with a GPU, and the command that heals it.

    Compares every node, and every target that uses its GPU, with what `psw node setup-gpu` recorded, and looks whether the engine there
    runs its models on the GPU. Changes nothing.
    The exit code is 0 when all is well, 1 when something is wrong, and 4 when a machine could not be asked.
    """
    project, state, trouble = opened(settings), Run(), None
    try:
        perform(project, settings, Job("doctor", PLAYBOOK, "psw doctor", ("--skip-tags", "fail"), secrets=False), state)
    except Failure as failure:
        trouble = failure
    found = findings(project, state)
    asked = sorted(state.told)
    data = {"findings": found, "asked": asked}
    if trouble is None and found:
        rest = "" if len(found) == 1 else f", and {count(len(found) - 1, 'more thing')}"
        message = f"the {found[0]['layer']} of {found[0]['host']} is wrong{rest}"
        trouble = Failure("findings", message, "each finding names the command that heals it; start with the first", exits.FAILED)
    text = "\n\n".join(_shown(each) for each in found) or _healthy(asked)
    if trouble is None:
        result(settings, data, text)
        return
    trouble.data.update(data)
    if text and not settings.json:
        click.echo(text)
    raise trouble


def findings(project: Project, state: Run) -> list[dict[str, Any]]:
    """Return what each host found, with commands that can be typed where psw runs; nodes come first, since targets rest on them."""
    known, nodes, targets = _targets.read(project.path), list(project.wishes["nodes"]), (project.plan or {}).get("targets", {})
    troubled = {host for host, told in state.told.items() if told.get("psw_findings")}
    found = []
    for host, told in sorted(state.told.items(), key=lambda item: (item[0] not in nodes, item[0])):
        for each in told.get("psw_findings", []):
            if each["inherited"] and targets.get(host, {}).get("node") in troubled:
                continue
            heal = _from_here(project, host, known, each["heal"]) if each["there"] else each["heal"]
            found.append({"host": host, **{key: each[key] for key in ("id", "layer", "message")}, "heal": heal})
    return found


def _from_here(project: Project, host: str, known: dict[str, dict[str, Any]], command: str) -> str:
    """Return a command that runs another one on a host; the way into a target that always works leads through its node."""
    targets = (project.plan or {}).get("targets", {})
    if host in targets:
        return f"{ssh(project.node(targets[host]['node']))} pct exec {known[host]['vmid']} -- {command}"
    return f"{ssh(project.node(host))} {command}"


def _shown(each: dict[str, Any]) -> str:
    return f"{each['host']}: {each['layer']} ({each['id']})\n  {each['message']}\n  heal: {each['heal']}"


def _healthy(asked: list[str]) -> str:
    return f"all is as recorded: {', '.join(asked)}" if asked else ""
