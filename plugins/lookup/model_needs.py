# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lookup of what models need of a GPU."""

from __future__ import annotations

DOCUMENTATION = r"""
name: model_needs
short_description: What models need of a GPU
description:
  - Returns how many MiB of GPU memory each model of C(catalog/models.yml) needs, for its weights, the full context of all requests, and the engine itself.
author: the psw authors (@psw-ai)
options:
  context:
    description: Context length in tokens.
    type: int
    required: true
  parallel:
    description: How many requests a model answers at the same time.
    type: int
    required: true
  kv_cache:
    description: How context memory is stored.
    type: str
    choices: [f16, q8_0, q4_0]
    required: true
  flash_attention:
    description: Whether the engine uses flash attention. Without it context memory is stored as V(f16), whatever O(kv_cache) says.
    type: bool
    required: true
  cards:
    description: How many cards it is spread over.
    type: int
    default: 1
"""

EXAMPLES = r"""
# roles/ollama/vars/main.yml
__ollama_needs: "{{ lookup('psw.ai.model_needs', context=8192, parallel=2, kv_cache='f16', flash_attention=true) }}"
"""

RETURN = r"""
_raw:
  description: One dictionary from the name of a model, as Ollama knows it, to MiB.
  type: list
  elements: dict
  sample: [{"llama3.2:3b": 4742}]
"""

from typing import Any

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase
from ansible_collections.psw.ai.plugins.plugin_utils._errors import PswError
from ansible_collections.psw.ai.plugins.plugin_utils._model_fit import Context, fits, known_models


class LookupModule(LookupBase):
    def run(self, terms: list[str], variables: Any = None, **kwargs: Any) -> list[dict[str, int]]:  # noqa: ARG002 - Ansible passes terms, and there are none
        self.set_options(var_options=variables, direct=kwargs)
        context = Context(self.get_option("context"), self.get_option("parallel"), self.get_option("kv_cache"), self.get_option("flash_attention"))
        try:
            return [{fit.name: fit.needs_mib for fit in fits(known_models(), context, 0, self.get_option("cards"))}]
        except PswError as exc:
            raise AnsibleLookupError(str(exc)) from exc
