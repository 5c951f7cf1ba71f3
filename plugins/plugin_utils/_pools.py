# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Say which pool a new dataset would go to, and why, from what was recorded of a node."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from ansible_collections.psw.ai.plugins.plugin_utils._needs import gib

if TYPE_CHECKING:
    from collections.abc import Mapping


class Choice(NamedTuple):
    """A pool, or None where none will do, and the reason in words."""

    pool: str | None
    why: str


def choice(record: Mapping[str, Any], dataset: Mapping[str, Any]) -> Choice | None:
    """Return the pool for a planned dataset; None when nothing was recorded of pools, or none is asked for."""
    if "host" not in record or "storage" in dataset:
        return None
    pools: list[Mapping[str, Any]] = record["host"]["pools"]
    if dataset["pool"] != "auto":
        return _named(pools, dataset["pool"])
    need = gib(dataset["quota"])
    # The record has them in the order of choice.
    fit = [pool for pool in pools if pool["suitable"] and pool["free_gib"] >= need]
    if fit:
        return Choice(str(fit[0]["name"]), _why(fit))
    seen = [f"{pool['name']} {f'''has {pool['free_gib']} GiB free''' if pool['suitable'] else pool['reason']}" for pool in pools]
    return Choice(None, f"none fits: {'; '.join(seen) or 'there is none'}")


def _named(pools: list[Mapping[str, Any]], name: str) -> Choice:
    for pool in pools:
        if pool["name"] == name:
            return Choice(name, "named in psw.yml" + ("" if pool["suitable"] else f", although it {pool['reason']}"))
    return Choice(None, f"named in psw.yml, but recorded are {', '.join(pool['name'] for pool in pools) or 'none'}")


def _why(fit: list[Mapping[str, Any]]) -> str:
    """Return the first of the rules by which the best pool goes before the second."""
    if len(fit) == 1:
        return "the only one of local NVMe with room"
    best, second = fit[:2]
    if best["link"] != second["link"]:
        return f"the fastest link, {best['link']} GT/s before {second['link']} of {second['name']}"
    if second["name"] == "rpool":
        return "as fast as rpool, which holds the system"
    if best["free_gib"] != second["free_gib"]:
        return f"as fast as {second['name']}, and more free, {best['free_gib']} GiB before {second['free_gib']}"
    return f"like {second['name']}, and the first by name"
