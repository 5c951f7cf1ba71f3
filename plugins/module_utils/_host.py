# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan of a machine's own state: packages, files, links and units; private to the collection."""

from __future__ import annotations

from ansible_collections.psw.ai.plugins.module_utils import _desired_files as files
from ansible_collections.psw.ai.plugins.module_utils import _packages
from ansible_collections.psw.ai.plugins.module_utils._errors import PswModuleError
from ansible_collections.psw.ai.plugins.module_utils._steps import Step, state_diff
from ansible_collections.psw.ai.plugins.module_utils._systemd import UNKNOWN

# What apt reads has to be there before it is asked for packages.
_BEFORE_PACKAGES = ("/etc/apt/", "/usr/share/keyrings/")
_UNIT_FOLDERS = ("/etc/systemd/system/", "/usr/lib/systemd/system/", "/usr/local/lib/systemd/system/", "/etc/containers/systemd/")


def _is_off(found):
    return found["ActiveState"] not in ("active", "reloading", "activating")


def _has_failed(found):
    """Tell whether a unit failed and systemd will try it again in a moment: that is called activating, too, and may be given up before it helps."""
    return found["ActiveState"] == "activating" and found.get("SubState") == "auto-restart"


def _unit_steps(unit, found, missing, *, comes):
    """Return the steps for one unit.

    ``missing`` is what it has provided once and is not there; ``comes`` says that this run installs or writes something that may bring the unit.
    """
    name, masked = unit["name"], found["LoadState"] == "masked"
    if unit["state"] == "started" and found["LoadState"] == "not-found" and not comes:
        raise PswModuleError(f"unit {name} is to be started, and there is no such unit on this machine")
    if unit["masked"] is not None and unit["masked"] != masked:
        verb = "mask" if unit["masked"] else "unmask"
        yield Step(verb, name, {}, state_diff(f"{name} (mask)", "masked" if masked else "", "masked" if unit["masked"] else ""))
    enabled = found["UnitFileState"].startswith("enabled")
    # Units that others pull in, or that a generator makes, have no switch of their own.
    switchable = found["UnitFileState"] not in ("static", "generated", "alias", "indirect", "transient")
    if unit["enabled"] is not None and unit["enabled"] != enabled and switchable and not (masked and not unit["enabled"]):
        verb = "enable" if unit["enabled"] else "disable"
        if unit["enabled"] or enabled:
            yield Step(verb, name, {}, state_diff(f"{name} (at boot)", "enabled" if enabled else "disabled", f"{verb}d"))
    if unit["state"] == "started" and (_is_off(found) or _has_failed(found)):
        yield Step("start", name, {}, state_diff(name, found["ActiveState"], "active"))
    elif unit["state"] == "started" and missing:
        yield Step("restart", name, {}, state_diff(name, f"active, without {', '.join(missing)}", "active"))
    if unit["state"] == "stopped" and not _is_off(found):
        yield Step("stop", name, {}, state_diff(name, found["ActiveState"], "inactive"))


def _restarts(wish, changed, pending):
    """Return the units to restart, in the order they are named: those of changed files, and those a killed run still owes."""
    wanted = [unit for path, units in wish["restarts"].items() if path in changed for unit in units]
    return sorted(set(wanted) | set(pending), key=(wanted + sorted(pending)).index)


def plan_host(wish, facts):
    """Return the steps from what is found to what is wished."""
    early = [wished for wished in wish["paths"] if wished["path"].startswith(_BEFORE_PACKAGES)]
    late = [wished for wished in wish["paths"] if wished not in early]
    before = files.plan(early, facts["paths"])
    packages = _packages.plan(wish["packages"], facts["packages"], recommends=wish["recommends"])
    after = files.plan(late, facts["paths"])
    changed = {step.target for step in before + after}
    found = {unit["name"]: facts["services"].get(unit["name"], UNKNOWN) for unit in wish["units"]}
    comes = bool(packages) or any(path.startswith(_UNIT_FOLDERS) for path in changed)
    missing = {unit["name"]: [path for path in unit.get("provides", []) if path in facts["missing"]] for unit in wish["units"]}
    units = [step for unit in wish["units"] for step in _unit_steps(unit, found[unit["name"]], missing[unit["name"]], comes=comes)]
    restarts = _restarts(wish, changed, facts["pending"])
    units = [step for step in units if step.op not in ("start", "restart") or step.target not in restarts]  # once is enough, and a restart starts as well

    steps = before + packages + after
    if any(path.startswith(_UNIT_FOLDERS) for path in changed) or any(state["NeedDaemonReload"] == "yes" for state in found.values()):
        steps.append(Step("reload", "systemd"))
    stopped = {unit["name"] for unit in wish["units"] if unit["state"] == "stopped" or unit["masked"]}
    restarts = [unit for unit in restarts if unit not in stopped]
    steps += units + [Step("restart", unit) for unit in restarts]
    if restarts:
        noted = [Step("note", "pending restarts", {"units": restarts})] if restarts != facts["pending"] else []
        steps = noted + steps + [Step("note", "pending restarts", {"units": []})]
    return steps
