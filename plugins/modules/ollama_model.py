# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: ollama_model
short_description: Keep models on an Ollama engine
version_added: 0.1.0
description:
  - Gets the models that are missing, or removes those that are there, through the engine's API.
  - A download that breaks off goes on where it was, within the run and in the next one. Free space is checked before the bytes come.
  - Models that are only stubs for a cloud are refused, before anything is downloaded where their names say so.
author: the psw authors (@psw-ai)
extends_documentation_fragment: [psw.ai.attributes]
attributes:
  check_mode:
    support: full
    details: An engine that does not answer yet counts as one with the models that lie in O(directory).
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  models:
    description: Names of models, such as V(llama3.2:3b).
    type: list
    elements: str
    required: true
  digests:
    description: Pinned digests, whole and by name. A model whose digest differs is a failure; one that has just been downloaded is removed again.
    type: dict
    default: {}
  state:
    description: Whether the models are to be there.
    type: str
    choices: [present, absent]
    default: present
  url:
    description: Address of the engine.
    type: str
    default: http://127.0.0.1:11434
  directory:
    description: Where the engine keeps its models, to know how much space is free. Without it, space is not checked.
    type: path
  attempts:
    description: How often a broken download is taken up again before the task fails.
    type: int
    default: 5
"""

EXAMPLES = r"""
- name: Keep a small model
  psw.ai.ollama_model:
    models: [llama3.2:3b]
    directory: /srv/models/ollama
"""

RETURN = r"""
models:
  description: All models on the engine afterwards, name to digest.
  returned: always
  type: dict
"""

import os
import time

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.psw.ai.plugins.module_utils import _ollama as ollama
from ansible_collections.psw.ai.plugins.module_utils import _progress as progress
from ansible_collections.psw.ai.plugins.module_utils._errors import PswModuleError
from ansible_collections.psw.ai.plugins.module_utils._model_names import check_name, full_name


def free_bytes(directory):
    """Return the space that is left for models."""
    found = os.statvfs(directory)
    return found.f_bavail * found.f_frsize


def get(engine, name, params):
    """Get one model, taking a broken download up again; a full disk does not get better by trying."""

    def room(needed):
        if params["directory"]:
            ollama.check_room(name, needed, free_bytes(params["directory"]))

    last = ""
    for attempt in range(params["attempts"]):
        time.sleep(2**attempt if attempt else 0)
        try:
            with progress.told() as tell:
                last = engine.pull(name, room, tell)
        except ollama.BrokenOffError as exc:
            last = str(exc)
        if last == "success":
            return
    raise PswModuleError(f"the download of {name} broke off {params['attempts']} times, the last time at {last!r}; the next run goes on from there")


def check(name, model, pinned):
    """Refuse a model that runs elsewhere, or is not the one that was pinned."""
    ollama.check_here(name, model)
    ollama.check_digest(name, model["digest"], pinned.get(name))


def admit(engine, name, pinned):
    """Look at a model that has just been downloaded; one that is refused does not stay."""
    found = engine.models().get(name)
    if found is None:
        raise PswModuleError(f"Ollama says that it has downloaded {name}, but does not list it; what went wrong is in: journalctl -u ollama")
    try:
        check(name, found, pinned)
    except PswModuleError as exc:
        engine.remove(name)
        raise PswModuleError(f"{exc}; it was removed again") from exc


def look(engine, module):
    """Return the models that are there; check mode takes what lies on the disk for an engine that does not answer."""
    try:
        return engine.models()
    except PswModuleError:
        if not module.check_mode:
            raise
    return ollama.stored(module.params["directory"]) if module.params["directory"] else {}


def ensure(module):
    """Bring the models to the state asked for and return the module's result."""
    params, engine = module.params, ollama.Ollama(module.params["url"])
    wanted = [full_name(name) for name in params["models"]]
    pinned = {full_name(name): ollama.whole_digest(name, digest) for name, digest in params["digests"].items()}
    present = params["state"] == "present"
    for name in wanted if present else []:
        check_name(name)
    there = look(engine, module)
    for name in wanted if present else []:
        if name in there:
            check(name, there[name], pinned)
    todo = [name for name in dict.fromkeys(wanted) if (name in there) != present]
    for name in [] if module.check_mode else todo:
        if present:
            get(engine, name, params)
            admit(engine, name, pinned)
        else:
            engine.remove(name)
    after = engine.models() if todo and not module.check_mode else there
    names_after = sorted((set(there) | set(wanted)) if present else (set(there) - set(wanted)))
    diff = {"before": "".join(f"{name}\n" for name in sorted(there)), "after": "".join(f"{name}\n" for name in names_after)}
    return {"changed": bool(todo), "models": {name: model["digest"] for name, model in after.items()}, "diff": diff}


def main():
    module = AnsibleModule(
        argument_spec={
            "models": {"type": "list", "elements": "str", "required": True},
            "digests": {"type": "dict", "default": {}},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "url": {"type": "str", "default": "http://127.0.0.1:11434"},
            "directory": {"type": "path"},
            "attempts": {"type": "int", "default": 5},
        },
        supports_check_mode=True,
    )
    progress.forget()
    try:
        result = ensure(module)
    except PswModuleError as exc:
        module.fail_json(msg=str(exc))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
