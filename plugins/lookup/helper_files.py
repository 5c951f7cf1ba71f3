# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lookup of the files by which a program on a machine works as a module does."""

from __future__ import annotations

DOCUMENTATION = r"""
name: helper_files
short_description: The collection's own code for a program that stays on a machine
version_added: 0.1.0
description:
  - Returns the file of a helper below C(plugins/module_utils) and of all that it imports, for O(psw.ai.host_state#module:files).
  - A unit on the machine then goes by the same code as the module, at the same version.
author: the psw authors (@psw-ai)
options:
  _terms:
    description: Names of helpers.
    required: true
  directory:
    description: What the program puts into C(sys.path).
    type: str
    required: true
"""

EXAMPLES = r"""
# roles/ollama/vars/main.yml
__ollama_proof_helpers: "{{ query('psw.ai.helper_files', '_ollama_watch', directory='/usr/local/lib/psw') }}"
"""

RETURN = r"""
_raw:
  description: Files with C(path) and C(content), sorted by path.
  type: list
  elements: dict
"""

from typing import Any

from ansible.plugins.lookup import LookupBase
from ansible_collections.psw.ai.plugins.plugin_utils._remote import helpers


class LookupModule(LookupBase):
    def run(self, terms: list[str], variables: Any = None, **kwargs: Any) -> list[dict[str, str]]:
        self.set_options(var_options=variables, direct=kwargs)
        place = f"{self.get_option('directory')}/ansible_collections/psw/ai/plugins/module_utils"
        return [{"path": f"{place}/{name}.py", "content": text} for name, text in sorted(helpers(" ".join(terms)).items())]
