# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""systemd: ask about all units at once, and change them; private to the collection."""

from __future__ import annotations

from ansible_collections.psw.ai.plugins.module_utils._errors import PswModuleError
from ansible_collections.psw.ai.plugins.module_utils._programs import last_lines, run

_PROPERTIES = "Id,LoadState,ActiveState,SubState,UnitFileState,NeedDaemonReload,Result,NRestarts"
_SYNC_SECONDS = 30
UNKNOWN = {"LoadState": "not-found", "ActiveState": "inactive", "NeedDaemonReload": "no", "UnitFileState": ""}


def show_command(units):
    """Return the command that tells the state of these units, None for none."""
    return ["systemctl", "show", f"--property={_PROPERTIES}", "--", *list(units)] if units else None


def parse_show(units, text):
    """Return {unit: {property: value}}; systemctl answers in the order it was asked, with an empty line between."""
    blocks = [block for block in text.strip().split("\n\n") if block]
    if len(blocks) != len(units):
        raise PswModuleError(f"systemctl does not answer for {', '.join(units)}: is systemd running here? {last_lines(text)}")
    return {unit: dict(line.partition("=")[::2] for line in block.splitlines()) for unit, block in zip(units, blocks)}


def show(units):
    """Return {unit: {property: value}} as systemd has it now."""
    units = list(units)
    return parse_show(units, run(show_command(units), check=False).out) if units else {}


def reload_units():
    """Let systemd read its unit files again."""
    run(["systemctl", "daemon-reload"], doing="systemctl daemon-reload")


def journal(unit, lines=15):
    """Return the last lines of a unit's journal, or a word about there being none."""
    # What was said a moment ago may not be in the journal yet, and it is most often what matters.
    run(["journalctl", "--sync"], check=False, timeout=_SYNC_SECONDS)
    done = run(["journalctl", "--no-pager", "--output=cat", f"--lines={lines}", f"--unit={unit}"], check=False)
    return done.out.strip() or f"(the journal has nothing of {unit})"


def _paragraph(unit, state):
    about = f"{state.get('ActiveState')} ({state.get('SubState')}), result {state.get('Result')}, restarted {state.get('NRestarts')} times"
    return f"{unit} is {about}; the last lines of its journal:\n{journal(unit)}"


def explain(units):
    """Return one paragraph for each unit: its state and the last lines of its journal."""
    return "\n".join(_paragraph(unit, state) for unit, state in show(units).items())


def active_users(unit):
    """Return the active services that require a unit, and so stop with it."""
    users = run(["systemctl", "show", "--property=RequiredBy", "--value", "--", unit], check=False).out.split()
    return [user for user, state in show(users).items() if state["ActiveState"] == "active"]


def change(verb, units):
    """Start, restart, stop, … these units; on failure say which of them failed and why."""
    if not units:
        return
    if verb in ("start", "restart"):
        # A unit that crashed often enough is refused a start until its past is forgotten.
        run(["systemctl", "reset-failed", "--", *units], check=False)
    done = run(["systemctl", verb, "--", *units], check=False)
    if done.rc == 0:
        return
    states = show(units)
    failed = [unit for unit in units if states[unit].get("ActiveState") not in ("active", "reloading")] or list(units)
    raise PswModuleError(f"systemctl {verb} failed: {last_lines(done.err, 3)}\n{explain(failed)}")
