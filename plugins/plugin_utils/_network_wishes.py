# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Refuse planned addresses that cannot work, before a container is made with them."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Any

from ansible_collections.psw.ai.plugins.plugin_utils._errors import Refusal

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

FAMILIES = ((4, "ip", "gateway"), (6, "ip6", "gateway6"))


def wrong_networks(plan: Mapping[str, Any], nodes: Mapping[str, Mapping[str, Any]]) -> list[Refusal]:
    """Return what is wrong with the networks of the plan's targets, each by itself and all together."""
    found = []
    taken = {str(node["host"]): f"the node {name}" for name, node in nodes.items()}
    for name, target in plan["targets"].items():
        found += [Refusal("bad_network", f"{name}: {what}", f"see targets.{name} and network in psw.yml") for what in _wrong(target["network"])]
        for _version, key, _gateway in FAMILIES:
            address = target["network"].get(key, "").partition("/")[0]
            if "/" in target["network"].get(key, "") and (other := taken.setdefault(address, name)) != name:
                found.append(
                    Refusal("bad_network", f"{name} is to have the address {address} of {other}", f"give it one of its own: targets.{name}.{key} in psw.yml")
                )
    return found


def _wrong(network: Mapping[str, Any]) -> Iterator[str]:
    if network["ip"] == "none" and "ip6" not in network:
        yield "there is neither an IPv4 nor an IPv6 address"
    for version, key, gateway in FAMILIES:
        if "/" in network.get(key, ""):
            yield from _wrong_address(version, key, network[key])
            if gateway in network and not _parsed(ipaddress.ip_address, network[gateway], version):
                yield f"{gateway} {network[gateway]} is no IPv{version} address"


def _wrong_address(version: int, key: str, text: str) -> Iterator[str]:
    interface = _parsed(ipaddress.ip_interface, text, version)
    if not interface:
        yield f"{key} {text} is no IPv{version} address with a prefix length"
    elif interface.network.num_addresses > 2 and interface.ip == interface.network.network_address:  # noqa: PLR2004 - two ends of a link
        yield f"{key} {text} is the network itself, not an address in it"


def _parsed(parse: Any, text: str, version: int) -> Any:
    try:
        parsed = parse(text)
    except ValueError:
        return None
    return parsed if parsed.version == version else None
