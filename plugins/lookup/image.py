# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lookup of image pins: a door to plugin_utils/_catalog.py."""

from __future__ import annotations

DOCUMENTATION = r"""
name: image
short_description: The pinned reference of a container image
description:
  - Returns C(name:tag), with C(@digest) once one is pinned, from the collection's only list of image versions, C(catalog/images.yml).
author: the psw authors (@psw-ai)
options:
  _terms:
    description: Keys of the catalogue's images.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
# roles/ollama/defaults/main.yml
ollama_image: "{{ lookup('psw.ai.image', 'ollama') }}"
"""

RETURN = r"""
_raw:
  description: One reference for each term.
  type: list
  elements: str
  sample: ["docker.io/ollama/ollama:0.32.15"]
"""

from typing import Any

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase
from ansible_collections.psw.ai.plugins.plugin_utils._catalog import image
from ansible_collections.psw.ai.plugins.plugin_utils._errors import PswError


class LookupModule(LookupBase):
    def run(self, terms: list[str], variables: Any = None, **kwargs: Any) -> list[str]:
        self.set_options(var_options=variables, direct=kwargs)
        try:
            return [image(str(term)) for term in terms]
        except PswError as exc:
            raise AnsibleLookupError(str(exc)) from exc
