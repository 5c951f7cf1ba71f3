# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lookup of how an engine best keeps the context of its models."""

from __future__ import annotations

DOCUMENTATION = r"""
name: kv_cache
short_description: How an engine best keeps the context of its models
description:
  - Returns the best way to store context memory with which each of the models fits into GPU memory that can fit at all.
  - Models that C(catalog/models.yml) does not know do not count, and where nothing is known of the GPU it is V(f16).
author: the psw authors (@psw-ai)
options:
  _terms:
    description: Names of models, as people or the engine write them.
    type: list
    elements: str
    required: true
  vram_mib:
    description: GPU memory of all cards together, or V(0) when it is not known.
    type: int
    required: true
  context:
    description: Context length in tokens.
    type: int
    required: true
  parallel:
    description: How many requests a model answers at the same time.
    type: int
    required: true
  flash_attention:
    description: Whether the engine uses flash attention, which the quantised ways need.
    type: bool
    required: true
  cards:
    description: How many cards a model is spread over.
    type: int
    default: 1
"""

EXAMPLES = r"""
# {{ lookup('psw.ai.kv_cache', 'qwen3:8b', vram_mib=8192, context=8192, parallel=2, flash_attention=true) }}
"""

RETURN = r"""
_raw:
  description: V(f16), V(q8_0) or V(q4_0).
  type: list
  elements: str
"""

from typing import Any

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase
from ansible_collections.psw.ai.plugins.plugin_utils._errors import PswError
from ansible_collections.psw.ai.plugins.plugin_utils._model_fit import Context, known_models, kv_cache_for
from ansible_collections.psw.ai.plugins.plugin_utils._models import full_name


class LookupModule(LookupBase):
    def run(self, terms: list[str], variables: Any = None, **kwargs: Any) -> list[str]:
        self.set_options(var_options=variables, direct=kwargs)
        context = Context(self.get_option("context"), self.get_option("parallel"), None, self.get_option("flash_attention"))
        try:
            wished = {full_name(term) for term in terms}
            models = {name: model for name, model in known_models().items() if name in wished}
        except PswError as exc:
            raise AnsibleLookupError(str(exc)) from exc
        return [kv_cache_for(models, context, self.get_option("vram_mib"), self.get_option("cards"))]
