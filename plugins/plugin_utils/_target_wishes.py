# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The user's word about single targets: which names there can be, and what it means for a target's network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ansible_collections.psw.ai.plugins.plugin_utils._errors import ProjectError
from ansible_collections.psw.ai.plugins.plugin_utils._near import unknown

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

GPU = "psw-ai"  # the first target with a GPU; one on a further node has that node's name behind it
CORE = "psw-core"
NETWORK = ("bridge", "ip", "gateway", "vlan", "ip6", "gateway6")


def beside(node: str) -> str:
    """Return the name of a GPU target on a further node."""
    return f"{GPU}-{node}"


def check_targets(wishes: Mapping[str, Any], at: Callable[[tuple[str | int, ...]], str]) -> None:
    """Raise an error, with its line from ``at``, for a target that cannot be or a node that is not there."""
    nodes = wishes["nodes"]
    known = [GPU, CORE, *map(beside, nodes)]
    for name, told in wishes["targets"].items():
        where = ("targets", name)
        if name not in known:
            raise ProjectError(f"{at(where)}: {unknown('target', name, known)}")
        if "node" not in told:
            continue
        if told["node"] not in nodes:
            raise ProjectError(f"{at((*where, 'node'))}: {unknown('node', told['node'], nodes)}")
        if name not in (GPU, CORE, beside(told["node"])):
            raise ProjectError(f"{at((*where, 'node'))}: {name} is on {name.removeprefix(f'{GPU}-')} by its name, not on {told['node']}")


def network_of(wishes: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return a target's network: what is said about it, else about the house; a gateway goes with a fixed address only."""
    network = {**wishes["network"], **{key: value for key, value in wishes["targets"].get(name, {}).items() if key in NETWORK}}
    if network.get("ip6") == "none":
        network.pop("ip6")
    for address, gateway in (("ip", "gateway"), ("ip6", "gateway6")):
        if "/" not in network.get(address, ""):
            network.pop(gateway, None)
    return {key: network[key] for key in NETWORK if network.get(key) is not None}
