# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: ollama_placement
short_description: Prove that Ollama runs a model on the GPU
version_added: 0.1.0
description:
  - Has the engine load a model, and fails unless all of it lies in GPU memory. An engine that answers from the CPU does not count as up.
  - When it fails it says which layer is wrong, as far as that can be seen from the container - driver, device nodes, userspace, CDI or the engine itself.
author: the psw authors (@psw-ai)
extends_documentation_fragment: [psw.ai.attributes]
attributes:
  check_mode:
    support: full
    details: Only looks at a model that is loaded, and loads none. An engine that does not answer yet is no failure.
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
  allow_split:
    description: Accept a model that is too large for the GPU and lies in part in main memory.
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
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.psw.ai.plugins.module_utils import _gpu_layers as layers
from ansible_collections.psw.ai.plugins.module_utils import _ollama as ollama
from ansible_collections.psw.ai.plugins.module_utils._errors import PswModuleError


def look(module, engine, name):
    """Return the loaded model. One that lies elsewhere than on the GPU is loaded afresh, as a loaded one never moves."""
    try:
        found = engine.loaded().get(name)
    except PswModuleError:
        if not module.check_mode:
            raise
        return None
    if module.check_mode or (found and ollama.placement(name, found) == "gpu"):
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
    params, engine = module.params, ollama.Ollama(module.params["url"])
    name = ollama.full_name(params["model"])
    found = look(module, engine, name)
    if found is None:
        return {"placement": "unknown"}
    place = ollama.placement(name, found)
    size, on_gpu = found["size"] >> 20, found.get("size_vram", 0) >> 20
    if place == "cpu":
        raise PswModuleError(f"Ollama runs {name} on the CPU, not on the GPU. {layers.broken(params['vendor'], params['backend'])}")
    if place == "split" and not params["allow_split"]:
        more = "choose a smaller model or context, or set ollama_allow_split"
        raise PswModuleError(f"only {on_gpu} of the {size} MiB of {name} fit into GPU memory, so it would be slow: {more}")
    return {"placement": place, "size_mib": size, "vram_mib": on_gpu}


def main():
    module = AnsibleModule(
        argument_spec={
            "model": {"type": "str", "required": True},
            "vendor": {"type": "str", "choices": ["nvidia", "amd", "intel"], "required": True},
            "backend": {"type": "str", "choices": ["cuda", "rocm", "vulkan"]},
            "allow_split": {"type": "bool", "default": False},
            "url": {"type": "str", "default": "http://127.0.0.1:11434"},
            "timeout": {"type": "int", "default": 300},
        },
        supports_check_mode=True,
    )
    try:
        result = prove(module)
    except PswModuleError as exc:
        module.fail_json(msg=str(exc))
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
