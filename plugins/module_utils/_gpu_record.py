# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A node's record of its GPUs (nodes/<node>/gpu.yml), read by the controller as well as on machines; private to the collection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping


def devices_of(record: Mapping[str, Any], addresses: Collection[str] | None = None) -> list[str]:
    """Return the recorded device nodes of the cards with these addresses, by default of all, and those that no card has for itself.

    A record from before cards had devices of their own gives all.
    """
    paths = [str(path) for path in record[record["vendor"]].get("devices") or []]
    if addresses is None or any("devices" not in card for card in record["gpus"]):
        return paths
    others = {path for card in record["gpus"] if card["address"] not in addresses for path in card["devices"]}
    return [path for path in paths if path not in others]
