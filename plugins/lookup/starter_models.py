# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lookup of the models that a new engine starts with."""

from __future__ import annotations

DOCUMENTATION = r"""
name: starter_models
short_description: The models that a new engine starts with
description:
  - Returns the names from C(catalog/models.yml).
author: the psw authors (@psw-ai)
options: {}
"""

EXAMPLES = r"""
# roles/ollama/defaults/main.yml
ollama_models: "{{ query('psw.ai.starter_models') }}"
"""

RETURN = r"""
_raw:
  description: Names of models, as Ollama knows them.
  type: list
  elements: str
"""

from typing import Any

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase
from ansible_collections.psw.ai.plugins.plugin_utils._errors import PswError
from ansible_collections.psw.ai.plugins.plugin_utils._models import starter


class LookupModule(LookupBase):
    def run(self, terms: list[str], variables: Any = None, **kwargs: Any) -> list[str]:  # noqa: ARG002 - Ansible passes terms, and there are none
        self.set_options(var_options=variables, direct=kwargs)
        try:
            return starter()
        except PswError as exc:
            raise AnsibleLookupError(str(exc)) from exc
