# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lookup of catalogue entries: a door to plugin_utils/_catalog.py."""

from __future__ import annotations

DOCUMENTATION = r"""
name: app
short_description: An app's entry in the catalogue
description:
  - Returns what C(catalog/apps/<app>.yml) says, such as the privacy switches that the app's role sets and asserts.
author: the psw authors (@psw-ai)
options:
  _terms:
    description: Names of apps.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
# roles/ollama/defaults/main.yml
ollama_privacy: "{{ lookup('psw.ai.app', 'ollama').privacy }}"
"""

RETURN = r"""
_raw:
  description: One entry for each term.
  type: list
  elements: dict
"""

from typing import Any

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase
from ansible_collections.psw.ai.plugins.plugin_utils._catalog import Catalog
from ansible_collections.psw.ai.plugins.plugin_utils._errors import PswError


class LookupModule(LookupBase):
    def run(self, terms: list[str], variables: Any = None, **kwargs: Any) -> list[dict[str, Any]]:
        self.set_options(var_options=variables, direct=kwargs)
        try:
            catalog = Catalog.load()
            return [catalog.app(str(term)) for term in terms]
        except PswError as exc:
            raise AnsibleLookupError(str(exc)) from exc
