# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keep what psw learned about a target; its documentation is in plugins/modules/project_targets.py."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.psw.ai.plugins.plugin_utils import _targets
from ansible_collections.psw.ai.plugins.plugin_utils._action import carry_out, options_of, project_of

SPEC = {
    "project": {"type": "path"},
    "name": {"type": "str"},
    "vmid": {"type": "int"},
    "address": {"type": "str"},
    "groups": {"type": "dict"},
    "host_keys": {"type": "list", "elements": "str", "no_log": False},
    "ca_certificate": {"type": "str"},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
}


class ActionModule(ActionBase):
    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: Any = None, task_vars: Any = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        _result, arguments = self.validate_argument_spec(argument_spec=SPEC)
        options = options_of(arguments)

        def work() -> dict[str, Any]:
            path = project_of(options, task_vars or {}).path
            name = options["name"] or str((task_vars or {})["inventory_hostname"])
            write = not self._task.check_mode
            if options["state"] == "absent":
                return {"changed": _targets.forget(path, name, write=write)}
            changed = []
            if options["vmid"] is not None or options["address"]:
                facts = {"vmid": options["vmid"], "address": options["address"] or None, "groups": options["groups"] or None}
                changed.append(_targets.remember(path, name, facts, write=write))
            if options["host_keys"]:
                changed.append(_targets.pin(path, name, options["host_keys"], write=write))
            if options["ca_certificate"]:
                changed.append(_targets.keep_ca(path, options["ca_certificate"], write=write))
            return {"changed": any(changed)}

        return carry_out(work)
