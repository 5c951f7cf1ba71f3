# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether podman's description of the GPU fits the driver, and what makes it anew; private to the collection."""

from __future__ import annotations

from ansible_collections.psw.ai.plugins.module_utils import _cdi
from ansible_collections.psw.ai.plugins.module_utils._steps import Step, state_diff

_STARTS = ("start", "restart")


def made_for(text, absent=()):
    """Say in a line what a specification describes, and what of that is not there; None is a file that is not there."""
    if text is None:
        return ""
    if not _cdi.is_whole(text):
        return f"no description of {_cdi.KIND}"
    versions = _cdi.needs(text)[1]
    described = f"{_cdi.KIND} with driver {', '.join(versions)}" if versions else f"{_cdi.KIND} without a driver"
    return f"{described}, and without {', '.join(absent)}" if absent else described


def plan(found, path, unit, version, steps):
    """Return the step that has the unit describe the GPU anew, when its specification, as made_for() tells it, is not what it should be.

    A unit that ran at boot stays active whatever becomes of its file, and of the device nodes that it made. One that starts anyway, for
    another reason, describes the GPU by that.
    """
    wanted = f"{_cdi.KIND} with driver {version}"
    if found == wanted or any(step.op in _STARTS and step.target == unit for step in steps):
        return []
    return [Step("restart", unit, {}, state_diff(path, found, wanted))]
