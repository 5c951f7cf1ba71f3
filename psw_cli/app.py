# SPDX-License-Identifier: GPL-3.0-or-later
"""``psw app``: which apps the user wants."""

from __future__ import annotations

from typing import Any

import click
from ansible_collections.psw.ai.plugins.plugin_utils._catalog import Catalog

from psw_cli.base import Nouns, Settings, Verb
from psw_cli.output import result, table
from psw_cli.projects import alone, opened

COMMANDS = {
    "add": ("psw_cli.app:add", "Want apps, or a whole @STACK."),
    "remove": ("psw_cli.app:remove", "No longer want apps."),
    "list": ("psw_cli.app:list_", "Show which apps there are and which run."),
}


@click.command(cls=Nouns, table=COMMANDS)
def app() -> None:
    """The apps you want."""


def names_of(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """Return the apps and stacks that begin like this, for the shell's completion."""
    catalog = Catalog.load()
    stacks = [f"@{name}" for name, entry in catalog.stacks.items() if entry.get("built", True)]
    return [name for name in (*catalog.apps, *stacks) if name.startswith(incomplete)]


@click.command(cls=Verb)
@click.argument("names", metavar="NAME|@STACK...", nargs=-1, required=True, shell_complete=names_of)
@click.pass_obj
def add(settings: Settings, names: tuple[str, ...]) -> None:
    """Want apps, or a whole @STACK.

    \b
    psw app add @ai
    """  # noqa: D301 - click's mark for lines to keep as they are
    with alone(settings) as project:
        came = project.add_apps(names)
        wished = project.wishes["apps"]
    text = "\n".join(f"added {name}" + ("" if reason == "wished" else f" ({reason})") for name, reason in came)
    done = f"{text}\nnext: psw deploy converge" if came else f"nothing to add: {', '.join(names)} was there"
    result(settings, {"changed": bool(came), "added": _as_json(came), "apps": wished}, done)


@click.command(cls=Verb)
@click.argument("names", metavar="NAME|@STACK...", nargs=-1, required=True, shell_complete=names_of)
@click.pass_obj
def remove(settings: Settings, names: tuple[str, ...]) -> None:
    """No longer want apps.

    An app that others need is not removed; the apps that came only because of it leave with it.
    """
    with alone(settings) as project:
        left = project.remove_apps(names)
        wished = project.wishes["apps"]
    text = "\n".join(f"removed {name}" + ("" if reason == "wished" else f" (was {reason})") for name, reason in left)
    result(settings, {"changed": bool(left), "removed": _as_json(left), "apps": wished}, f"{text}\nnext: psw deploy converge")


@click.command("list", cls=Verb)
@click.pass_obj
def list_(settings: Settings) -> None:
    """Show which apps there are and which run."""
    project, catalog = opened(settings), Catalog.load()
    reasons = dict(catalog.expand(project.wished_apps(catalog)))
    apps = [{"name": name, "state": reasons.get(name, "available"), "summary": entry["summary"]} for name, entry in catalog.apps.items()]
    stacks = [_stack(name, catalog) for name in catalog.stacks]
    text = table(("name", "state", "what it is"), [(row["name"], row["state"], row["summary"]) for row in (*apps, *stacks)])
    result(settings, {"apps": apps, "stacks": stacks}, text)


def _stack(name: str, catalog: Catalog) -> dict[str, Any]:
    entry = catalog.stacks[name]
    state = ", ".join(entry["apps"]) if entry.get("built", True) else "not built yet"
    return {"name": f"@{name}", "state": state, "summary": entry["summary"], "apps": entry["apps"]}


def _as_json(apps: list[tuple[str, str]]) -> list[dict[str, str]]:
    return [{"app": name, "reason": reason} for name, reason in apps]
