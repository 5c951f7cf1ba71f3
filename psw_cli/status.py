# SPDX-License-Identifier: GPL-3.0-or-later
"""``psw status``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
from ansible_collections.psw.ai.plugins.plugin_utils import _targets
from ansible_collections.psw.ai.plugins.plugin_utils._catalog import Catalog

from psw_cli import exits
from psw_cli.base import Settings, Verb
from psw_cli.events import Run
from psw_cli.failures import Failure
from psw_cli.output import result, table
from psw_cli.play import Job, perform
from psw_cli.projects import opened

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ansible_collections.psw.ai.plugins.plugin_utils._project import Project

PLAYBOOK = "psw.ai.status"
UNKNOWN = "unknown"  # the target was not asked, since nobody knows where it is
# What systemd says, in the words of people; anything else is shown as systemd says it.
WORDS = {"active": "running", "activating": "starting", "deactivating": "stopping", "inactive": "stopped", "failed": "failed"}


@click.command(cls=Verb, ansible_args=True)
@click.pass_obj
def status(settings: Settings) -> None:
    """Show what runs where.

    Asks every target; changes nothing. With a target that cannot be reached the exit code is 4, and the others are shown.
    """
    project = opened(settings)
    if not project.plan:
        result(settings, {"apps": []}, "nothing is deployed yet; do so with: psw deploy converge")
        return
    state, trouble = Run(), None
    try:
        perform(project, settings, Job("status", PLAYBOOK, "psw status", secrets=False), state)
    except Failure as failure:
        if failure.exit_code != exits.UNREACHABLE:
            raise
        trouble = failure
    apps = rows(project, state)
    text = table(("app", "target", "state", "address", "url"), [list(app.values()) for app in apps])
    if nowhere := ", ".join(dict.fromkeys(app["target"] for app in apps if app["state"] == UNKNOWN)):
        text += f"\n\nno address is known of {nowhere}; psw deploy converge finds it"
    if trouble is None:
        result(settings, {"apps": apps}, text)
        return
    trouble.data["apps"] = apps
    if not settings.json:
        click.echo(text)
    raise trouble


def rows(project: Project, state: Run) -> list[dict[str, Any]]:
    """Return a row for each planned app, with what its target said about it."""
    catalog, known, plan = Catalog.load(), _targets.read(project.path), project.plan or {"apps": {}}
    lost = {problem.host for problem in state.problems if problem.kind == "unreachable"}
    states = {host: units(told.get("psw_units", "")) for host, told in state.told.items()}

    def state_of(app: str, target: str) -> str:
        if target in lost:
            return "unreachable"
        if target not in states and not known.get(target, {}).get("address"):
            return UNKNOWN
        return states.get(target, {}).get(app, "not deployed")

    found = []
    for app, planned in plan["apps"].items():
        target = planned["target"]
        vhost = catalog.apps.get(app, {}).get("vhost")
        found.append(
            {
                "app": app,
                "target": target,
                "state": state_of(app, target),
                "address": known.get(target, {}).get("address"),
                "url": f"https://{vhost['name']}.{plan['domain']}" if vhost else None,
            }
        )
    return found


def units(text: str) -> dict[str, str]:
    """Return the state of each app in the output of ``systemctl show``: a block of ``key=value`` lines per unit."""
    states = {}
    for block in text.strip().split("\n\n"):
        unit = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
        if "Id" in unit:
            there = unit.get("LoadState") != "not-found"
            states[unit["Id"].removesuffix(".service")] = _word(unit) if there else "not deployed"
    return states


def _word(unit: Mapping[str, str]) -> str:
    """Return a unit's state in a word; one that ended and is tried again in a moment, for ever if need be, is not on its way."""
    return "failing" if unit.get("SubState") == "auto-restart" else WORDS.get(unit["ActiveState"], unit["ActiveState"])
