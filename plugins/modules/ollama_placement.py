# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: ollama_placement
short_description: Prove that Ollama runs a model on the GPU
version_added: 0.1.0
description:
  - Has the engine load a model and answer a question. Fails unless all of the model lies in GPU memory and the card's own driver sees it there.
    An engine that answers from the CPU does not count as up.
  - When it fails it says which layer is wrong, as far as that can be seen from the container - driver, device nodes, userspace, CDI or the engine itself.
author: the psw authors (@psw-ai)
extends_documentation_fragment: [psw.ai.attributes]
attributes:
  check_mode:
    support: full
    details: Only looks at a model that is loaded. It loads and asks none. An engine that does not answer yet is no failure.
  diff_mode:
    support: none
  idempotent:
    support: full
options:
  model:
    description: A model that is on the engine.
    type: str
    required: true
  vendor:
    description: Whose GPU it is to run on.
    type: str
    choices: [nvidia, amd, intel]
    required: true
  backend:
    description: Through what the engine is to use it. By default what suits the vendor.
    type: str
    choices: [cuda, rocm, vulkan]
  addresses:
    description: PCI addresses of the cards it is to run on, by default all that are here.
    type: list
    elements: str
  cards_mib:
    description:
      - How much memory these cards have together. With it, a model that is too large for them may lie in part in main memory, with a warning
        that has the numbers, while one that fits may not. Without it, none may.
    type: int
  needs:
    description: What models need of it in MiB, by name. The size that the engine tells counts where it is larger, or a model is not named here.
    type: dict
    default: {}
  allow_split:
    description: Accept that a model lies in part in main memory, whatever the cards have.
    type: bool
    default: false
  url:
    description: Address of the engine.
    type: str
    default: http://127.0.0.1:11434
  timeout:
    description: Seconds that loading may take.
    type: int
    default: 300
  answer_timeout:
    description: Seconds that the answer may take.
    type: int
    default: 120
  state_file:
    description: Where to note how the proof ended, for C(psw doctor). By default nowhere. That counts as no change.
    type: path
"""

EXAMPLES = r"""
- name: Prove that the GPU does the work
  psw.ai.ollama_placement:
    model: llama3.2:3b
    vendor: nvidia
"""

RETURN = r"""
placement:
  description: V(gpu), V(split) or V(cpu), or V(unknown) in check mode when the model is not loaded.
  returned: always
  type: str
size_mib:
  description: Size of the loaded model.
  returned: when loaded
  type: int
vram_mib:
  description: How much of it lies in GPU memory.
  returned: when loaded
  type: int
seen_mib:
  description: How much memory of the cards their driver sees in use, by whomever.
  returned: when loaded, where a driver tells it
  type: int
seen_by:
  description: Who tells that - V(nvidia-smi), V(sysfs) or V(fdinfo) - or V(nobody).
  returned: when loaded
  type: str
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.psw.ai.plugins.module_utils import _ollama as ollama
from ansible_collections.psw.ai.plugins.module_utils import _ollama_proof as proof
from ansible_collections.psw.ai.plugins.module_utils._errors import PswModuleError
from ansible_collections.psw.ai.plugins.module_utils._model_names import full_name


def lies_well(name, found, gpu):
    """Return whether a loaded model lies where it may."""
    try:
        proof.placed(name, found, gpu)
    except proof.ProofError:
        return False
    return True


def look(module, engine, name, gpu):
    """Return the loaded model. One that lies where it may not is loaded afresh, as a loaded one never moves."""
    try:
        found = engine.loaded().get(name)
    except PswModuleError:
        if not module.check_mode:
            raise
        return None
    if module.check_mode or (found and lies_well(name, found, gpu)):
        return found
    if found:
        engine.unload(name)
    engine.load(name, module.params["timeout"])
    found = engine.loaded().get(name)
    if found is None:
        raise PswModuleError(f"Ollama says that it loaded {name}, but does not list it as loaded; see: journalctl -u ollama")
    return found


def prove(module):
    """Return where the model lies, or raise when that is not on the GPU."""
    params, engine, gpu = module.params, ollama.Ollama(module.params["url"]), proof.Gpu(module.params)
    name = full_name(params["model"])
    found = look(module, engine, name, gpu)
    if found is None:
        return {"placement": "unknown"}
    place, warning = proof.placed(name, found, gpu)
    if warning:
        module.warn(warning)
    if not module.check_mode and engine.can_answer(name):
        proof.ask(engine, name, params["answer_timeout"], found)
    told = proof.seen(engine, [name], gpu)
    seen = {"seen_by": told["source"], "seen_mib": told["mib"]} if told else {"seen_by": "nobody"}
    return {"placement": place, "size_mib": found["size"] >> 20, "vram_mib": found.get("size_vram", 0) >> 20, **seen}


def note(module, failed, message):
    """Note how the proof ended, where that is wished for."""
    if module.params["state_file"] and not module.check_mode:
        proof.note(module.params["state_file"], failed, message)


def main():
    module = AnsibleModule(
        argument_spec={
            "model": {"type": "str", "required": True},
            "vendor": {"type": "str", "choices": ["nvidia", "amd", "intel"], "required": True},
            "backend": {"type": "str", "choices": ["cuda", "rocm", "vulkan"]},
            "addresses": {"type": "list", "elements": "str"},
            "cards_mib": {"type": "int"},
            "needs": {"type": "dict", "default": {}},
            "allow_split": {"type": "bool", "default": False},
            "url": {"type": "str", "default": "http://127.0.0.1:11434"},
            "timeout": {"type": "int", "default": 300},
            "answer_timeout": {"type": "int", "default": 120},
            "state_file": {"type": "path"},
        },
        supports_check_mode=True,
    )
    try:
        result = prove(module)
    except PswModuleError as exc:
        note(module, getattr(exc, "name", "engine_down"), str(exc))
        module.fail_json(msg=str(exc))
    note(module, None, f"{module.params['model']} runs on the GPU")
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
