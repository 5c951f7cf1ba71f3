# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Refuse early; its documentation is in plugins/modules/preflight.py."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.psw.ai.plugins.plugin_utils._action import carry_out, difference, options_of, project_of
from ansible_collections.psw.ai.plugins.plugin_utils._catalog import Catalog
from ansible_collections.psw.ai.plugins.plugin_utils._lock import project_lock
from ansible_collections.psw.ai.plugins.plugin_utils._preflight import check, current_plan
from ansible_collections.psw.ai.plugins.plugin_utils._project import PLAN

LOCK_WAIT = 10  # seconds for a psw that is about to be done


class ActionModule(ActionBase):
    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: Any = None, task_vars: Any = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        _result, arguments = self.validate_argument_spec(argument_spec={"project": {"type": "path"}})
        options = options_of(arguments)

        def work() -> dict[str, Any]:
            project, catalog = project_of(options, task_vars or {}), Catalog.load()
            plan = current_plan(project, catalog)
            refusals = check(project, plan, catalog)
            if refusals:
                raise refusals[0]
            before = project.plan
            changed = before != plan
            if not self._task.check_mode:
                # Also makes .psw, where ssh notes the host keys of nodes.
                with project_lock(project.path, wait=LOCK_WAIT, command="ansible-playbook"):
                    project.write_plan(plan)
            return {"changed": changed, "plan": plan, **(difference(PLAN, before, plan) if changed else {})}

        return carry_out(work)
