# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lookup of storage classes: a door to plugin_utils/_storage.py."""

from __future__ import annotations

DOCUMENTATION = r"""
name: storage_class
short_description: What a kind of dataset is called, where it is mounted and which properties it has
description:
  - Returns an entry of C(catalog/storage_classes.yml), the collection's only list of dataset properties.
author: the psw authors (@psw-ai)
options:
  _terms:
    description: Names of storage classes.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Show where models are kept
  ansible.builtin.debug:
    msg: "{{ lookup('psw.ai.storage_class', 'models').mount.source }}"
"""

RETURN = r"""
_raw:
  description: One class for each term.
  type: list
  elements: dict
"""

from typing import Any

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase
from ansible_collections.psw.ai.plugins.plugin_utils._errors import PswError
from ansible_collections.psw.ai.plugins.plugin_utils._storage import storage_class


class LookupModule(LookupBase):
    def run(self, terms: list[str], variables: Any = None, **kwargs: Any) -> list[dict[str, Any]]:
        self.set_options(var_options=variables, direct=kwargs)
        try:
            return [storage_class(str(term)) for term in terms]
        except PswError as exc:
            raise AnsibleLookupError(str(exc)) from exc
