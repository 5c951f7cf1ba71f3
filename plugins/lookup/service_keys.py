# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lookup of consumers with their stored keys: a door to plugin_utils/_secrets.py."""

from __future__ import annotations

DOCUMENTATION = r"""
name: service_keys
short_description: Consumers of Open WebUI with their stored keys
description:
  - Returns each consumer as M(psw.ai.openwebui_service_key) takes it, with the key that the project has stored for it, or none.
  - Decrypts the project's secrets once, however many consumers there are. Use C(no_log) where the result goes.
author: the psw authors (@psw-ai)
options:
  _terms:
    description: Consumers, each with C(consumer), C(secret) and, if they differ from the module's defaults, C(email) and C(role).
    type: list
    elements: dict
    required: true
  project:
    description: The project directory.
    type: path
    vars:
      - name: psw_project_dir
"""

EXAMPLES = r"""
- name: Give all consumers their keys
  psw.ai.openwebui_service_key:
    consumers: "{{ query('psw.ai.service_keys', *psw_consumers) }}"
  no_log: true
"""

RETURN = r"""
_raw:
  description: The consumers with their keys.
  type: list
  elements: dict
"""

from typing import Any

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase
from ansible_collections.psw.ai.plugins.plugin_utils._errors import PswError
from ansible_collections.psw.ai.plugins.plugin_utils._project import Project
from ansible_collections.psw.ai.plugins.plugin_utils._secrets import Secrets


class LookupModule(LookupBase):
    def run(self, terms: list[dict[str, Any]], variables: Any = None, **kwargs: Any) -> list[dict[str, Any]]:
        self.set_options(var_options=variables, direct=kwargs)
        project = self.get_option("project")
        if not project:
            raise AnsibleLookupError("psw_project_dir is not set; take a project as inventory (-i DIR/psw.yml), or set it to the project's directory")
        try:
            there = Secrets(Project.open(project)).read()
        except PswError as exc:
            raise AnsibleLookupError(str(exc)) from exc
        return [
            {
                **{name: consumer[name] for name in ("consumer", "email", "role") if name in consumer},
                **({"key": key} if (key := there.get(consumer["consumer"], {}).get(consumer["secret"])) else {}),
            }
            for consumer in terms
        ]
