# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A machine's own state: gather the facts of it at once, and carry out the plan; private to the collection."""

from __future__ import annotations

import contextlib
import json
import os

from ansible_collections.psw.ai.plugins.module_utils import _desired_files as files
from ansible_collections.psw.ai.plugins.module_utils import _packages, _systemd
from ansible_collections.psw.ai.plugins.module_utils._host import plan_host
from ansible_collections.psw.ai.plugins.module_utils._one_at_a_time import one_at_a_time
from ansible_collections.psw.ai.plugins.module_utils._programs import run_together
from ansible_collections.psw.ai.plugins.module_utils._steps import Step, carry_out, told

NOTE = "/etc/psw/pending-restarts.json"


def _pending():
    found = files.look(NOTE)
    try:
        return json.loads(found.get("content", "[]"))
    except ValueError:
        return []  # a note that cannot be read owes nothing that can be named


def _note(step):
    if step.args["units"]:
        text = json.dumps(step.args["units"]) + "\n"
        files.write(Step("write", NOTE, files.wish("file", NOTE, content=text, mode="0600", owner="0", group="0")))
    else:
        files.remove(Step("remove", NOTE))


def gather(wish):
    """Return the facts that ``plan_host`` reads."""
    pending = _pending()
    services = sorted({unit["name"] for unit in wish["units"]} | set(pending))
    queried, shown = run_together(_packages.query_command(wish["packages"]), _systemd.show_command(services))
    return {
        "pending": pending,
        "paths": files.look_at(wish["paths"]),
        "packages": _packages.parse_query(queried.out),
        "services": _systemd.parse_show(services, shown.out),
        "missing": [path for unit in wish["units"] for path in unit.get("provides", []) if not os.path.exists(path)],
    }


def perform(steps):
    """Carry out a plan."""
    change = {verb: _unit_doer(verb) for verb in ("start", "stop", "restart", "enable", "disable", "mask", "unmask")}
    carry_out(steps, {**files.DOERS, **_packages.DOERS, **change, "note": _note, "reload": lambda _step: _systemd.reload_units()})


def _unit_doer(verb):
    return lambda step: _systemd.change(verb, [step.target])


def converge(wish, *, check_mode):
    """Bring the machine to its wished state, one run at a time, and return what was done; in check mode what would be."""
    with contextlib.nullcontext() if check_mode else one_at_a_time("host"):
        steps = plan_host(wish, gather(wish))
        if not check_mode:
            perform(steps)
    return told(steps)
