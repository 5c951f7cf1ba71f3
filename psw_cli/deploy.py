# SPDX-License-Identifier: GPL-3.0-or-later
"""``psw deploy``: bring reality to the plan."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import click
from ansible_collections.psw.ai.plugins.plugin_utils._catalog import Catalog
from ansible_collections.psw.ai.plugins.plugin_utils._errors import PlanError
from ansible_collections.psw.ai.plugins.plugin_utils._near import unknown
from ansible_collections.psw.ai.plugins.plugin_utils._preflight import check, current_plan

from psw_cli.base import Nouns, Settings, Verb
from psw_cli.failures import refused
from psw_cli.output import result
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
}
LATER = {
    "reset": "remove the target's container with pct, and the key's line with sops, then run psw deploy converge",
}


@click.command(cls=Nouns, table=COMMANDS, later=LATER)
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
        written = project.write_plan(plan) if not check else False
        report = perform(project, settings, Job("deploy-converge", PLAYBOOK, "psw deploy converge", tuple(args)))
    text = of_run(report, check=check)
    result(settings, {"check": check, "plan_written": written, **report}, f"wrote deployment-plan.yml\n{text}" if written else text)


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
