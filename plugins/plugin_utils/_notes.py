# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a plan means that the plan itself does not say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ansible_collections.psw.ai.plugins.plugin_utils._needs import gib, wanted_gib

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ansible_collections.psw.ai.plugins.plugin_utils._catalog import Catalog


def notes(wishes: Mapping[str, Any], catalog: Catalog, plan: Mapping[str, Any], before: Mapping[str, Any] | None) -> list[str]:
    """Return a sentence for everything about a plan that its reader may not expect."""
    found = moves(plan, before)
    found += [f"{name} has no apps, so what psw.yml says about it (targets.{name}) waits" for name in wishes["targets"] if name not in plan["targets"]]
    for name, target in plan["targets"].items():
        network = target["network"]
        if "/" in network["ip"] and "gateway" not in network and "/" not in network.get("ip6", ""):
            found.append(f"{name} has a fixed address and no gateway, so it reaches nothing beyond its own network (targets.{name}.gateway)")
        for kept, dataset in target["datasets"].items():
            wanted = wanted_gib(target["apps"], catalog, kept)
            if gib(dataset["quota"]) < wanted:
                found.append(f"{name} keeps {kept} in {dataset['quota']}, as psw.yml says; its apps want {wanted}G")
    return found


def moves(plan: Mapping[str, Any], before: Mapping[str, Any] | None) -> list[str]:
    """Return a sentence for each target that is to be on another node than before."""
    targets = (before or {}).get("targets", {})
    return [
        f"{name} goes from {targets[name]['node']} to {target['node']}, as psw.yml says, and starts anew there;"
        f" its container and its data stay on {targets[name]['node']} until you remove them"
        for name, target in plan["targets"].items()
        if name in targets and targets[name]["node"] != target["node"]
    ]
