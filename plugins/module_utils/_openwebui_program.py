# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The program that openwebui_service_key sends into the container, and what it makes of the answer; private to the collection."""

from __future__ import annotations

import inspect
import json

from ansible_collections.psw.ai.plugins.module_utils import _openwebui_glance as glance
from ansible_collections.psw.ai.plugins.module_utils import _openwebui_keys as keys
from ansible_collections.psw.ai.plugins.module_utils._errors import PswModuleError

# What runs in the container: a glance at its database, and only when that does not settle it Open WebUI's ORM, whose import alone takes more than a second.
PROGRAM = """
def run(text):
    names = {{}}
    exec(text, names)
    return names["main"]({request!r})

run({glance!r}) or run({keys!r})
"""


def program(request):
    """Return the program for the container; the text of its parts comes from wherever Ansible has put them: in a directory or inside a zip file."""
    return PROGRAM.format(request=json.dumps(request), glance=inspect.getsource(glance), keys=inspect.getsource(keys))


def answer_of(container, result):
    """Return the helper's answer from what its process wrote."""
    code, out, err = result
    for line in out.splitlines():
        if line.startswith(keys.MARK):
            answer = json.loads(line[len(keys.MARK) :])
            if "error" in answer:
                raise PswModuleError(answer["error"])
            return answer["consumers"]
    last = "\n".join(err.strip().splitlines()[-5:])
    raise PswModuleError(f"the container {container} did not answer (exit code {code}): {last}")
