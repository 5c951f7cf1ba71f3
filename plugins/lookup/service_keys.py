# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lookup of an app's service keys: a door to plugin_utils/_consumers.py."""

from __future__ import annotations

DOCUMENTATION = r"""
name: service_keys
short_description: The Open WebUI keys of an app, ready to be kept where it reads them
description:
  - Returns the podman secrets and the files by which an app gets its keys, as C(goes_to) in its catalogue entry says, in the shape that
    M(psw.ai.quadlet_app) takes. Files are of mode 0600, and their content never shows.
  - With O(road) it also returns the questions that prove the keys, in the shape that M(psw.ai.service_ready) takes.
  - A key that is not stored yet is an error that names it; in check mode a placeholder stands for it.
version_added: 0.1.0
author: the psw authors (@psw-ai)
options:
  _terms:
    description: The app.
    type: list
    elements: str
    required: true
  project:
    description: The project directory.
    type: str
    vars:
      - name: psw_project_dir
  road:
    description: How Open WebUI is reached, as a check of kind C(http) of M(psw.ai.service_ready); the keys are added.
    type: dict
"""

EXAMPLES = r"""
- name: Run an app that asks the house's AI
  psw.ai.quadlet_app:
    name: scribe
    secrets: "{{ lookup('psw.ai.service_keys', 'scribe').secrets }}"
    files: "{{ lookup('psw.ai.service_keys', 'scribe').files }}"
    units: [{name: scribe.container, content: "{{ lookup('ansible.builtin.template', 'scribe.container.j2') }}"}]
"""

RETURN = r"""
_raw:
  description: For each app the lists C(secrets) and C(files), and with O(road) also C(ready).
  type: list
  elements: dict
"""

from typing import Any

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase
from ansible_collections.psw.ai.plugins.plugin_utils._catalog import Catalog
from ansible_collections.psw.ai.plugins.plugin_utils._consumers import delivery, proofs
from ansible_collections.psw.ai.plugins.plugin_utils._errors import PswError
from ansible_collections.psw.ai.plugins.plugin_utils._project import Project
from ansible_collections.psw.ai.plugins.plugin_utils._secrets import Secrets


class LookupModule(LookupBase):
    def run(self, terms: list[str], variables: Any = None, **kwargs: Any) -> list[dict[str, list[dict[str, Any]]]]:
        self.set_options(var_options=variables, direct=kwargs)
        project = self.get_option("project")
        if not project:
            raise AnsibleLookupError("psw_project_dir is not set; take a project as inventory (-i DIR/psw.yml), or set it to the project's directory")
        try:
            secrets, catalog = Secrets(Project.open(project)), Catalog.load()
            key = secrets.planned if (variables or {}).get("ansible_check_mode") else secrets.get
            road = self.get_option("road")
            asked = [{"ready": proofs(catalog, str(term), key, road)} if road else {} for term in terms]
            return [{**delivery(catalog, str(term), key), **more} for term, more in zip(terms, asked, strict=True)]
        except PswError as exc:
            raise AnsibleLookupError(str(exc)) from exc
