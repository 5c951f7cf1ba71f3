# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run did, in the few lines that people read."""

from __future__ import annotations

from typing import Any

from psw_cli.output import count, seconds, table


def of_run(report: dict[str, Any], *, check: bool) -> str:
    """Return the summary of a run that ended well: how much changed, where, what, and how long it took."""
    took, changed = seconds(report["duration_s"]), report["changed"]
    if not report["hosts"]:
        head = f"ansible-playbook ran no task; what it said is in the log ({took})"
    elif not changed:
        head = f"nothing to do: all is as it should be ({took})"
    elif check:
        head = f"would change {count(changed, 'thing')}; nothing was changed ({took})"
    else:
        head = f"changed {count(changed, 'thing')} ({took})"
    parts = [head, *(f"warning: {warning}" for warning in report["warnings"])]
    if changed:
        parts.append(table(("host", "ok", "changed"), [(host, counts["ok"], counts["changed"]) for host, counts in report["hosts"].items()]))
    if check and changed:
        parts.append(table(("host", "part", "would change"), [(change["host"], change["role"], change["task"]) for change in report["changes"]]))
    parts += [of_diff(diff) for diff in report["diffs"]]
    return "\n\n".join(parts)


def of_diff(diff: dict[str, str]) -> str:
    """Return one difference under a line that says whose it is."""
    part = f"{diff['role']}: " if diff["role"] else ""
    return f"{diff['host']}, {part}{diff['task']}\n{diff['diff']}"
