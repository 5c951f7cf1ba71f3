#!/usr/bin/python
# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: nvidia_driver
short_description: Keep one version of NVIDIA's driver installed, with what belongs to it
version_added: 0.1.0
description:
  - Holds the driver and what belongs to it (repository keys, packages, files, units) together, so that a run with nothing to do costs one task.
  - Installs the driver from NVIDIA's C(.run) file, which is downloaded over HTTPS and held against the checksum that NVIDIA publishes,
    or from packages of a signed repository; leaves the one for the other without removing anything else.
  - On a host, its kernel modules are built by DKMS for every installed kernel, not only for the running one, and loaded.
  - In a container, which shares the host's kernel, only the libraries and programs are installed. A host that runs another driver than O(version)
    is a refusal (C(module_version)), whether or not there is anything to install.
  - Libraries of a newer driver that would win over those of O(version), and that do not go with their source, are a refusal
    (C(other_driver_libraries)) that names them.
  - Does nothing when the version is there. Then it needs no network either, unless a kernel series of the node lacks its headers.
author: the psw authors (@psw-ai)
extends_documentation_fragment: [psw.ai.attributes]
attributes:
  check_mode:
    support: full
    details: What a real run refuses is refused as well.
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  version:
    description: The full version, such as V(580.159.04).
    type: str
    required: true
  kernel_modules:
    description:
      - Which kernel modules to build. Cards before Turing need V(proprietary), Blackwell and later V(open).
      - V(none) is for containers.
    type: str
    choices: [open, proprietary, none]
    required: true
  source:
    description:
      - Where the driver comes from. With V(nvidia_repo), O(packages) names its packages, O(files) the repository and the pin, and O(keys) the key.
    type: str
    choices: [run, nvidia_repo]
    default: run
  replace:
    description:
      - Whether a driver that is installed may be replaced by another version, flavour or source.
      - When false, that is a refusal (C(driver_change_unconfirmed)) that says what would happen, and to which containers.
        When true, check mode warns with the same words.
    type: bool
    default: true
  least_versions:
    description: First point release that builds on a kernel series and those after it, by series. An installed kernel that needs a later one is a refusal.
    type: dict
    default: {}
  headers:
    description:
      - Whether to install the headers of every installed Proxmox VE kernel, so that modules can be built for it.
      - A kernel whose headers no package source has is a refusal (C(kernel_headers_missing)), and so is a running kernel
        that is not one of Proxmox VE's and has no headers.
    type: bool
    default: false
  release:
    description: Debian release, such as V(13), that O(packages) are made for. With O(source=nvidia_repo) another one is a refusal (C(wrong_debian_release)).
    type: str
  base_url:
    description: Where NVIDIA's drivers lie, each in a directory named after its version.
    type: str
    default: https://download.nvidia.com/XFree86/Linux-x86_64
  cache:
    description: Directory for the download, and for the installer to unpack in. The download is removed once it is installed.
    type: path
    default: /var/cache/psw/nvidia
  keys:
    description: Keys of package repositories to have before packages are asked for.
    type: list
    elements: dict
    default: []
    suboptions:
      path: {description: 'Where apt reads it, ending in C(.asc).', type: path, required: true}
      url: {description: Where it is downloaded from when it is not there., type: str, required: true}
      fingerprint: {description: 'Fingerprint of the one key that is trusted; any other is refused.', type: str, required: true}
  packages:
    description: Debian packages to have, each as C(name) or C(name=version).
    type: list
    elements: str
    default: []
  files:
    description: Files to have. Those that apt reads come before packages, all before the driver.
    type: list
    elements: dict
    default: []
    suboptions:
      path: {description: Absolute path., type: path, required: true}
      content: {description: 'The text of the file; give this or O(files[].secret_content).', type: str}
      secret_content: {description: The text of a file that must never show in diffs or logs., type: str}
      owner: {description: Name or number of the user., type: str, default: '0'}
      group: {description: Name or number of the group., type: str, default: '0'}
      mode: {description: Quoted octal mode., type: raw, default: '0644'}
      restart: {description: Units to restart when this file changes., type: list, elements: str, default: []}
  absent:
    description: Files not to have, such as the repository of a source that is left. They go last, once the driver is there.
    type: list
    elements: path
    default: []
  units:
    description: The systemd units to take care of, after the driver. While a reboot is owed, nothing is started.
    type: list
    elements: dict
    default: []
    suboptions:
      name: {description: Full name of the unit., type: str, required: true}
      enabled: {description: Whether it starts at boot., type: bool}
      state: {description: Whether it runs now., type: str, choices: [started, stopped]}
      masked: {description: Whether nothing may start it., type: bool}
      provides:
        description: Paths that are there once it has started. One that is missing later has the unit restarted, although it is active.
        type: list
        elements: path
        default: []
  cdi:
    description:
      - The description of the GPU that podman reads, to be held against O(version). Nothing is looked at when this is left out.
      - One that is missing, is damaged, was made for another version or names device nodes or files that are not there is made anew,
        by restarting the unit that makes it and nothing else.
    type: dict
    suboptions:
      spec: {description: Path of the file., type: path, required: true}
      unit: {description: 'Unit of O(units) that writes the file when it starts.', type: str, required: true}
"""

EXAMPLES = r"""
- name: Install the driver on the node
  psw.ai.nvidia_driver:
    version: 580.159.04
    kernel_modules: open
    packages: [dkms, gcc, libc6-dev, make, proxmox-default-headers]

- name: Install the same version's libraries in a container
  psw.ai.nvidia_driver:
    version: 580.159.04
    kernel_modules: none
"""

RETURN = r"""
version:
  description: Version of the libraries and programs.
  returned: success
  type: str
  sample: 580.159.04
modules:
  description: Version and flavour of the module on disk, by kernel.
  returned: success
  type: dict
  sample: {"6.17.2-1-pve": {"version": "580.159.04", "flavour": "open"}}
loaded:
  description: Version of the loaded module, or null.
  returned: success
  type: str
  sample: 580.159.04
change:
  description: What replacing an installed driver means; empty when none is replaced.
  returned: success
  type: str
refusal:
  description: Why nothing was done.
  returned: when refused
  type: dict
reboot_required:
  description: Whether only a reboot makes the driver work.
  returned: success
  type: bool
reboot_reason:
  description: 'Why a reboot is needed; empty when none is.'
  returned: success
  type: str
  sample: NVIDIA driver 580.142 is loaded, and 580.159.04 is installed.
"""

import contextlib

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.psw.ai.plugins.module_utils import _apt_keys, _cdi, _host_options, _nvidia, _nvidia_cdi, _nvidia_change, _nvidia_refusals, _nvidia_wish
from ansible_collections.psw.ai.plugins.module_utils._errors import PswModuleError
from ansible_collections.psw.ai.plugins.module_utils._file_options import list_of
from ansible_collections.psw.ai.plugins.module_utils._gpu_sysfs import read_text
from ansible_collections.psw.ai.plugins.module_utils._host import plan_host
from ansible_collections.psw.ai.plugins.module_utils._host_state import gather
from ansible_collections.psw.ai.plugins.module_utils._one_at_a_time import one_at_a_time

SPEC = {
    **_host_options.OPTIONS,
    "version": {"type": "str", "required": True},
    "kernel_modules": {"type": "str", "choices": ["open", "proprietary", "none"], "required": True},
    "source": {"type": "str", "choices": ["run", "nvidia_repo"], "default": "run"},
    "replace": {"type": "bool", "default": True},
    "least_versions": {"type": "dict", "default": {}},
    "headers": {"type": "bool", "default": False},
    "release": {"type": "str"},
    "base_url": {"type": "str", "default": "https://download.nvidia.com/XFree86/Linux-x86_64"},
    "cache": {"type": "path", "default": "/var/cache/psw/nvidia"},
    "keys": list_of({name: {"type": kind, "required": True} for name, kind in (("path", "path"), ("url", "str"), ("fingerprint", "str"))}, no_log=False),
    "absent": {"type": "list", "elements": "path", "default": []},
    "cdi": {"type": "dict", "options": {"spec": {"type": "path", "required": True}, "unit": {"type": "str", "required": True}}},
}


def converge(module):
    """Bring everything to its wished state and return what the machine is like then."""
    params = module.params
    wanted = (params["version"], params["kernel_modules"], params["source"])
    found = _nvidia.look()
    if params["kernel_modules"] == _nvidia.NO_MODULES:
        _nvidia_refusals.refuse_other_driver(found, params["version"])
    todo = _nvidia.plan(found, *wanted)
    keys = _apt_keys.plan(params["keys"])
    wish = _nvidia_wish.host_wish(params, found)
    steps = plan_host(wish, gather(wish))
    if params["cdi"]:
        spec, unit = params["cdi"]["spec"], params["cdi"]["unit"]
        text = read_text(spec)
        steps += _nvidia_cdi.plan(_nvidia_cdi.made_for(text, _cdi.absent(text or "")), spec, unit, params["version"], steps)
    changed = bool(keys or steps or any(todo.values()))
    change = ""
    if changed and params["kernel_modules"] != _nvidia.NO_MODULES:
        change = _nvidia_change.describe(found, *wanted, _nvidia_change.containers())
    diff = [step.diff for step in keys + steps if step.diff] + _nvidia_wish.driver_diff(found, todo, *wanted)
    if changed:
        _nvidia_refusals.refuse(params, found, todo, steps)
    if change and not params["replace"]:
        _nvidia_change.refuse(change)
    if changed and not module.check_mode:
        from ansible_collections.psw.ai.plugins.module_utils import _nvidia_job  # noqa: PLC0415 - takes long to load, and most runs change nothing

        _nvidia_job.carry_out(params, keys, steps, found)
        found = _nvidia.look()
    owed = _nvidia.reboot_reason(found, *wanted[:2])
    if module.check_mode and (change or owed):
        module.warn(change or f"{owed} The node needs a reboot.")
    return {
        "changed": changed,
        "diff": diff,
        "version": params["version"],
        "modules": found["modules"],
        "loaded": found["loaded"],
        "change": change,
        "reboot_required": bool(owed),
        "reboot_reason": owed,
    }


def main():
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    try:
        with contextlib.nullcontext() if module.check_mode else one_at_a_time("host"):
            result = converge(module)
    except PswModuleError as exc:
        module.fail_json(**exc.result())
    module.exit_json(**result)


if __name__ == "__main__":
    main()
