#!/usr/bin/python
# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: ollama_health
short_description: Look whether Ollama runs its models on the GPU
version_added: 0.1.0
description:
  - Looks at what the engine has loaded, asks one of these models a question, and has the card's driver confirm that they lie in its memory.
  - Loads nothing, and leaves the time of loaded models as it is. When nothing is loaded, the last proof counts, be it that of a converge or of the timer.
  - Never changes anything.
author: the psw authors (@psw-ai)
extends_documentation_fragment: [psw.ai.attributes]
attributes:
  check_mode:
    support: full
  diff_mode:
    support: N/A
    details: Nothing is ever changed.
  idempotent:
    support: full
options:
  vendor:
    description: Whose GPU the models are to run on.
    type: str
    choices: [nvidia, amd, intel]
    required: true
  backend:
    description: Through what the engine is to use it. By default what suits the vendor.
    type: str
    choices: [cuda, rocm, vulkan]
  addresses:
    description: PCI addresses of the cards, by default all that are here.
    type: list
    elements: str
  cards_mib:
    description: How much memory these cards have together. See M(psw.ai.ollama_placement).
    type: int
  needs:
    description: What models need of it in MiB, by name. See M(psw.ai.ollama_placement).
    type: dict
    default: {}
  allow_split:
    description: Accept that a model lies in part in main memory.
    type: bool
    default: false
  url:
    description: Address of the engine.
    type: str
    default: http://127.0.0.1:11434
  timeout:
    description: Seconds to wait for an answer. An engine that is busy for longer is none that is wrong.
    type: int
    default: 4
  state_file:
    description: Where it is noted how the last proof ended.
    type: path
    default: /var/lib/psw/ollama-proof.json
"""

EXAMPLES = r"""
- name: Look whether Ollama runs on the GPU
  psw.ai.ollama_health:
    vendor: nvidia
  register: health
"""

RETURN = r"""
findings:
  description: What is wrong, in the shape of M(psw.ai.gpu_health)'s. Empty when nothing is.
  returned: success
  type: list
  elements: dict
"""

import socket

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.psw.ai.plugins.module_utils import _ollama as ollama
from ansible_collections.psw.ai.plugins.module_utils import _ollama_proof as proof
from ansible_collections.psw.ai.plugins.module_utils import _ollama_watch as watch
from ansible_collections.psw.ai.plugins.module_utils._errors import PswModuleError
from ansible_collections.psw.ai.plugins.module_utils._finding import finding

AGAIN = "systemctl restart ollama.service psw-ollama-proof.service"  # a loaded model never moves; the second waits for the first


def took_too_long(exc):
    """Return whether an engine was only too busy to answer in time."""
    while exc is not None:
        if isinstance(getattr(exc, "reason", exc), socket.timeout):
            return True
        exc = exc.__cause__
    return False


def look(params):
    """Return what is wrong, the first thing alone: the others follow from it."""
    engine = ollama.Ollama(params["url"], timeout=params["timeout"])
    try:
        names, _warnings = watch.prove_loaded(engine, proof.Gpu(params), params["timeout"])
    except proof.ProofError as exc:
        names = []
        if not took_too_long(exc):
            return [finding(exc.name, str(exc), AGAIN, there=True)]
    except PswModuleError as exc:
        return [] if took_too_long(exc) else [finding("engine_down", f"{exc}; see: journalctl -u ollama", "psw deploy converge")]
    noted = proof.last(params["state_file"])
    if names or noted is None or noted["failed"] is None:
        return []
    return [finding("proof_failed", f"the last proof failed ({noted['at']}): {noted['message']}", AGAIN, there=True)]


def main():
    module = AnsibleModule(
        argument_spec={
            "vendor": {"type": "str", "choices": ["nvidia", "amd", "intel"], "required": True},
            "backend": {"type": "str", "choices": ["cuda", "rocm", "vulkan"]},
            "addresses": {"type": "list", "elements": "str"},
            "cards_mib": {"type": "int"},
            "needs": {"type": "dict", "default": {}},
            "allow_split": {"type": "bool", "default": False},
            "url": {"type": "str", "default": "http://127.0.0.1:11434"},
            "timeout": {"type": "int", "default": 4},
            "state_file": {"type": "path", "default": "/var/lib/psw/ollama-proof.json"},
        },
        supports_check_mode=True,
    )
    module.exit_json(changed=False, findings=look(module.params))


if __name__ == "__main__":
    main()
