#!/usr/bin/python
# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action plugin of this name; nothing here runs on a host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: gpu_driver
short_description: Refuse a node, or choose the driver for its GPUs
description:
  - Fails with a refusal (C(code), C(message), C(hint)) when M(psw.ai.gpu_detect) found nothing usable, or something psw cannot set up.
  - Else names the vendor, the GPUs to use, and the driver that the collection's catalogue has for them on the node's kernel.
  - Runs on the controller.
version_added: 0.1.0
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
  detected:
    description: What M(psw.ai.gpu_detect) returned.
    type: dict
    required: true
  vendor:
    description: Use the GPUs of this vendor, whatever was selected.
    type: str
  version:
    description: Full version of NVIDIA's driver, instead of the recorded one or the catalogue's.
    type: str
  branch:
    description: Branch of NVIDIA's driver, of which the catalogue has a version.
    type: str
  source:
    description:
      - Where NVIDIA's driver comes from. With V(auto) from NVIDIA's signed repository where it carries the branch, else from the C(.run) file.
    type: str
    choices: [auto, nvidia_repo, run, ""]
  kernel_modules:
    description: Which of NVIDIA's kernel modules to use. With V(auto) the open ones where the cards allow it.
    type: str
    choices: [auto, open, proprietary, ""]
  recorded:
    description:
      - What the node's record says of NVIDIA's driver (its block C(nvidia)).
      - It stays as long as it serves the kernel and nothing else is asked for, because another driver costs a reboot.
    type: dict
  backend:
    description:
      - Through what the engine uses AMD cards, V(rocm) by default.
      - With V(vulkan), the cards that M(psw.ai.gpu_detect) was told to accept for it.
    type: str
  gfx_override:
    description: The gfx version that AMD cards pretend to have which the engine has no kernels for, such as V(10.3.0). Cards that need none come first.
    type: str
"""

EXAMPLES = r"""
- name: Look for GPUs
  psw.ai.gpu_detect:
  register: found

- name: Choose their driver
  psw.ai.gpu_driver:
    detected: "{{ found }}"
  register: chosen
"""

RETURN = r"""
vendor:
  description: Vendor of the GPUs to use.
  returned: success
  type: str
  sample: nvidia
gpus:
  description: The GPUs to use, described as a record (C(nodes/<node>/gpu.yml)) describes them.
  returned: success
  type: list
  elements: dict
kernel:
  description: Release of the kernel that the driver was chosen for.
  returned: success
  type: str
  sample: 6.17.2-1-pve
driver:
  description:
    - The driver for them. For NVIDIA its version and source.
    - For AMD and Intel the kernel's own modules, the package with their firmware, whether the driver has the cards already (C(loaded)),
      and through what the engine uses them (C(backend)).
  returned: success
  type: dict
  sample: {branch: "580", version: 580.159.04, source: run, kernel_modules: open, toolkit: 1.20.0-1, least_versions: {}}
refusal:
  description: Why the node is refused.
  returned: when refused
  type: dict
  sample: {code: no_gpu, message: "This node has no NVIDIA, AMD or Intel GPU.", hint: "Put in a card, then run this again."}
"""
