# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The life of the service keys, between the project and Open WebUI; its documentation is in plugins/modules/project_service_keys.py."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.psw.ai.plugins.modules import openwebui_service_key
from ansible_collections.psw.ai.plugins.plugin_utils._action import carry_out, options_of, project_of
from ansible_collections.psw.ai.plugins.plugin_utils._lock import mutex
from ansible_collections.psw.ai.plugins.plugin_utils._remote import RemoteAction
from ansible_collections.psw.ai.plugins.plugin_utils._secrets import Secrets

SUFFIX = "_openwebui_service_key"
SPEC = {
    "project": {"type": "path"},
    "consumers": {"type": "list", "elements": "dict", "required": True},
    "state": {"type": "str", "choices": ["present", "rotated", "absent", "validated"], "default": "present"},
    "only": {"type": "list", "elements": "str"},
}


class ActionModule(RemoteAction):
    _supports_async = False
    module = openwebui_service_key

    def run(self, tmp: Any = None, task_vars: Any = None) -> dict[str, Any]:
        ActionBase.run(self, tmp, task_vars)
        _result, arguments = self.validate_argument_spec(argument_spec=SPEC)
        options = options_of(arguments)

        def work() -> dict[str, Any]:
            project = project_of(options, task_vars or {})
            with mutex(project.path, "service-keys"):  # from the key that is read to the key that is stored, one run at a time
                return self._keep(Secrets(project), options, task_vars)

        return carry_out(work)

    def _keep(self, secrets: Secrets, options: dict[str, Any], task_vars: Any) -> dict[str, Any]:
        there = secrets.read()
        everybody = {item["consumer"]: item for item in options["consumers"]}
        asked = [item for name, item in everybody.items() if options["only"] is None or name in options["only"]]
        whole = options["only"] is None and options["state"] == "present"
        wanted = [
            {**{name: item[name] for name in ("consumer", "email", "role") if name in item}, "key": there.get(item["consumer"], {}).get(item["secret"])}
            for item in asked
        ]
        given = {"consumers": wanted, "state": options["state"], "purge": whole}
        told = self.call(given, task_vars)
        told.pop("invocation", None)
        if "consumers" not in told:
            return told
        new = {(name, everybody[name]["secret"]): item.pop("key") for item in told["consumers"] if "key" in item and (name := item["consumer"])}
        gone = [(item["consumer"], item["secret"]) for item in asked] if options["state"] == "absent" else nobodys(there, everybody) if whole else []
        errors = {item["consumer"]: item["error"] for item in told["consumers"] if "error" in item}
        gone = [(app, name) for app, name in gone if app not in errors]  # its user may be there yet
        if not self._task.check_mode:
            secrets.store({**new, **dict.fromkeys(gone)})
        told["changed"] = told["changed"] or any(name in there.get(app, {}) for app, name in gone)
        wrong = [f"{item['consumer']}: {item.get('error') or item['doubt']}" for item in told["consumers"] if "error" in item or "doubt" in item]
        return {**told, "failed": True, "wrong": wrong, "msg": "; ".join(wrong)} if wrong else {**told, "wrong": []}


def nobodys(there: dict[str, dict[str, str]], everybody: dict[str, dict[str, str]]) -> list[tuple[str, str]]:
    """Return where keys are stored whose consumer is gone."""
    return [(app, name) for app, values in there.items() for name in values if name.endswith(SUFFIX) and everybody.get(app, {}).get("secret") != name]
