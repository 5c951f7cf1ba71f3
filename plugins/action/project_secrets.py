# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make, store and remove secrets; its documentation is in plugins/modules/project_secrets.py."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.psw.ai.plugins.plugin_utils._action import carry_out, options_of, project_of
from ansible_collections.psw.ai.plugins.plugin_utils._catalog import Catalog
from ansible_collections.psw.ai.plugins.plugin_utils._secrets import Secrets, wanted_secrets

SPEC = {
    "project": {"type": "path"},
    "apps": {"type": "list", "elements": "str"},
    "app": {"type": "str"},
    "name": {"type": "str"},
    "value": {"type": "str", "no_log": True},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
}


class ActionModule(ActionBase):
    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: Any = None, task_vars: Any = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        _result, arguments = self.validate_argument_spec(
            argument_spec=SPEC,
            mutually_exclusive=[("apps", "app")],
            required_one_of=[("apps", "app")],
            required_together=[("app", "name")],
            required_if=[("state", "present", ("apps", "value"), True)],
        )
        options = options_of(arguments)

        def work() -> dict[str, Any]:
            secrets = Secrets(project_of(options, task_vars or {}))
            if options["apps"] is not None:
                return self._ensure(secrets, options["apps"])
            return {"changed": self._set(secrets, options)}

        return carry_out(work)

    def _ensure(self, secrets: Secrets, apps: list[str]) -> dict[str, Any]:
        wanted = wanted_secrets(Catalog.load(), apps)
        made = secrets.missing(wanted)
        if made and not self._task.check_mode:
            secrets.ensure(wanted)
        return {"changed": bool(made), "made": made}

    def _set(self, secrets: Secrets, options: dict[str, Any]) -> bool:
        app, name = options["app"], options["name"]
        there = secrets.read().get(app, {}).get(name)
        wanted = None if options["state"] == "absent" else options["value"]
        if there == wanted:
            return False
        if not self._task.check_mode:
            secrets.remove(app, name) if wanted is None else secrets.set(app, name, wanted)
        return True
