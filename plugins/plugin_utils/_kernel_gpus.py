# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cards whose driver is the kernel's own, AMD's and Intel's: what they need of the node, and through what the engine uses them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


def amd_driver(cards: list[Mapping[str, Any]], catalogue: Mapping[str, Any], backend: str | None, override: str | None) -> dict[str, Any]:
    """Return what AMD cards need: {modules, firmware, backend, gfx_override, loaded}. Their driver is the kernel's own."""
    amd = catalogue["amd"]
    native = all(card["gfx"] in amd["gfx"] for card in cards)
    return {
        "modules": [amd["module"]],
        "firmware": amd["firmware"],
        "backend": backend or "rocm",
        "gfx_override": None if native or backend == "vulkan" else override,
        "loaded": all(card["driver"] == amd["module"] for card in cards),
    }


def intel_driver(cards: list[Mapping[str, Any]], catalogue: Mapping[str, Any]) -> dict[str, Any]:
    """Return what Intel cards need: {modules, firmware, backend, loaded}. The kernel has two drivers for them; one that has the card keeps it."""
    intel = catalogue["intel"]
    known = set(intel["modules"].values())
    modules = [card["driver"] if card["driver"] in known else intel["modules"].get(card["arch"], "xe") for card in cards]
    loaded = all(card["driver"] in known for card in cards)
    return {"modules": sorted(set(modules)), "firmware": intel["firmware"], "backend": "vulkan", "loaded": loaded}


def of_vendor(detected: Mapping[str, Any], catalogue: Mapping[str, Any], vendor: str, backend: str | None) -> list[Mapping[str, Any]]:
    """Return the usable cards of a vendor. What was let in by the user's word makes room for cards that need no such word."""
    gpus = [gpu for gpu in detected["gpus"] if gpu["usable"] and gpu["vendor"] == vendor]
    native = [gpu for gpu in gpus if vendor != "amd" or gpu["gfx"] in catalogue["amd"]["gfx"]]
    return gpus if backend == "vulkan" else native or gpus
