# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a module of this collection as one program over the connection's standard input.

Ansible's own way packs each module with half of ``ansible.module_utils``, which takes about 0.4 s of the controller per module and run, and
a quarter of a second of the machine per call. Modules of this collection need next to nothing of it, so a call is their own source, their
options and a small stand-in for ``AnsibleModule`` (``module_utils/_slim.py``). Options are checked here, by Ansible's own validator, and
values marked ``no_log`` are taken out of what comes back. Where this does not apply (no pipelining, ``async``), Ansible's own way is taken.
"""

from __future__ import annotations

import json
import re
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ansible.errors import AnsibleActionFail
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.common.parameters import remove_values
from ansible.module_utils.common.validation import check_type_path
from ansible.module_utils.errors import UnsupportedError
from ansible.plugins.action import ActionBase
from ansible_collections.psw.ai.plugins.plugin_utils._plain import plain
from ansible_collections.psw.ai.plugins.plugin_utils._progress import followed

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import ModuleType

_PACKAGE = "ansible_collections.psw.ai.plugins"
_HERE = Path(__file__).parents[1]
_PACKAGES = ("ansible", "ansible.module_utils", "ansible_collections", "ansible_collections.psw", "ansible_collections.psw.ai", _PACKAGE)
_HELPERS = {path.stem for path in (_HERE / "module_utils").glob("_*.py")}
_PYTHON = "/usr/bin/python3"  # Debian's own; another one is named by ansible_python_interpreter, as everywhere


class _AnsiblesWayError(Exception):
    """The call needs what only Ansible's own wrapper does."""


class _ToldError(Exception):
    """Carries what a module tells ``AnsibleModule`` about its options."""

    def __init__(self, **told: Any) -> None:
        super().__init__()
        self.told = told


def _tell(**told: Any) -> None:
    raise _ToldError(**told)


def declared(module: Any) -> dict[str, Any]:
    """Return what a module tells ``AnsibleModule``: its argument spec and what constrains it."""
    own, module.AnsibleModule = module.AnsibleModule, _tell
    try:
        module.main()
    except _ToldError as exc:
        return exc.told
    finally:
        module.AnsibleModule = own
    raise TypeError(f"{module.__name__} does not begin with AnsibleModule")


def sources(name: str) -> dict[str, str | None]:
    """Return the sources that a call may import, by full name; None stands for a package."""
    texts: dict[str, str | None] = dict.fromkeys((*_PACKAGES, f"{_PACKAGE}.modules", f"{_PACKAGE}.module_utils"))
    texts["ansible.module_utils.basic"] = (_HERE / "module_utils" / "_slim.py").read_text("utf-8")
    text = (_HERE / "modules" / f"{name}.py").read_text("utf-8")
    texts[f"{_PACKAGE}.modules.{name}"] = text
    return {**texts, **{f"{_PACKAGE}.module_utils.{helper}": source for helper, source in helpers(text).items()}}


def helpers(text: str) -> dict[str, str]:
    """Return the sources of all helpers that a program may import, by their names."""
    texts: dict[str, str] = {}
    wanted = _helpers(text)
    while wanted:  # a name that only looks like a helper's costs some bytes
        helper = wanted.pop()
        texts[helper] = (_HERE / "module_utils" / f"{helper}.py").read_text("utf-8")
        wanted |= _helpers(texts[helper]) - texts.keys()
    return texts


def _helpers(text: str) -> set[str]:
    return _HELPERS & set(re.findall(r"\b_[a-z0-9_]+", text))


def program(name: str, params: dict[str, Any], *, check_mode: bool, diff: bool) -> str:
    """Return the program that runs a module with these options."""
    request = {"module": f"{_PACKAGE}.modules.{name}", "sources": sources(name), "params": params, "check_mode": check_mode, "diff": diff}
    head = (_HERE / "module_utils" / "_program.py").read_text("utf-8")
    return f"{head}\n\nrun({json.dumps(request)!r})\n"


def answer(output: str) -> dict[str, Any] | None:
    """Return the result in what a program printed: its last line, None when that is not one."""
    lines = output.strip().splitlines()
    try:
        result = json.loads(lines[-1]) if lines else None
    except ValueError:
        return None
    return result if isinstance(result, dict) else None


def _path(value: Any) -> str:
    """Take a path as it is: what ``~`` and variables stand for only the machine knows."""
    if check_type_path(value) != value:
        raise _AnsiblesWayError
    return str(value)


def _for_controller(spec: dict[str, Any]) -> dict[str, Any]:
    checked = {}
    for name, option in spec.items():
        checked[name] = dict(option)
        for key in ("type", "elements"):
            if option.get(key) == "path":
                checked[name][key] = _path
        if "options" in option:
            checked[name]["options"] = _for_controller(option["options"])
    return checked


class RemoteAction(ActionBase):  # type: ignore[misc] # ansible-core has no types
    """The action of a module by its own name, and the base of actions that work with one."""

    _supports_check_mode = True
    _supports_async = True

    # Imported by the action's own file, and so before Ansible forks: once for a run and not once for each task.
    module: ModuleType
    tells_progress = False  # whether it may take long, and says meanwhile how far it is

    def run(self, tmp: Any = None, task_vars: Any = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        with followed(self._connection, task_vars["inventory_hostname"]) if self.tells_progress else nullcontext():
            result.update(self.call(self._task.args, task_vars))
        return result

    def call(self, args: Mapping[str, Any], task_vars: Any) -> dict[str, Any]:
        """Return what the module answers to these options."""
        name = self.module.__name__.rpartition(".")[2]
        if not self._task.async_val and self._is_pipelining_enabled("new"):
            with suppress(_AnsiblesWayError):
                return self._call_program(name, args, task_vars or {})
        wrap_async = bool(self._task.async_val) and not self._connection.has_native_async
        result: dict[str, Any] = self._execute_module(f"psw.ai.{name}", dict(args), task_vars=task_vars, wrap_async=wrap_async)
        if not wrap_async:
            self._remove_tmp_path(self._connection._shell.tmpdir)  # noqa: SLF001 - Ansible's own actions do
        return result

    def _call_program(self, name: str, args: Mapping[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        validated = _validated(name, declared(self.module), args)
        text = program(name, plain(validated.validated_parameters), check_mode=self._task.check_mode, diff=self._task.diff)
        python = self._interpreter(task_vars)
        command = self._connection._shell.build_module_command(self._compute_environment_string(), f"#!{python}", "").strip()  # noqa: SLF001 - as above
        done = self._low_level_execute_command(command, in_data=text.encode("utf-8", "surrogateescape"))
        found = answer(done["stdout"])
        if found is None:
            said = done["stderr"].strip().splitlines() or done["stdout"].strip().splitlines() or ["nothing"]
            return {"failed": True, "msg": f"{name} broke off ({python} ended with {done['rc']}): {said[-1]}", "exception": done["stderr"]}
        censored: dict[str, Any] = remove_values(found, validated._no_log_values)  # noqa: SLF001 - there is no other way to them
        return censored

    def _interpreter(self, task_vars: dict[str, Any]) -> str:
        if self._task.delegate_to:
            task_vars = task_vars.get("ansible_delegated_vars", {}).get(self._task.delegate_to, {})
        return str(self._templar.template(task_vars.get("ansible_python_interpreter") or _PYTHON))


def _validated(name: str, told: dict[str, Any], args: Mapping[str, Any]) -> Any:
    constraints = {key: value for key, value in told.items() if key not in ("argument_spec", "supports_check_mode")}
    validated = ArgumentSpecValidator(_for_controller(told["argument_spec"]), **constraints).validate(dict(args))
    if validated.error_messages:
        wrong = validated.errors.msg
        unknown = isinstance(validated.errors[0], UnsupportedError)
        raise AnsibleActionFail(f"Unsupported parameters for (psw.ai.{name}) module: {wrong}" if unknown else wrong)
    return validated
