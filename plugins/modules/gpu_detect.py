#!/usr/bin/python
# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: gpu_detect
short_description: Find the GPUs of a node and say whether psw can use them
version_added: 0.1.0
description:
  - Reads C(/sys), C(/proc), the node's VM configurations and what C(/etc/modprobe.d) sets aside for VMs. It needs no driver and no other program,
    and no root either, except that Proxmox VE shows VM configurations to root alone; without them it warns.
  - Missing or unreadable files and garbage in them lead to a verdict, never to a failure.
  - Where the NVIDIA driver is loaded it also asks C(nvidia-smi), whose memory sizes win over the collection's table of cards.
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
  root:
    description:
      - Every file that is read lies under this directory, in C(sys/), C(proc/), C(dev/), C(etc/pve/) and C(etc/modprobe.d/).
      - Another one than V(/) stands in for a machine, in tests and to look at what a user sent.
    type: path
    default: /
  vram_floor_mib:
    description:
      - The least memory a GPU must have.
      - Cards sold as 8 GB report between 8176 and 8192 MiB. ECC, switched on, takes a sixteenth; a Tesla P4 is delivered with it and reports 7680 MiB.
    type: int
    default: 7680
  backend:
    description: Through what the engine would use AMD cards. With V(vulkan), cards count too that its ROCm build has no kernels for.
    type: str
    choices: [rocm, vulkan]
    default: rocm
  gfx_override:
    description:
      - The gfx version that AMD cards may pretend to have, such as V(10.3.0).
      - Near relatives of a card that the engine's ROCm build has kernels for then count too, without any promise.
    type: str
  nvidia_smi:
    description:
      - Path of C(nvidia-smi).
      - When not set, it is looked up in E(PATH), and used only with O(root=/).
    type: path
"""

EXAMPLES = r"""
- name: Look for GPUs
  psw.ai.gpu_detect:
  register: found

- name: Stop on a node that cannot run models, and say why
  ansible.builtin.assert:
    that: found.verdict.supported
    fail_msg: "{{ found.verdict.message }} {{ found.verdict.hint }}"

- name: Judge a machine by the files its owner sent
  psw.ai.gpu_detect:
    root: /tmp/users_machine
"""

RETURN = r"""
gpus:
  description: Every GPU of NVIDIA, AMD or Intel, sorted by address. Displays of management controllers and of virtual machines are no GPUs.
  returned: always
  type: list
  elements: dict
  sample:
    - address: "0000:01:00.0"
      id: "10de:2503"
      name: GeForce RTX 3060
      vendor: nvidia
      arch: Ampere
      gfx: null
      integrated: false
      driver: nvidia
      vram_mib: 12288
      usable_mib: 12288
      vram_source: driver
      usable: true
      reason: ok
      devices: [/dev/nvidia0]
vendor:
  description: Vendor of the selected GPUs, or null when none is usable.
  returned: always
  type: str
  sample: nvidia
selected:
  description: Addresses of the GPUs to use. With several vendors, those of the vendor with the most usable memory.
  returned: always
  type: list
  elements: str
  sample: ["0000:01:00.0"]
devices:
  description:
    - The device nodes that containers need for the selected GPUs, with those that all of them share. Empty before their driver is loaded.
    - Which of them are of one card alone is in C(devices) of each of RV(gpus).
  returned: always
  type: list
  elements: str
  sample: [/dev/nvidia0, /dev/nvidiactl, /dev/nvidia-uvm, /dev/nvidia-uvm-tools]
secure_boot:
  description: V(enabled), V(disabled), V(unsupported) (the node booted by BIOS) or V(unknown).
  returned: always
  type: str
  sample: disabled
kernel:
  description: Release of the running kernel, or null when it cannot be read.
  returned: always
  type: str
  sample: 6.17.2-1-pve
verdict:
  description:
    - Whether psw can use this node.
    - RV(verdict.code) is V(ok), V(no_gpu), V(vfio_bound), V(integrated_only), V(unsupported_arch), V(below_vram_floor) or V(secure_boot_enabled).
  returned: always
  type: dict
  contains:
    supported:
      description: Whether at least one GPU is usable.
      type: bool
    code:
      description: The reason, for programs.
      type: str
    message:
      description: The reason, for people, naming the card.
      type: str
    hint:
      description: What to do next; empty when nothing is wrong.
      type: str
warnings_found:
  description:
    - What the owner should know beside the verdict.
    - Such as a memory size that is estimated from the table, a card that is left out and why, or a driver that holds a card and cannot use it.
  returned: always
  type: list
  elements: str
  sample: []
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.psw.ai.plugins.module_utils._errors import PswModuleError
from ansible_collections.psw.ai.plugins.module_utils._gpu import has_nvidia
from ansible_collections.psw.ai.plugins.module_utils._gpu_sysfs import read_machine
from ansible_collections.psw.ai.plugins.module_utils._gpu_text import SMI_FIELDS, printable
from ansible_collections.psw.ai.plugins.module_utils._gpu_verdict import accepted_gfx, assess
from ansible_collections.psw.ai.plugins.module_utils._programs import run


def ask_driver(module, machine):
    """Return (what nvidia-smi says, why it says nothing); without an NVIDIA driver there is nothing to ask."""
    program = module.params["nvidia_smi"]
    if not has_nvidia(machine):
        return None, None
    if not program and module.params["root"] == "/" and machine["nvidia_version"]:
        program = module.get_bin_path("nvidia-smi")
    if not program:
        return None, None
    try:
        # A card that fell off the bus can keep nvidia-smi waiting for ever.
        done = run([program, f"--query-gpu={','.join(SMI_FIELDS)}", "--format=csv,noheader,nounits"], check=False, timeout=30)
    except PswModuleError as exc:
        return None, str(exc)
    if done.rc != 0:
        return None, f"nvidia-smi gave no answer: {printable(done.out or done.err) or f'exit code {done.rc}'}"
    return done.out, None


def main():
    module = AnsibleModule(
        argument_spec={
            "root": {"type": "path", "default": "/"},
            "vram_floor_mib": {"type": "int", "default": 7680},
            "backend": {"type": "str", "choices": ["rocm", "vulkan"], "default": "rocm"},
            "gfx_override": {"type": "str"},
            "nvidia_smi": {"type": "path"},
        },
        supports_check_mode=True,
    )
    machine = read_machine(module.params["root"])
    smi, silence = ask_driver(module, machine)
    found = assess(machine, module.params["vram_floor_mib"], smi, accepted_gfx(module.params["backend"], module.params["gfx_override"]))
    module.exit_json(changed=False, **{**found, "warnings_found": found["warnings_found"] + ([silence] if silence else [])})


if __name__ == "__main__":
    main()
