# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decide what runs where; a pure function from wishes, records and the catalogue to a plan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ansible_collections.psw.ai.plugins.plugin_utils import _needs
from ansible_collections.psw.ai.plugins.plugin_utils._errors import PlanError, Refusal
from ansible_collections.psw.ai.plugins.plugin_utils._has import cards, node_not_set_up, room, usable_mib
from ansible_collections.psw.ai.plugins.plugin_utils._placement import Placement, Spot
from ansible_collections.psw.ai.plugins.plugin_utils._target_wishes import network_of

if TYPE_CHECKING:
    from ansible_collections.psw.ai.plugins.plugin_utils._catalog import Catalog

Plan = dict[str, Any]
Records = Mapping[str, Mapping[str, Any]]


def make_plan(wishes: Mapping[str, Any], records: Records, catalog: Catalog, previous: Mapping[str, Any] | None = None) -> Plan:
    """Return the plan; the same input gives the same plan, and what ``previous`` placed stays where it is."""
    return _Planning(wishes, records, catalog, (previous or {}).get("targets", {})).plan()


@dataclass(frozen=True)
class _Planning:
    wishes: Mapping[str, Any]
    records: Records
    catalog: Catalog
    before: Mapping[str, Any]

    def plan(self) -> Plan:
        apps = self.catalog.expand(self.wishes["apps"])
        if apps and not self.wishes["nodes"]:
            raise Refusal("no_node", "psw.yml names no node to run on", "add one with: psw node add NAME --host ADDRESS")
        spots = Placement(self.wishes, self.records, self.catalog, self.before).place([app for app, _why in apps])
        targets = {name: self._target(name, spot) for name, spot in spots.items()}
        self._refuse_too_little_room(targets)
        on = {app: name for name, spot in spots.items() for app in spot.apps}
        return {
            "schema": 1,
            "domain": self.wishes["domain"],
            "targets": targets,
            "apps": {app: {"target": on[app], "reason": reason} for app, reason in apps},
        }

    def _target(self, name: str, spot: Spot) -> dict[str, Any]:
        told = self.wishes["targets"].get(name, {})
        return {
            "node": spot.node,
            **{key: told[key] for key in ("vmid", "storage") if key in told},
            "apps": spot.apps,
            "gpu": self._gpu(name, spot) if spot.kind == "gpu" else None,
            "cores": told.get("cores") or max(self.catalog.app(app)["resources"]["cores"] for app in spot.apps),
            **_needs.size(spot.kind, spot.needs, told),
            "datasets": _needs.datasets(spot.apps, self.catalog, self.wishes["storage"]),
            "network": network_of(self.wishes, name),
        }

    def _gpu(self, name: str, spot: Spot) -> dict[str, Any]:
        """Return the GPU of a target. A vendor once planned stays until the user says otherwise: preflight compares it with the record."""
        if spot.node not in self.records:
            raise node_not_set_up([spot.node])
        record, before = self.records[spot.node], self.before.get(name, {})
        planned = (before.get("gpu") or {}) if before.get("node") == spot.node else {}
        vendor = self.wishes["gpu"]["vendor"] or planned.get("vendor") or record["vendor"]
        if vendor != record["vendor"] and planned.get("addresses"):
            return {"vendor": vendor, "addresses": list(planned["addresses"])}
        mine = cards(name, spot.node, record, self.wishes["targets"].get(name, {}))
        self._refuse_too_little_vram(name, spot, usable_mib(mine))
        return {"vendor": vendor, "addresses": [gpu["address"] for gpu in mine]}

    def _refuse_too_little_vram(self, name: str, spot: Spot, usable: int) -> None:
        if spot.needs["vram_mib"] > usable:
            needs = {app: _needs.of_app(app, self.catalog)["vram_mib"] for app in spot.apps}
            listed = ", ".join(f"{app} {need}" for app, need in needs.items() if need)
            which = f"the cards of {name} on {spot.node} have" if self.wishes["targets"].get(name, {}).get("gpus") else f"{spot.node} has"
            raise PlanError(
                f"the apps need {spot.needs['vram_mib']} MiB of GPU memory ({listed}), {which} {usable} MiB",
                "remove an app, or add a node with a larger card",
            )

    def _refuse_too_little_room(self, targets: Plan) -> None:
        """Hold what is planned on a node against the budget that ``psw.yml`` gives psw there, or against what the node has."""
        for node, entry in self.wishes["nodes"].items():
            here = {name: target for name, target in targets.items() if target["node"] == node}
            for key, what in _needs.ROOM.items():
                limit, total = room(self.wishes, self.records, node, key), sum(target[key] for target in here.values())
                if limit is None or total <= limit:
                    continue
                listed = ", ".join(f"{name} {target[key]}" for name, target in here.items())
                if key in entry["budget"]:
                    has, hint = f"its budget is {limit}", f"raise nodes.{node}.budget.{key} in psw.yml, or remove an app"
                else:
                    has, hint = f"it has {limit}", f"remove an app, or set nodes.{node}.budget.{key} in psw.yml to plan more than there is"
                raise PlanError(f"the plan needs {total} {what} on {node} ({listed}), {has}", hint)
