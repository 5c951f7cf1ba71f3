# SPDX-License-Identifier: GPL-3.0-or-later
"""``psw plan``."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import click
from ansible_collections.psw.ai.plugins.plugin_utils._catalog import Catalog
from ansible_collections.psw.ai.plugins.plugin_utils._preflight import check, current_plan

from psw_cli.base import Settings, Verb
from psw_cli.failures import refused
from psw_cli.output import result, table
from psw_cli.projects import alone, opened


@click.command(cls=Verb)
@click.option("--write", is_flag=True, help="Write it to deployment-plan.yml.")
@click.pass_obj
def plan(settings: Settings, write: bool) -> None:  # noqa: FBT001 - click's flag
    """Show what would run where.

    `psw deploy converge` writes the plan by itself when there is none or when it no longer fits; write and commit it
    first to have it reviewed.
    """
    with alone(settings) if write else nullcontext(opened(settings)) as project:
        catalog = Catalog.load()
        wanted = current_plan(project, catalog)
        if refusals := check(project, wanted, catalog):
            raise refused(refusals)
        fresh = project.plan == wanted
        written = project.write_plan(wanted) if write else False
    state = "written to deployment-plan.yml" if written else "as in deployment-plan.yml" if fresh else "not written yet: psw plan --write"
    result(settings, {"plan": wanted, "current": fresh or written, "written": written}, f"{as_text(wanted)}\n\n{state}")


def as_text(wanted: dict[str, Any]) -> str:
    """Return a plan as a table of targets and a tree of what runs on them."""
    if not wanted["targets"]:
        return "nothing to run: psw.yml names no apps; add some with: psw app add @ai"
    rows = [
        (name, target["node"], (target["gpu"] or {}).get("vendor"), target["cores"], target["memory_mib"], target["rootfs_gib"])
        for name, target in wanted["targets"].items()
    ]
    return table(("target", "node", "gpu", "cores", "memory mib", "disk gib"), rows) + "\n\n" + "\n".join(_tree(wanted))


def _tree(wanted: dict[str, Any]) -> list[str]:
    lines = [wanted["domain"]]
    nodes: dict[str, list[str]] = {}
    for name, target in wanted["targets"].items():
        nodes.setdefault(target["node"], []).append(name)
    for node, targets in nodes.items():
        last_node = node == list(nodes)[-1]
        lines.append(f"{'└─' if last_node else '├─'} {node}")
        for name in targets:
            lines += [("   " if last_node else "│  ") + line for line in _target(name, wanted, last=name == targets[-1])]
    return lines


def _target(name: str, wanted: dict[str, Any], *, last: bool) -> list[str]:
    target = wanted["targets"][name]
    cards = f" (GPU {', '.join(target['gpu']['addresses'])})" if target["gpu"] else ""
    leaves = [f"{app} ({wanted['apps'][app]['reason']})" for app in target["apps"]]
    leaves += [f"dataset {dataset}: {spec['quota']} on {_place(spec)}" for dataset, spec in target["datasets"].items()]
    rail = "   " if last else "│  "
    return [f"{'└─' if last else '├─'} {name}{cards}", *(f"{rail}{'└─' if leaf == leaves[-1] else '├─'} {leaf}" for leaf in leaves)]


def _place(dataset: dict[str, Any]) -> str:
    return f"storage {dataset['storage']}, not on ZFS" if dataset.get("storage") else f"pool {dataset['pool']}"
