# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lookup of secrets: a door to plugin_utils/_secrets.py."""

from __future__ import annotations

DOCUMENTATION = r"""
name: secret
short_description: One secret of a psw project
description:
  - Decrypts C(secrets/apps.yml) of the project with sops, in memory, and returns one value.
  - Values never become inventory or extra variables. Use C(no_log) where they go.
  - In check mode, a secret that the first real run will make is shown as a placeholder, so that a project can be checked from nothing.
author: the psw authors (@psw-ai)
options:
  _terms:
    description: The app, then the name of its secret.
    type: list
    elements: str
    required: true
  project:
    description: The project directory.
    type: str
    vars:
      - name: psw_project_dir
  default:
    description: What to return when the secret is not there. Without it, that is an error.
    type: str
"""

EXAMPLES = r"""
# roles/postgres/defaults/main.yml
postgres_password: "{{ lookup('psw.ai.secret', 'postgres', 'postgres_password') }}"
"""

RETURN = r"""
_raw:
  description: The value, in a list of one.
  type: list
  elements: str
"""

import functools
from typing import TYPE_CHECKING, Any

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase
from ansible_collections.psw.ai.plugins.plugin_utils._errors import PswError
from ansible_collections.psw.ai.plugins.plugin_utils._project import Project
from ansible_collections.psw.ai.plugins.plugin_utils._secrets import Secrets

if TYPE_CHECKING:
    from pathlib import Path

    from ansible_collections.psw.ai.plugins.plugin_utils._sealed import Apps


@functools.lru_cache(maxsize=1)
def _read(project: str, _stamp: tuple[int, ...]) -> Apps:
    """Return all secrets; a task that looks up three of them starts sops once, unless the file changes in between."""
    return Secrets(Project.open(project)).read()


def _stamp(file: Path) -> tuple[int, ...]:
    try:
        found = file.stat()
    except OSError:
        return ()
    return (found.st_ino, found.st_mtime_ns, found.st_size)


class LookupModule(LookupBase):
    def run(self, terms: list[str], variables: Any = None, **kwargs: Any) -> list[str]:
        self.set_options(var_options=variables, direct=kwargs)
        if len(terms) != 2:  # noqa: PLR2004 - an app and a name
            raise AnsibleLookupError(f"psw.ai.secret takes an app and the name of its secret, not {len(terms)} words")
        project, default = self.get_option("project"), self.get_option("default")
        if not project:
            raise AnsibleLookupError("psw_project_dir is not set; take a project as inventory (-i DIR/psw.yml), or set it to the project's directory")
        app, name = (str(term) for term in terms)
        try:
            secrets = Secrets(Project.open(project))
            there = _read(str(project), _stamp(secrets.file)).get(app, {})
            if name in there:
                return [there[name]]
            if default is not None:
                return [default]
            if (variables or {}).get("ansible_check_mode"):
                return [secrets.planned(app, name)]
            return [secrets.get(app, name)]
        except PswError as exc:
            raise AnsibleLookupError(str(exc)) from exc
