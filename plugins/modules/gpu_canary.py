#!/usr/bin/python
# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: gpu_canary
short_description: Run a container with the GPU before any app does
version_added: 0.1.0
description:
  - Runs a container of an app's own image with the GPU and throws it away. An NVIDIA GPU is asked for its driver's version, which must be
    the one that the node has loaded; of others each device node is opened.
  - Fails with the layer that is wrong, before anything is done to the apps.
  - Runs only when something has changed on which the answer depends, which is the image, podman, crun, the device nodes, the loaded driver
    or the CDI specification. C(/var/lib/psw/canary.json) says on what it passed last.
  - Pulls the image when it is missing. The app needs it anyway.
author: the psw authors (@psw-ai)
extends_documentation_fragment: [psw.ai.attributes]
attributes:
  check_mode:
    support: full
    details: Foretells the pull. No container is run.
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  image:
    description: The image, by its full name.
    type: str
    required: true
  vendor:
    description: Whose GPU it is.
    type: str
    choices: [nvidia, amd, intel]
    required: true
  devices:
    description: Paths of the GPU's device nodes on this machine.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Prove that a container can use the GPU
  psw.ai.gpu_canary:
    image: docker.io/ollama/ollama:0.32.15
    vendor: nvidia
    devices: [/dev/nvidia0, /dev/nvidiactl, /dev/nvidia-uvm]
"""

RETURN = r"""
actions:
  description: What was done to the machine, or would be done, in order.
  returned: success
  type: list
  elements: str
  sample: ["pull docker.io/ollama/ollama:0.32.15"]
ran:
  description: Whether the container was run, because something had changed since it passed.
  returned: success
  type: bool
"""

import contextlib

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.psw.ai.plugins.module_utils import _canary
from ansible_collections.psw.ai.plugins.module_utils._app import plan_app
from ansible_collections.psw.ai.plugins.module_utils._app_options import nothing
from ansible_collections.psw.ai.plugins.module_utils._app_state import gather, perform
from ansible_collections.psw.ai.plugins.module_utils._errors import PswModuleError
from ansible_collections.psw.ai.plugins.module_utils._one_at_a_time import one_at_a_time
from ansible_collections.psw.ai.plugins.module_utils._podman import image_command
from ansible_collections.psw.ai.plugins.module_utils._programs import run
from ansible_collections.psw.ai.plugins.module_utils._steps import told


def prove(params, *, check_mode):
    """Have the image, as an app that is nothing else, and run the canary unless it passed on the same ground."""
    reference, vendor, devices = params["image"], params["vendor"], params["devices"]
    wish = dict(nothing(_canary.APP), state="present", images=[reference])
    facts = gather(wish, without_podman=check_mode)
    plan, image, ran = plan_app(wish, facts), facts["images"].get(reference), False
    if not check_mode:
        perform(wish, plan.steps)
        image = image or run(image_command(reference), doing=f"looking at image {reference}").out.strip()
        ground = _canary.stands_on(image, devices)
        ran = not _canary.passed(ground)
        if ran:
            _canary.sing(vendor, reference, devices)
            _canary.note(ground)
        perform(wish, plan.leftovers)
    return dict(told([step for step in [*plan.steps, *plan.leftovers] if step.op != "note"]), ran=ran)


def main():
    module = AnsibleModule(
        argument_spec={
            "image": {"type": "str", "required": True},
            "vendor": {"type": "str", "choices": ["nvidia", "amd", "intel"], "required": True},
            "devices": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
    )
    try:
        with contextlib.nullcontext() if module.check_mode else one_at_a_time("canary"):
            result = prove(module.params, check_mode=module.check_mode)
    except PswModuleError as exc:
        module.fail_json(msg=str(exc))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
