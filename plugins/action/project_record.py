# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write what was found on a node; its documentation is in plugins/modules/project_record.py."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.psw.ai.plugins.plugin_utils._action import carry_out, difference, options_of, project_of

SPEC = {
    "project": {"type": "path"},
    "node": {"type": "str"},
    "record": {"type": "dict", "required": True},
}


class ActionModule(ActionBase):
    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: Any = None, task_vars: Any = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        _result, arguments = self.validate_argument_spec(argument_spec=SPEC)
        options = options_of(arguments)

        def work() -> dict[str, Any]:
            project = project_of(options, task_vars or {})
            node = options["node"] or str((task_vars or {})["inventory_hostname"])
            before = project.records.get(node)
            changed = project.write_record(node, options["record"], write=not self._task.check_mode)
            return {"changed": changed, **(difference(f"nodes/{node}/gpu.yml", before, options["record"]) if changed else {})}

        return carry_out(work)
