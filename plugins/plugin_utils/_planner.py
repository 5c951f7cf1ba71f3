# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decide what runs where; a pure function from wishes, records and the catalogue to a plan."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ansible_collections.psw.ai.plugins.plugin_utils._errors import PlanError, Refusal

if TYPE_CHECKING:
    from ansible_collections.psw.ai.plugins.plugin_utils._catalog import Catalog

TARGETS = {"gpu": "psw-ai", "core": "psw-core"}
# What a target costs before the first app: Debian and podman, and on a GPU target the vendor's userspace.
BASE = {"gpu": {"memory_mib": 512, "rootfs_gib": 8}, "core": {"memory_mib": 512, "rootfs_gib": 4}}
UNITS = {"M": 1, "G": 1024, "T": 1024 * 1024}  # in MiB

Plan = dict[str, Any]
Records = Mapping[str, Mapping[str, Any]]


def make_plan(wishes: Mapping[str, Any], records: Records, catalog: Catalog, previous: Mapping[str, Any] | None = None) -> Plan:
    """Return the plan; the same input gives the same plan, and what ``previous`` placed stays where it is."""
    apps = catalog.expand(wishes["apps"])
    plan: Plan = {"schema": 1, "domain": wishes["domain"], "targets": {}, "apps": {}}
    kinds = [kind for kind in TARGETS if any(catalog.app(name)["target"] == kind for name, _ in apps)]
    if kinds and not wishes["nodes"]:
        raise Refusal("no_node", "psw.yml names no node to run on", "add one with: psw node add NAME --host ADDRESS")
    before = (previous or {}).get("targets", {})
    placed: dict[str, str] = {}
    for kind in kinds:
        name = TARGETS[kind]
        mine = [app for app, _ in apps if catalog.app(app)["target"] == kind]
        node = _place(kind, wishes, records, before.get(name), placed)
        placed[kind] = node
        gpu = _gpu(wishes, records.get(node), before.get(name)) if kind == "gpu" else None
        plan["targets"][name] = _target(kind, node, mine, gpu, wishes, catalog)
        if gpu is not None:
            _refuse_too_little_vram(node, records[node], mine, catalog)
    _refuse_over_budget(plan, wishes)
    plan["apps"] = {app: {"target": TARGETS[catalog.app(app)["target"]], "reason": reason} for app, reason in apps}
    return plan


def node_not_set_up(nodes: list[str]) -> Refusal:
    """Return the refusal for GPU apps without a recorded GPU."""
    first = nodes[0]
    return Refusal("node_not_set_up", f"no GPU is recorded for {' or '.join(nodes)}, and the planned apps need one", f"run: psw node setup-gpu {first}")


def mebibytes(size: str) -> int:
    """Return a size such as ``100G`` in MiB."""
    return int(size[:-1]) * UNITS[size[-1]]


def _place(kind: str, wishes: Mapping[str, Any], records: Records, before: Mapping[str, Any] | None, placed: Mapping[str, str]) -> str:
    nodes: list[str] = list(wishes["nodes"])
    if before and before["node"] in nodes:
        return str(before["node"])
    if kind == "gpu":
        with_gpu = [node for node in nodes if node in records]
        if not with_gpu:
            raise node_not_set_up(nodes)
        wanted = wishes["gpu"]["vendor"]
        # The most memory wins; ties go to the wanted vendor, then to NVIDIA, then to the node named first.
        return max(
            with_gpu,
            key=lambda node: (
                wanted is not None and records[node]["vendor"] == wanted,
                _usable(records[node]),
                records[node]["vendor"] == "nvidia",
                -nodes.index(node),
            ),
        )
    return placed.get("gpu") or nodes[0]


def _gpu(wishes: Mapping[str, Any], record: Mapping[str, Any] | None, before: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the GPU part of a target; the vendor that was planned stays until the user says otherwise, preflight compares it with the record."""
    planned = (before or {}).get("gpu") or {}
    recorded = record or {}
    vendor = wishes["gpu"]["vendor"] or planned.get("vendor") or recorded.get("vendor")
    return {"vendor": vendor, "addresses": [gpu["address"] for gpu in recorded.get("gpus", [])] or list(planned.get("addresses", []))}


def _target(kind: str, node: str, apps: list[str], gpu: dict[str, Any] | None, wishes: Mapping[str, Any], catalog: Catalog) -> dict[str, Any]:
    resources = [catalog.app(app)["resources"] for app in apps]
    classes = sorted({storage for app in apps for storage in catalog.app(app).get("datasets", {}).values()})
    return {
        "node": node,
        "apps": apps,
        "gpu": gpu,
        "cores": max(need["cores"] for need in resources),
        "memory_mib": BASE[kind]["memory_mib"] + sum(need["memory_mib"] for need in resources),
        "rootfs_gib": BASE[kind]["rootfs_gib"] + sum(need["disk_gib"] for need in resources),
        "datasets": {storage: dict(wishes["storage"][storage]) for storage in classes},
        "network": dict(wishes["network"]),
    }


def _usable(record: Mapping[str, Any]) -> int:
    return sum(int(gpu["usable_mib"]) for gpu in record["gpus"])


def _refuse_too_little_vram(node: str, record: Mapping[str, Any], apps: list[str], catalog: Catalog) -> None:
    needs = {app: int(catalog.app(app)["resources"].get("vram_mib", 0)) for app in apps}
    if sum(needs.values()) > _usable(record):
        listed = ", ".join(f"{app} {need}" for app, need in needs.items() if need)
        raise PlanError(
            f"the apps need {sum(needs.values())} MiB of GPU memory ({listed}), {node} has {_usable(record)} MiB",
            "remove an app, or add a node with a larger card",
        )


def _refuse_over_budget(plan: Plan, wishes: Mapping[str, Any]) -> None:
    """Hold what is planned on a node against the budget that ``psw.yml`` gives psw there."""
    for node, entry in wishes["nodes"].items():
        targets = {name: target for name, target in plan["targets"].items() if target["node"] == node}
        for key, what in (("memory_mib", "MiB of memory"), ("rootfs_gib", "GiB of disk")):
            limit = entry["budget"].get(key)
            total = sum(target[key] for target in targets.values())
            if limit is not None and total > limit:
                listed = ", ".join(f"{name} {target[key]}" for name, target in targets.items())
                raise PlanError(
                    f"the plan needs {total} {what} on {node} ({listed}), its budget is {limit}", f"raise nodes.{node}.budget.{key}, or remove an app"
                )
