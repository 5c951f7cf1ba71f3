# SPDX-License-Identifier: GPL-3.0-or-later
"""``psw key``: the keys by which programs use Open WebUI's API."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import click
from ansible_collections.psw.ai.plugins.plugin_utils._catalog import Catalog
from ansible_collections.psw.ai.plugins.plugin_utils._consumers import GIVES_KEYS, consumers
from ansible_collections.psw.ai.plugins.plugin_utils._errors import PswError

from psw_cli.asked import Asked
from psw_cli.base import Nouns, Settings, Verb
from psw_cli.output import result, table
from psw_cli.projects import opened

if TYPE_CHECKING:
    from ansible_collections.psw.ai.plugins.plugin_utils._project import Project

WEBUI = Asked(
    GIVES_KEYS,
    "psw.ai.keys",
    answer="psw_keys",
    not_deployed="Open WebUI is not deployed yet, and it is what gives out keys",
    left_undone="Open WebUI was not asked about the keys",
)
COMMANDS = {"list": ("psw_cli.key:list_", "Show who has a key, whether it works, and how much it is used.")}
WORDS = {"drift": "changed"}  # the key may work or not; all other states are shown as the module says them
UNITS = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))


@click.command(cls=Nouns, table=COMMANDS)
def key() -> None:
    """The keys by which programs use the API."""


@click.command("list", cls=Verb, ansible_args=True)
@click.pass_obj
def list_(settings: Settings) -> None:
    """Show who has a key, whether it works, and how much it is used.

    Asks Open WebUI; changes nothing and never shows a key. Requests and tokens are those in Open WebUI's audit log.
    """
    project = opened(settings)
    holders = keyholders(project)
    told, _report = WEBUI.ask(project, settings, "key-list", {"psw_key_state": "validated"})
    keys = [_row(holder, told) for holder in holders]
    result(settings, {"keys": keys}, table(("consumer", "role", "key", "age", "last used", "requests", "tokens"), [_shown(row, time.time()) for row in keys]))


def keyholders(project: Project) -> list[dict[str, str]]:
    """Return all consumers of what is planned; without an Open WebUI that could know them it is a refusal."""
    return consumers(project, Catalog.load(), WEBUI.planned(project))


def ago(moment: float | None, now: float) -> str | None:
    """Return how long ago that was, in its largest unit: ``3 d``."""
    if moment is None:
        return None
    passed = max(int(now - moment), 0)
    size, unit = next((pair for pair in UNITS if passed >= pair[0]), UNITS[-1])
    return f"{passed // size} {unit}"


def names_of(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """Return the consumers that begin like this, for the shell's completion."""
    try:
        project = opened(ctx.ensure_object(Settings))
        known = consumers(project, Catalog.load(), (project.plan or {"apps": {}})["apps"])
    except PswError:
        return []  # whoever presses Tab is not told what is wrong with the project
    return [item["consumer"] for item in known if item["consumer"].startswith(incomplete)]


def _row(holder: dict[str, str], told: dict[str, Any]) -> dict[str, Any]:
    """Return what is known of one consumer's key."""
    status = next((item["status"] for item in told["psw_keys"] if item["consumer"] == holder["consumer"]), "not minted yet")
    usage = told["psw_key_usage"].get(holder["email"], {})
    known = {name: usage.get(name) for name in ("created_at", "last_used_at", "requests", "tokens")}
    state = WORDS.get(status, status) if usage else "missing"
    return {"consumer": holder["consumer"], "app": holder.get("app"), "role": holder["role"], "state": state, **known}


def _shown(row: dict[str, Any], now: float) -> tuple[object, ...]:
    ages = (ago(row["created_at"], now), ago(row["last_used_at"], now))
    return (row["consumer"], row["role"], row["state"], *ages, row["requests"], row["tokens"])
