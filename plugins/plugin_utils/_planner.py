# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decide what runs where; a pure function from wishes, records and the catalogue to a plan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ansible_collections.psw.ai.plugins.plugin_utils._errors import PlanError, Refusal

if TYPE_CHECKING:
    from ansible_collections.psw.ai.plugins.plugin_utils._catalog import Catalog

TARGETS = {"gpu": "psw-ai", "core": "psw-core"}
# What a target costs before the first app: Debian and podman, and on a GPU target the vendor's userspace.
BASE = {"gpu": {"memory_mib": 512, "rootfs_gib": 8}, "core": {"memory_mib": 512, "rootfs_gib": 4}}

Plan = dict[str, Any]
Records = Mapping[str, Mapping[str, Any]]


def make_plan(wishes: Mapping[str, Any], records: Records, catalog: Catalog, previous: Mapping[str, Any] | None = None) -> Plan:
    """Return the plan; the same input gives the same plan, and what ``previous`` placed stays where it is."""
    return _Planning(wishes, records, catalog, (previous or {}).get("targets", {})).plan()


def node_not_set_up(nodes: list[str]) -> Refusal:
    """Return the refusal for GPU apps without a recorded GPU."""
    return Refusal("node_not_set_up", f"no GPU is recorded for {' or '.join(nodes)}, and the planned apps need one", f"run: psw node setup-gpu {nodes[0]}")


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
        targets: Plan = {}
        for kind, name in TARGETS.items():
            mine = [app for app, _why in apps if self.catalog.app(app)["target"] == kind]
            if mine:
                targets[name] = self._target(kind, self._place(name, kind, targets), mine)
        self._refuse_over_budget(targets)
        return {
            "schema": 1,
            "domain": self.wishes["domain"],
            "targets": targets,
            "apps": {app: {"target": TARGETS[self.catalog.app(app)["target"]], "reason": reason} for app, reason in apps},
        }

    def _place(self, name: str, kind: str, placed: Plan) -> str:
        nodes: list[str] = list(self.wishes["nodes"])
        if name in self.before:
            node = str(self.before[name]["node"])
            if node not in nodes:
                raise Refusal(
                    "unknown_node",
                    f"{name} with its data is on {node}, which psw.yml does not name",
                    f"put {node} back into psw.yml, or take {name} out of deployment-plan.yml to start anew elsewhere",
                )
            return node
        if kind == "core":
            return str(placed[TARGETS["gpu"]]["node"]) if TARGETS["gpu"] in placed else nodes[0]
        with_gpu = [node for node in nodes if node in self.records]
        if not with_gpu:
            raise node_not_set_up(nodes)
        return max(with_gpu, key=lambda node: (*self._worth(node), -nodes.index(node)))

    def _worth(self, node: str) -> tuple[bool, int, bool]:
        """Rank a node for the GPU target: the vendor the user wants, then the most memory; ties go to NVIDIA."""
        vendor = self.records[node]["vendor"]
        return vendor == self.wishes["gpu"]["vendor"], _usable_mib(self.records[node]), vendor == "nvidia"

    def _target(self, kind: str, node: str, apps: list[str]) -> dict[str, Any]:
        entries = [self.catalog.app(app) for app in apps]
        classes = sorted({storage for entry in entries for storage in entry.get("datasets", {}).values()})
        return {
            "node": node,
            "apps": apps,
            "gpu": self._gpu(node, apps) if kind == "gpu" else None,
            "cores": max(entry["resources"]["cores"] for entry in entries),
            "memory_mib": BASE[kind]["memory_mib"] + sum(entry["resources"]["memory_mib"] for entry in entries),
            "rootfs_gib": BASE[kind]["rootfs_gib"] + sum(entry["resources"]["disk_gib"] for entry in entries),
            "datasets": {storage: dict(self.wishes["storage"][storage]) for storage in classes},
            "network": dict(self.wishes["network"]),
        }

    def _gpu(self, node: str, apps: list[str]) -> dict[str, Any]:
        """Return the GPU of a target. A vendor once planned stays until the user says otherwise: preflight compares it with the record."""
        if node not in self.records:
            raise node_not_set_up([node])
        record, planned = self.records[node], self.before.get(TARGETS["gpu"], {}).get("gpu") or {}
        vendor = self.wishes["gpu"]["vendor"] or planned.get("vendor") or record["vendor"]
        if vendor != record["vendor"] and planned.get("addresses"):
            return {"vendor": vendor, "addresses": list(planned["addresses"])}
        self._refuse_too_little_vram(node, apps)
        return {"vendor": vendor, "addresses": [gpu["address"] for gpu in record["gpus"]]}

    def _refuse_too_little_vram(self, node: str, apps: list[str]) -> None:
        needs = {app: int(need) for app in apps if (need := self.catalog.app(app)["resources"].get("vram_mib"))}
        usable = _usable_mib(self.records[node])
        if sum(needs.values()) > usable:
            listed = ", ".join(f"{app} {need}" for app, need in needs.items())
            raise PlanError(
                f"the apps need {sum(needs.values())} MiB of GPU memory ({listed}), {node} has {usable} MiB",
                "remove an app, or add a node with a larger card",
            )

    def _refuse_over_budget(self, targets: Plan) -> None:
        """Hold what is planned on a node against the budget that ``psw.yml`` gives psw there."""
        for node, entry in self.wishes["nodes"].items():
            here = {name: target for name, target in targets.items() if target["node"] == node}
            for key, what in (("memory_mib", "MiB of memory"), ("rootfs_gib", "GiB of disk")):
                limit = entry["budget"].get(key)
                total = sum(target[key] for target in here.values())
                if limit is not None and total > limit:
                    listed = ", ".join(f"{name} {target[key]}" for name, target in here.items())
                    raise PlanError(
                        f"the plan needs {total} {what} on {node} ({listed}), its budget is {limit}",
                        f"raise nodes.{node}.budget.{key} in psw.yml, or remove an app",
                    )


def _usable_mib(record: Mapping[str, Any]) -> int:
    return sum(int(gpu["usable_mib"]) for gpu in record["gpus"])
