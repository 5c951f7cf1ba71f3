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
  - Reads C(/sys), C(/proc) and the node's VM configurations. It needs no driver, no root and no other program.
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
      - Every file that is read lies under this directory, in C(sys/), C(proc/), C(dev/) and C(etc/pve/).
      - Another one than V(/) stands in for a machine, in tests and to look at what a user sent.
    type: path
    default: /
  vram_floor_mib:
    description:
      - The least memory a GPU must have.
      - Cards sold as 8 GB report between 8176 and 8192 MiB, less a reserve of the driver.
    type: int
    default: 7680
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
  description: The device nodes that containers need for the selected GPUs. Empty before their driver is loaded.
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
  description: Release of the running kernel.
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
  description: What could not be known for certain, such as a memory size taken from the table.
  returned: always
  type: list
  elements: str
  sample: []
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.psw.ai.plugins.module_utils._errors import PswModuleError
from ansible_collections.psw.ai.plugins.module_utils._gpu import SMI_FIELDS, device_nodes, find_gpus, has_nvidia, secure_boot_state
from ansible_collections.psw.ai.plugins.module_utils._gpu_sysfs import read_machine
from ansible_collections.psw.ai.plugins.module_utils._gpu_verdict import judge, select, verdict
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
        return None, f"nvidia-smi gave no answer: {(done.out or done.err).strip() or f'exit code {done.rc}'}"
    return done.out, None


def main():
    module = AnsibleModule(
        argument_spec={
            "root": {"type": "path", "default": "/"},
            "vram_floor_mib": {"type": "int", "default": 7680},
            "nvidia_smi": {"type": "path"},
        },
        supports_check_mode=True,
    )
    floor = module.params["vram_floor_mib"]
    machine = read_machine(module.params["root"])
    smi, silence = ask_driver(module, machine)
    gpus, warnings = find_gpus(machine, smi)
    secure_boot = secure_boot_state(machine["efi"], machine["secure_boot"])
    judged = judge(gpus, floor, secure_boot)
    vendor, selected = select(judged)
    module.exit_json(
        changed=False,
        gpus=judged,
        vendor=vendor,
        selected=selected,
        devices=device_nodes(machine, judged, selected),
        secure_boot=secure_boot,
        kernel=machine["kernel"],
        verdict=verdict(gpus, judged, floor),
        warnings_found=warnings + ([silence] if silence else []),
    )


if __name__ == "__main__":
    main()
