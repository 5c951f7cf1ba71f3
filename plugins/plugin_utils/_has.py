# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What nodes have: cards, and room beside everything else that they do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ansible_collections.psw.ai.plugins.plugin_utils._errors import PlanError, Refusal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def node_not_set_up(nodes: list[str]) -> Refusal:
    """Return the refusal for GPU apps without a recorded GPU."""
    return Refusal("node_not_set_up", f"no GPU is recorded for {' or '.join(nodes)}, and the planned apps need one", f"run: psw node setup-gpu {nodes[0]}")


def cards(name: str, node: str, record: Mapping[str, Any], told: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the cards of a target: all that are recorded, or those that the user names."""
    wanted = told.get("gpus")
    there = {gpu["address"]: gpu for gpu in record["gpus"]}
    for address in wanted or []:
        if address not in there:
            raise PlanError(f"targets.{name}.gpus names {address}, but {node} has {', '.join(there)}", "take one that is there, or leave gpus out to get all")
    return [gpu for address, gpu in there.items() if wanted is None or address in wanted]


def usable_mib(gpus: Iterable[Mapping[str, Any]]) -> int:
    """Return the memory of cards that models can use."""
    return sum(int(gpu["usable_mib"]) for gpu in gpus)


def room(wishes: Mapping[str, Any], records: Mapping[str, Mapping[str, Any]], node: str, key: str) -> int | None:
    """Return what psw may plan on a node: the budget, else what was recorded; None where nobody knows."""
    limit: int | None = wishes["nodes"][node]["budget"].get(key, records.get(node, {}).get("host", {}).get(key))
    return limit
