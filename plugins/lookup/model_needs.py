# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lookup of what models need of a GPU."""

from __future__ import annotations

DOCUMENTATION = r"""
name: model_needs
short_description: What models need of a GPU
description:
  - Returns how many MiB of GPU memory each model of C(catalog/models.yml) needs.
author: the psw authors (@psw-ai)
options: {}
"""

EXAMPLES = r"""
# roles/ollama/vars/main.yml
__ollama_needs: "{{ lookup('psw.ai.model_needs') }}"
"""

RETURN = r"""
_raw:
  description: One dictionary from the name of a model, as Ollama knows it, to MiB.
  type: list
  elements: dict
  sample: [{"llama3.2:3b": 4096}]
"""

from typing import Any

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase
from ansible_collections.psw.ai.plugins.plugin_utils import _yaml
from ansible_collections.psw.ai.plugins.plugin_utils._catalog import ROOT
from ansible_collections.psw.ai.plugins.plugin_utils._errors import CatalogError, PswError


class LookupModule(LookupBase):
    def run(self, terms: list[str], variables: Any = None, **kwargs: Any) -> list[dict[str, int]]:  # noqa: ARG002 - Ansible passes terms, and there are none
        self.set_options(var_options=variables, direct=kwargs)
        try:
            known = _yaml.load(ROOT / "models.yml", CatalogError).data["models"]
            return [{str(name): int(model["vram_mib"]) for name, model in known.items()}]
        except PswError as exc:
            raise AnsibleLookupError(str(exc)) from exc
