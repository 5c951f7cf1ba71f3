# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What psw's action plugins share: options in, plain data; expected errors out, as one line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ansible_collections.psw.ai.plugins.plugin_utils import _yaml
from ansible_collections.psw.ai.plugins.plugin_utils._errors import PswError, Refusal
from ansible_collections.psw.ai.plugins.plugin_utils._plain import plain
from ansible_collections.psw.ai.plugins.plugin_utils._project import Project

if TYPE_CHECKING:
    from collections.abc import Callable

Result = dict[str, Any]


def project_of(options: dict[str, Any], task_vars: dict[str, Any]) -> Project:
    """Return the project that a task means: its own option, else that of the inventory."""
    path = options.get("project") or task_vars.get("psw_project_dir")
    if not path:
        raise PswError("psw_project_dir is not set", "take a project as inventory (-i DIR/psw.yml), or set it to the project's directory")
    return Project.open(str(path))


def carry_out(work: Callable[[], Result]) -> Result:
    """Return what ``work`` returns; an error that psw expects becomes a failed result, a refusal one with its code."""
    try:
        return {"changed": False, **work()}
    except Refusal as exc:
        return {"failed": True, "changed": False, "msg": str(exc), "refusal": exc.as_dict()}
    except PswError as exc:
        return {"failed": True, "changed": False, "msg": str(exc)}


def options_of(arguments: Any) -> dict[str, Any]:
    """Return a task's validated options as plain data."""
    options: dict[str, Any] = plain(arguments)
    return options


def difference(name: str, before: Any, after: Any) -> Result:
    """Return what a task shows in diff mode for a file of the project."""
    texts = {"before": _yaml.dump(before) if before else "", "after": _yaml.dump(after)}
    return {"diff": {"before_header": name, "after_header": name, **texts}}
