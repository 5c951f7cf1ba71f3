# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Refuse early: everything that can be known to fail before a node is touched."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ansible_collections.psw.ai.plugins.plugin_utils._errors import Refusal
from ansible_collections.psw.ai.plugins.plugin_utils._has import node_not_set_up
from ansible_collections.psw.ai.plugins.plugin_utils._network_wishes import wrong_networks
from ansible_collections.psw.ai.plugins.plugin_utils._planner import Plan, make_plan
from ansible_collections.psw.ai.plugins.plugin_utils._target_wishes import check_targets
from ansible_collections.psw.ai.plugins.plugin_utils._wishes import not_built

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ansible_collections.psw.ai.plugins.plugin_utils._catalog import Catalog
    from ansible_collections.psw.ai.plugins.plugin_utils._project import Project


def current_plan(project: Project, catalog: Catalog) -> Plan:
    """Return the plan that fits ``psw.yml`` and the records now: the written one when it is not stale."""
    check_targets(project.wishes, project.document.at)
    wishes = {**project.wishes, "apps": project.wished_apps(catalog)}
    return make_plan(wishes, project.records, catalog, project.plan)


def check(project: Project, plan: Mapping[str, Any], catalog: Catalog) -> list[Refusal]:
    """Return every reason not to carry out the plan; an empty list means go."""
    found = [*not_built(project.wishes), *_nodes(project, plan), *wrong_networks(plan, project.wishes["nodes"]), *_numbers(plan)]
    for name, target in plan["targets"].items():
        if target["gpu"] is not None and target["node"] in project.wishes["nodes"]:
            found += _gpu(name, target, project.records.get(target["node"]))
    found += [
        Refusal("unknown_app", f"the plan holds {app}, which the catalogue does not know", "run: psw plan --write")
        for app in plan["apps"]
        if app not in catalog.apps
    ]
    return found


def _nodes(project: Project, plan: Mapping[str, Any]) -> list[Refusal]:
    nodes = project.wishes["nodes"]
    return [
        Refusal("unknown_node", f"the plan puts {name} on {target['node']}, which psw.yml does not name", "run: psw plan --write")
        for name, target in plan["targets"].items()
        if target["node"] not in nodes
    ]


def _numbers(plan: Mapping[str, Any]) -> list[Refusal]:
    numbers: dict[int, str] = {}
    found = []
    for name, target in plan["targets"].items():
        other = numbers.setdefault(target.get("vmid", name), name)
        if other != name:
            found.append(Refusal("vmid_taken", f"{other} and {name} are both to be container {target['vmid']}", f"change targets.{name}.vmid in psw.yml"))
    return found


def _gpu(name: str, target: Mapping[str, Any], record: Mapping[str, Any] | None) -> list[Refusal]:
    node, planned = target["node"], target["gpu"]["vendor"]
    if record is None:
        return [node_not_set_up([node])]
    if record["vendor"] != planned:
        return [
            Refusal(
                "vendor_mismatch",
                f"{name} is planned for {planned}, but the GPU recorded for {node} is {record['vendor']}",
                f"run: psw node setup-gpu {node}; if the card was changed on purpose, set gpu: {{vendor: {record['vendor']}}} in psw.yml",
            )
        ]
    return []
