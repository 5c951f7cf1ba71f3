# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The program that openwebui_service_key sends into the container, and what it makes of the answer; private to the collection."""

from __future__ import annotations

import inspect
import json

from ansible_collections.psw.ai.plugins.module_utils import _openwebui_glance as glance
from ansible_collections.psw.ai.plugins.module_utils import _openwebui_keys as keys
from ansible_collections.psw.ai.plugins.module_utils import _openwebui_proof as proof
from ansible_collections.psw.ai.plugins.module_utils import _openwebui_usage as usage
from ansible_collections.psw.ai.plugins.module_utils._errors import PswModuleError

# What runs in the container: a glance at its database, and only when that does not settle it Open WebUI's ORM, whose import alone takes more than a second.
PROGRAM = """
def main_of(text):
    names = {{}}
    exec(text, names)
    return names["main"]

request = {request!r}
main_of({glance!r})(request) or main_of({keys!r})(request, main_of({proof!r}))
"""


def program(request):
    """Return the program for the container; the text of its parts comes from wherever Ansible has put them: in a directory or inside a zip file."""
    parts = {"glance": inspect.getsource(glance), "keys": inspect.getsource(keys), "proof": inspect.getsource(proof)}
    return PROGRAM.format(request=json.dumps(request), **parts)


USAGE = """
def names_of(text):
    names = {{}}
    exec(text, names)
    return names

print(names_of({usage!r})["main"](names_of({glance!r})["database"]))
"""


def usage_program():
    """Return the program that tells how much the keys are used."""
    return USAGE.format(usage=inspect.getsource(usage), glance=inspect.getsource(glance))


def answer_of(container, result):
    """Return the program's answer from what its process wrote."""
    code, out, err = result
    for line in out.splitlines():
        if line.startswith(keys.MARK):
            answer = json.loads(line[len(keys.MARK) :])
            if "error" in answer:
                raise PswModuleError(answer["error"])
            return answer
    last = "\n".join(err.strip().splitlines()[-5:])
    raise PswModuleError(f"the container {container} did not answer (exit code {code}): {last}")
