# SPDX-License-Identifier: GPL-3.0-or-later
"""``psw deploy``: bring reality to the plan."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import click
from ansible_collections.psw.ai.plugins.plugin_utils._catalog import Catalog
from ansible_collections.psw.ai.plugins.plugin_utils._errors import PlanError
from ansible_collections.psw.ai.plugins.plugin_utils._near import unknown
from ansible_collections.psw.ai.plugins.plugin_utils._notes import moves
from ansible_collections.psw.ai.plugins.plugin_utils._preflight import check, current_plan

from psw_cli.base import Nouns, Settings, Verb
from psw_cli.failures import not_built_yet, refused
from psw_cli.key import WEBUI, keyholders, names_of
from psw_cli.output import result, say
from psw_cli.play import Job, perform
from psw_cli.projects import alone
from psw_cli.summary import of_run

if TYPE_CHECKING:
    from collections.abc import Collection

    from ansible_collections.psw.ai.plugins.plugin_utils._project import Project

PLAYBOOK = "psw.ai.converge"
TAGS = ("targets", "apps", "verify")  # of the playbook
COMMANDS = {
    "converge": ("psw_cli.deploy:converge", "Make everything as planned; safe to repeat at any time."),
    "reset": ("psw_cli.deploy:reset", "Give consumers new keys; the old ones are dead at once."),
}


@click.command(cls=Nouns, table=COMMANDS)
def deploy() -> None:
    """Bring reality to the plan."""


@click.command(cls=Verb, ansible_args=True)
@click.option("--check", is_flag=True, help="Show what would change, change nothing.")
@click.option("--diff", is_flag=True, help="Show how files change.")
@click.option("--limit", metavar="HOSTS", help="Only these targets, such as psw-core.")
@click.option("--tags", metavar="TAGS", help="Only tasks with these tags, such as apps or verify.")
@click.pass_obj
def converge(settings: Settings, check: bool, diff: bool, limit: str | None, tags: str | None) -> None:  # noqa: FBT001 - click's flags
    """Make everything as planned; safe to repeat at any time.

    The plan is written first if there is none or if it no longer fits. With --check nothing is written or changed at all.
    """
    flags = {"--check": check, "--diff": diff}
    options = {"--limit": limit and f"{limit},localhost", "--tags": tags}  # localhost is where preflight runs
    args = [flag for flag, given in flags.items() if given]
    args += [part for option, value in options.items() if value for part in (option, value)]
    with alone(settings) as project:
        plan = _plan(project)
        _refuse_unknown("target", "--limit", limit, [*plan["targets"], "targets", *(f"app_{app}" for app in plan["apps"])])
        _refuse_unknown("tag", "--tags", tags, TAGS)
        for move in moves(plan, project.plan):
            say(f"note: {move}")
        written = project.write_plan(plan) if not check else False
        report = perform(project, settings, Job("deploy-converge", PLAYBOOK, "psw deploy converge", tuple(args)))
    text = of_run(report, check=check)
    result(settings, {"check": check, "plan_written": written, **report}, f"wrote deployment-plan.yml\n{text}" if written else text)


@click.command(cls=Verb, ansible_args=True)
@click.argument("names", metavar="[CONSUMER...]", nargs=-1, shell_complete=names_of)
@click.option("--destroy", is_flag=True, help="Remove targets (not built yet).")
@click.pass_obj
def reset(settings: Settings, names: tuple[str, ...], destroy: bool) -> None:  # noqa: FBT001 - click's flag
    """Give consumers new keys; the old ones are dead at once.

    Without names all consumers get new keys. Each key is changed on its own: whoever is not named keeps working. A consumer that is an
    app is given its new key; into your own programs you put theirs. Open WebUI is asked whether each new key works and each old one
    gets 401. With -- --check it only says what would happen.
    """
    if destroy:
        raise not_built_yet("psw deploy reset --destroy", "remove the target's container with pct destroy, then run psw deploy converge")
    with alone(settings) as project:
        holders = {holder["consumer"]: holder for holder in keyholders(project)}
        for name in names:
            if name not in holders:
                raise click.UsageError(unknown("consumer", name, holders), click.get_current_context())
        chosen = [holders[name] for name in dict.fromkeys(names or holders)]
        wishes = {"psw_key_state": "rotated", "psw_key_only": [holder["consumer"] for holder in chosen]}
        _told, report = WEBUI.ask(project, settings, "deploy-reset", wishes)
    done = [holder["consumer"] for holder in chosen]
    own = [f"{holder['consumer']}.{holder['secret']}" for holder in chosen if "app" not in holder]
    who = ", ".join(done)
    text = f"would give new keys to {who}" if settings.only_looks else f"new keys for {who}; the old ones get 401"
    if own and not settings.only_looks:
        text += "\nput the new ones into your own programs:" + "".join(f"\n  psw secrets show {name}" for name in own)
    result(settings, {"reset": done, **report}, text)


def _plan(project: Project) -> dict[str, Any]:
    """Return the plan to carry out; what can be known to fail is refused."""
    catalog = Catalog.load()
    plan = current_plan(project, catalog)
    if refusals := check(project, plan, catalog):
        raise refused(refusals)
    if not plan["targets"]:
        raise PlanError("there is nothing to run: psw.yml names no apps", "add some with: psw app add @ai")
    for app in plan["apps"]:
        project.overrides(app)  # a setting that its app does not have is an error with its line
    return plan


def _refuse_unknown(what: str, option: str, given: str | None, known: Collection[str]) -> None:
    """Fail for a name that there is not: Ansible would do nothing, and call that success. For no name at all it would do everything."""
    if given is None:
        return
    names = [name for name in re.split("[,:]", given) if name]
    if not names:
        raise click.UsageError(f"{option}: names nothing", click.get_current_context())
    for name in names:
        if name not in known and re.fullmatch(r"[\w-]+", name):
            raise click.UsageError(f"{option}: {unknown(what, name, known)}", click.get_current_context())
