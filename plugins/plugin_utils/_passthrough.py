# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which devices of a node a GPU target gets, from the node's record."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ansible_collections.psw.ai.plugins.module_utils._gpu_record import devices_of
from ansible_collections.psw.ai.plugins.plugin_utils._errors import PlanError, Refusal

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

# The kernel's own drivers leave their nodes to a group. Its number is the container's, which only the running container knows.
IN_GROUP = {"amd": "render", "intel": "render"}


def gpu_devices(record: Mapping[str, Any] | None, node: str = "the node", addresses: Collection[str] | None = None) -> list[dict[str, Any]]:
    """Return the entries for psw.ai.lxc_container that pass the recorded GPU through, exactly these devices and no more.

    With addresses, only the cards that have them, and what all cards share.
    """
    if not record:
        raise Refusal("node_not_set_up", f"no GPU is recorded for {node}", f"run: psw node setup-gpu {node}")
    vendor = str(record["vendor"])
    unknown = sorted(set(addresses) - {str(card["address"]) for card in record["gpus"]}) if addresses is not None else []
    if unknown:
        raise PlanError(f"no card of {node} is recorded at {', '.join(unknown)}", f"run: psw node setup-gpu {node}, and then: psw plan --write")
    paths = devices_of(record, addresses)
    if not paths:
        raise PlanError(f"the record of {node} lists no devices", f"run again: psw node setup-gpu {node}")
    owner = {path: {"card": str(card["address"])} for card in record["gpus"] for path in card.get("devices", [])} if addresses is not None else {}
    # NVIDIA's own nodes are open to everybody; Proxmox VE would make them root's alone, and apps don't all run as root.
    access = {"uid": 0, "group": IN_GROUP[vendor], "mode": "0660"} if vendor in IN_GROUP else {"uid": 0, "gid": 0, "mode": "0666"}
    return [{"path": path, **access, **owner.get(path, {})} for path in paths]
