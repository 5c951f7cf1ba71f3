# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The defaults of ``psw.yml``: what the user gets without asking."""

from __future__ import annotations

import copy
from typing import Any

DEFAULTS: dict[str, Any] = {
    "schema": 1,
    "nodes": {},
    "network": {"bridge": "vmbr0", "ip": "dhcp"},
    "targets": {},
    "sso": {"mode": "local"},
    "gpu": {"vendor": None, "backend": None, "gfx_override": None},
    "storage": {"models": {"pool": "auto"}},
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


def _merged(defaults: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """Lay ``given`` over ``defaults``, key by key; a key left empty means its default."""
    result = copy.deepcopy(defaults)
    for key, value in given.items():
        if isinstance(value, dict) and isinstance(result.get(key), dict):
            result[key] = _merged(result[key], value)
        elif value is not None or key not in result:
            result[key] = copy.deepcopy(value)
    return result
