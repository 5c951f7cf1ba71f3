# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Refuse a node or choose its driver; its documentation is in plugins/modules/gpu_driver.py."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.psw.ai.plugins.plugin_utils._action import carry_out, options_of
from ansible_collections.psw.ai.plugins.plugin_utils._gpus import choose, load_gpus

SPEC = {
    "detected": {"type": "dict", "required": True},
    "vendor": {"type": "str"},
    "version": {"type": "str"},
    "backend": {"type": "str"},
    "gfx_override": {"type": "str"},
    "branch": {"type": "str"},
    "source": {"type": "str", "choices": ["auto", "nvidia_repo", "run", ""]},
    "kernel_modules": {"type": "str", "choices": ["auto", "open", "proprietary", ""]},
    "recorded": {"type": "dict"},
}


class ActionModule(ActionBase):
    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: Any = None, task_vars: Any = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        _result, arguments = self.validate_argument_spec(argument_spec=SPEC)
        options = options_of(arguments)
        wishes = {name: options[name] or None for name in SPEC if name != "detected"}
        return carry_out(lambda: choose(options["detected"], load_gpus(), **wishes))
