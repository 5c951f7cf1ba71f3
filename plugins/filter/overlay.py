# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter that lays settings over each other."""

from __future__ import annotations

DOCUMENTATION = r"""
name: overlay
short_description: Lay dictionaries over each other
description:
  - Returns one dictionary of all names; where several have the same one, the last wins.
  - As P(ansible.builtin.combine#filter), which compares its inputs first and so renders each value several times. Where values are templates of templates,
    as in a container's environment, that is a second of every run.
author: the psw authors (@psw-ai)
options:
  _input:
    description: The dictionaries, the weakest first.
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: Show the settings in force
  ansible.builtin.debug:
    msg: "{{ [{'size': 1, 'colour': 'red'}, {'size': 2}] | psw.ai.overlay }}" # size 2, colour red
"""

RETURN = r"""
_value:
  description: The dictionary.
  type: dict
"""

from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleFilterError


def overlay(layers: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for layer in layers:
        if not isinstance(layer, Mapping):
            raise AnsibleFilterError(f"psw.ai.overlay takes dictionaries, not {type(layer).__name__}")
        found.update(layer.items())
    return found


class FilterModule:
    def filters(self) -> dict[str, Any]:
        return {"overlay": overlay}
