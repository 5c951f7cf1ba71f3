# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The defaults of ``psw.yml``: what the user gets without asking; and what may stand there but is not built yet."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from ansible_collections.psw.ai.plugins.plugin_utils._errors import Refusal

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULTS: dict[str, Any] = {
    "schema": 1,
    "nodes": {},
    "network": {"bridge": "vmbr0", "ip": "dhcp"},
    "targets": {},
    "sso": {"mode": "local"},
    "gpu": {"vendor": None, "backend": None, "gfx_override": None},
    "storage": {"models": {"pool": "auto"}},
    "registries": {"mirrors": []},
    "apps": [],
    "consumers": {},
}
NODE: dict[str, Any] = {"user": "root", "port": 22, "ssh_key": None, "budget": {}}


def with_defaults(data: dict[str, Any]) -> dict[str, Any]:
    """Return valid wishes with every default filled in."""
    wishes = _merged(DEFAULTS, data)
    wishes.pop("plugin", None)
    wishes["nodes"] = {name: _merged(NODE, node) for name, node in wishes["nodes"].items()}
    wishes["targets"] = {name: told or {} for name, told in wishes["targets"].items()}
    return wishes


def not_built(wishes: Mapping[str, Any]) -> list[Refusal]:
    """Return a refusal for each wish that psw will fulfil and does not yet."""
    found = other_users(wishes["nodes"])
    if wishes["sso"]["mode"] != "local":
        found.append(
            Refusal("not_built_yet", f"sso.mode {wishes['sso']['mode']} is not built yet", "set sso: {mode: local} in psw.yml: Open WebUI's own login")
        )
    return found


def other_users(nodes: Mapping[str, Any]) -> list[Refusal]:
    """Return a refusal for each node that somebody other than root is to log in to."""
    return [
        Refusal("not_built_yet", f"nodes.{name}.user: {node['user']} is not built yet", "psw logs in to nodes as root: leave user out")
        for name, node in nodes.items()
        if node["user"] != "root"
    ]


def _merged(defaults: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """Lay ``given`` over ``defaults``, key by key; a key left empty means its default."""
    result = copy.deepcopy(defaults)
    for key, value in given.items():
        if isinstance(value, dict) and isinstance(result.get(key), dict):
            result[key] = _merged(result[key], value)
        elif value is not None or key not in result:
            result[key] = copy.deepcopy(value)
    return result
