# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: ollama_model_info
short_description: Tell which models an Ollama engine has
version_added: 0.1.0
description:
  - Lists the models on the engine's disk, and where those lie that are loaded.
author: the psw authors (@psw-ai)
extends_documentation_fragment: [psw.ai.attributes]
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: full
options:
  url:
    description: Address of the engine.
    type: str
    default: http://127.0.0.1:11434
"""

EXAMPLES = r"""
- name: Look at the models
  psw.ai.ollama_model_info:
  register: engine
"""

RETURN = r"""
models:
  description: The models by name.
  returned: always
  type: list
  elements: dict
  contains:
    name:
      description: The engine's name for it.
      type: str
    digest:
      description: SHA-256 of its manifest, without a prefix.
      type: str
    size_mib:
      description: What it takes on the disk.
      type: int
    loaded:
      description: V(gpu), V(split) or V(cpu), as a loaded model lies; null for one that is not loaded.
      type: str
    loaded_mib:
      description: Memory that it takes as it is loaded; null for one that is not loaded.
      type: int
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.psw.ai.plugins.module_utils import _ollama as ollama
from ansible_collections.psw.ai.plugins.module_utils._errors import PswModuleError


def listed(engine):
    """Return what is known of each model."""
    loaded = engine.loaded()
    return [
        {
            "name": name,
            "digest": model["digest"],
            "size_mib": model.get("size", 0) >> 20,
            "loaded": ollama.placement(name, loaded[name]) if name in loaded else None,
            "loaded_mib": loaded[name]["size"] >> 20 if name in loaded else None,
        }
        for name, model in sorted(engine.models().items())
    ]


def main():
    module = AnsibleModule(argument_spec={"url": {"type": "str", "default": "http://127.0.0.1:11434"}}, supports_check_mode=True)
    try:
        models = listed(ollama.Ollama(module.params["url"]))
    except PswModuleError as exc:
        module.fail_json(**exc.result())
    module.exit_json(changed=False, models=models)


if __name__ == "__main__":
    main()
