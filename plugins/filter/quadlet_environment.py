# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter for environments in quadlet units."""

from __future__ import annotations

DOCUMENTATION = r"""
name: quadlet_environment
short_description: Environment lines of a quadlet unit
description:
  - Turns names and values into C(Environment=) lines, sorted by name, with the quoting that Podman's generator and systemd undo.
  - True and false become V(true) and V(false), as programs expect them.
author: the psw authors (@psw-ai)
options:
  _input:
    description: Names and values.
    type: dict
    required: true
"""

EXAMPLES = r"""
# roles/ollama/templates/ollama.container.j2
# {{ ollama_environment | psw.ai.quadlet_environment }}
"""

RETURN = r"""
_value:
  description: The lines.
  type: str
"""

from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleFilterError


def text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def quadlet_environment(values: Any) -> str:
    if not isinstance(values, Mapping):
        raise AnsibleFilterError(f"psw.ai.quadlet_environment takes names and values, not {type(values).__name__}")
    lines = []
    for name, value in sorted(values.items()):
        if "\n" in text(value):
            raise AnsibleFilterError(f"psw.ai.quadlet_environment: the value of {name} has several lines, which a unit cannot hold")
        quoted = text(value).replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
        lines.append(f'Environment="{name}={quoted}"')
    return "\n".join(lines)


class FilterModule:
    def filters(self) -> dict[str, Any]:
        return {"quadlet_environment": quadlet_environment}
