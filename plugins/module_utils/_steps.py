# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Steps: what a plan consists of. Planners make them from facts, the doers carry them out; private to the collection."""

from __future__ import annotations

from types import MappingProxyType
from typing import NamedTuple


class Step(NamedTuple):
    """One thing to do: ``op`` names the doer, ``target`` what it is done to, ``diff`` how the target's state will differ (None: a mere consequence)."""

    op: str
    target: str
    args: dict = MappingProxyType({})
    diff: dict | None = None


def sentence(step):
    """Say the step in words."""
    return f"{step.op} {step.target}"


_SILENT = ("note", "wish for package")  # bookkeeping, and what one later step does for all


def told(steps):
    """Return what a module returns of its steps, done or foretold."""
    return {
        "changed": bool(steps),
        "actions": [sentence(step) for step in steps if step.op not in _SILENT],
        "diff": [step.diff for step in steps if step.diff],
    }


def state_diff(name, before, after):
    """Return the diff of something whose state is one word or line."""
    return {
        "before": f"{before}\n" if before else "",
        "after": f"{after}\n" if after else "",
        "before_header": name,
        "after_header": name,
    }


def carry_out(steps, doers):
    """Do the steps in their order; ``doers`` maps an op to the function that does it."""
    for step in steps:
        doers[step.op](step)
