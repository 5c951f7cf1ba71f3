# SPDX-License-Identifier: GPL-3.0-or-later
"""``psw plan``."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from ansible_collections.psw.ai.plugins.plugin_utils import _needs, _pools
from ansible_collections.psw.ai.plugins.plugin_utils._catalog import Catalog
from ansible_collections.psw.ai.plugins.plugin_utils._files import located, shown, write_atomic
from ansible_collections.psw.ai.plugins.plugin_utils._has import usable_mib
from ansible_collections.psw.ai.plugins.plugin_utils._notes import notes
from ansible_collections.psw.ai.plugins.plugin_utils._preflight import check, current_plan

from psw_cli.base import Settings, Verb
from psw_cli.failures import refused
from psw_cli.output import result, table
from psw_cli.projects import alone, opened

if TYPE_CHECKING:
    from collections.abc import Mapping


def picture(_ctx: click.Context, _param: click.Parameter, value: str | None) -> Path | None:
    """Take a file's name for a picture; psw draws no other kind than SVG."""
    if value is None:
        return None
    if Path(value).suffix.lower() != ".svg":
        raise click.BadParameter(f"{value} has to end in .svg, which is what psw draws")
    return located(value)


@click.command(cls=Verb)
@click.option("--write", is_flag=True, help="Write it to deployment-plan.yml.")
@click.option("--graph", metavar="FILE.svg", callback=picture, help="Draw it: nodes, targets, cards, their memory and datasets.")
@click.pass_obj
def plan(settings: Settings, write: bool, graph: Path | None) -> None:  # noqa: FBT001 - click's flag
    """Show what would run where.

    `psw deploy converge` writes the plan by itself when there is none or when it no longer fits; write and commit it
    first to have it reviewed.
    """
    with alone(settings) if write else nullcontext(opened(settings)) as project:
        catalog = Catalog.load()
        wanted = current_plan(project, catalog)
        if refusals := check(project, wanted, catalog):
            raise refused(refusals)
        fresh, said = project.plan == wanted, notes(project.wishes, catalog, wanted, project.plan)
        written = project.write_plan(wanted) if write else False
        records = {node: record for node, record in project.records.items() if node in project.wishes["nodes"]}
    if graph:
        from ansible_collections.psw.ai.plugins.plugin_utils._graph import draw  # noqa: PLC0415 - most plans are not drawn

        write_atomic(graph, draw(wanted, records, catalog))
    state = "written to deployment-plan.yml" if written else "as in deployment-plan.yml" if fresh else "not written yet: psw plan --write"
    lines = [as_text(wanted, records, catalog), "", *(f"note: {note}" for note in said), state, *([f"drawn in {shown(graph)}"] if graph else [])]
    data = {"plan": wanted, "current": fresh or written, "written": written, "notes": said, "pools": pools(wanted, records), "graph": graph and str(graph)}
    result(settings, data, "\n".join(lines))


def pools(wanted: Mapping[str, Any], records: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, dict[str, Any]]]:
    """Return, for each target and dataset, the pool that a new dataset would go to and why, as far as the node's pools were recorded."""
    return {
        name: found
        for name, target in wanted["targets"].items()
        if (found := {kept: choice._asdict() for kept, spec in target["datasets"].items() if (choice := _pools.choice(records.get(target["node"], {}), spec))})
    }


def as_text(wanted: Mapping[str, Any], records: Mapping[str, Mapping[str, Any]], catalog: Catalog) -> str:
    """Return a plan as a table of targets and a tree of what runs on them."""
    if not wanted["targets"]:
        return "nothing to run: psw.yml names no apps; add some with: psw app add @ai"
    rows = [
        (
            name,
            target["node"],
            (target["gpu"] or {}).get("vendor"),
            _vram(target, records, catalog),
            target["cores"],
            target["memory_mib"],
            target["rootfs_gib"],
        )
        for name, target in wanted["targets"].items()
    ]
    headings = ("target", "node", "gpu", "gpu memory mib", "cores", "memory mib", "disk gib")
    return table(headings, rows) + "\n\n" + "\n".join(_tree(wanted, records))


def _vram(target: Mapping[str, Any], records: Mapping[str, Mapping[str, Any]], catalog: Catalog) -> str | None:
    """Return what the apps of a target need of what its cards have."""
    if not target["gpu"]:
        return None
    cards = [gpu for gpu in records[target["node"]]["gpus"] if gpu["address"] in target["gpu"]["addresses"]]
    return f"{_needs.together(target['apps'], catalog)['vram_mib']} of {usable_mib(cards)}"


def _tree(wanted: Mapping[str, Any], records: Mapping[str, Mapping[str, Any]]) -> list[str]:
    lines = [str(wanted["domain"])]
    nodes: dict[str, list[str]] = {}
    for name, target in wanted["targets"].items():
        nodes.setdefault(target["node"], []).append(name)
    for node, targets in nodes.items():
        last_node = node == list(nodes)[-1]
        lines.append(f"{'└─' if last_node else '├─'} {node}")
        for name in targets:
            lines += [("   " if last_node else "│  ") + line for line in _target(name, wanted, records.get(node, {}), last=name == targets[-1])]
    return lines


def _target(name: str, wanted: Mapping[str, Any], record: Mapping[str, Any], *, last: bool) -> list[str]:
    target = wanted["targets"][name]
    cards = f" (GPU {', '.join(target['gpu']['addresses'])})" if target["gpu"] else ""
    leaves = [f"{app} ({wanted['apps'][app]['reason']})" for app in target["apps"]]
    leaves += [f"root disk on storage {target['storage']}"] if "storage" in target else []
    leaves += [f"dataset {dataset}: {spec['quota']} on {_place(spec, record)}" for dataset, spec in target["datasets"].items()]
    rail = "   " if last else "│  "
    return [f"{'└─' if last else '├─'} {name}{cards}", *(f"{rail}{'└─' if leaf == leaves[-1] else '├─'} {leaf}" for leaf in leaves)]


def _place(dataset: Mapping[str, Any], record: Mapping[str, Any]) -> str:
    if dataset.get("storage"):
        return f"storage {dataset['storage']}, not on ZFS"
    choice = _pools.choice(record, dataset)
    if choice is None:
        return f"pool {dataset['pool']}"
    chosen = f"{choice.pool}, " if choice.pool and dataset["pool"] == "auto" else ""
    return f"pool {dataset['pool']}: {chosen}{choice.why}"
