# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The program that openwebui_service_key sends into the container, and what it makes of the answer; private to the collection."""

from __future__ import annotations

import importlib.util
import json

from ansible_collections.psw.ai.plugins.module_utils._errors import PswModuleError

TYPE_CHECKING = False  # as in typing, which takes its time to load
if TYPE_CHECKING:
    # Never loaded outside the container: what they need there would cost each call more than all the rest. Named for Ansible's own way to run a module,
    # which sends along what it sees imported.
    from ansible_collections.psw.ai.plugins.module_utils import _openwebui_glance, _openwebui_keys, _openwebui_proof, _openwebui_usage  # noqa: F401

MARK = "psw-answer:"  # how the answer's line begins, in each of these parts

# What runs in the container: a glance at its database, and only when that does not settle it Open WebUI's ORM, whose import alone takes more than a second.
PROGRAM = """
def main_of(text):
    names = {{}}
    exec(text, names)
    return names["main"]

request = {request!r}
main_of({glance!r})(request) or main_of({keys!r})(request, main_of({proof!r}))
"""


def text_of(part):
    """Return the text of a part from wherever Ansible has put it: in a directory, inside a zip file, in memory or in a collection."""
    spec = importlib.util.find_spec(f"{__package__}.{part}")
    source = spec.loader.get_source(spec.name)
    return source.decode("utf-8") if isinstance(source, bytes) else source  # the loader of Ansible's collections has bytes


def program(request):
    """Return the program for the container."""
    parts = {name: text_of(f"_openwebui_{name}") for name in ("glance", "keys", "proof")}
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
    return USAGE.format(usage=text_of("_openwebui_usage"), glance=text_of("_openwebui_glance"))


def answer_of(container, result):
    """Return the program's answer from what its process wrote."""
    code, out, err = result
    for line in out.splitlines():
        if line.startswith(MARK):
            answer = json.loads(line[len(MARK) :])
            if "error" in answer:
                raise PswModuleError(answer["error"])
            return answer
    last = "\n".join(err.strip().splitlines()[-5:])
    raise PswModuleError(f"the container {container} did not answer (exit code {code}): {last}")
