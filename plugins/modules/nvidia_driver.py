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
  - Installs the driver from NVIDIA's C(.run) file, which is downloaded over HTTPS and held against the checksum that NVIDIA publishes.
  - On a host, its kernel modules are built by DKMS for every installed kernel, not only for the running one, and loaded.
  - In a container, which shares the host's kernel, only the libraries and programs are installed.
  - Does nothing, and needs no network, when the version is there.
author: the psw authors (@psw-ai)
extends_documentation_fragment: [psw.ai.attributes]
attributes:
  check_mode:
    support: full
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
from ansible_collections.psw.ai.plugins.module_utils import _apt_keys, _nvidia, _nvidia_install
from ansible_collections.psw.ai.plugins.module_utils._errors import PswModuleError
from ansible_collections.psw.ai.plugins.module_utils._file_options import files_option, list_of, path_wishes
from ansible_collections.psw.ai.plugins.module_utils._host import plan_host
from ansible_collections.psw.ai.plugins.module_utils._host_state import gather, perform
from ansible_collections.psw.ai.plugins.module_utils._one_at_a_time import one_at_a_time
from ansible_collections.psw.ai.plugins.module_utils._steps import carry_out, state_diff

SPEC = {
    "version": {"type": "str", "required": True},
    "kernel_modules": {"type": "str", "choices": ["open", "proprietary", "none"], "required": True},
    "base_url": {"type": "str", "default": "https://download.nvidia.com/XFree86/Linux-x86_64"},
    "cache": {"type": "path", "default": "/var/cache/psw/nvidia"},
    "keys": list_of({name: {"type": kind, "required": True} for name, kind in (("path", "path"), ("url", "str"), ("fingerprint", "str"))}, no_log=False),
    "packages": {"type": "list", "elements": "str", "default": []},
    "files": files_option(restart={"type": "list", "elements": "str", "default": []}),
    "units": list_of(
        {
            "name": {"type": "str", "required": True},
            "enabled": {"type": "bool"},
            "state": {"type": "str", "choices": ["started", "stopped"]},
            "masked": {"type": "bool"},
        }
    ),
}
_AFTER_DRIVER = ("reload", "start", "stop", "restart", "enable", "disable", "mask", "unmask")
_ONLY_WHEN_LOADED = ("start", "stop", "restart")


def host_wish(params):
    """Return what is wished for beside the driver, in the form that plan_host reads."""
    return {
        "packages": params["packages"],
        "recommends": False,
        "paths": path_wishes({"directories": [], "files": params["files"]}),
        "restarts": {entry["path"]: entry["restart"] for entry in params["files"]},
        "units": params["units"],
    }


def split(steps):
    """Return the steps before the driver and those after it: units need the driver, and the driver needs packages and files."""
    at = next((n for n, step in enumerate(steps) if step.op in _AFTER_DRIVER), len(steps))
    return steps[:at], steps[at:]


def install(params, found):
    """Bring the driver to its version; each step leaves something that the next run finds."""
    version, kernel_modules = params["version"], params["kernel_modules"]
    todo = _nvidia.plan(found, version, kernel_modules)
    _nvidia.refuse_headers(found, todo, kernel_modules)
    if _nvidia.nouveau_first(found, todo, kernel_modules):
        _nvidia_install.forget_nouveau()
        return
    if todo["install"]:
        url = "/".join([params["base_url"].rstrip("/"), version, _nvidia_install.file_name(version)])
        path = _nvidia_install.download(url, params["cache"])
        _nvidia_install.install(path, _nvidia_install.options(kernel_modules, found["loaded"] is not None, params["cache"]))
        _nvidia_install.remove(path)
    for kernel in todo["build"]:
        _nvidia_install.build(version, kernel)
    if todo["load"]:
        _nvidia_install.load()


def converge(module):
    """Bring everything to its wished state and return what the machine is like then."""
    params = module.params
    version, kernel_modules = params["version"], params["kernel_modules"]
    found = _nvidia.look()
    todo = _nvidia.plan(found, version, kernel_modules)
    keys = _apt_keys.plan(params["keys"])
    wish = host_wish(params)
    before, after = split(plan_host(wish, gather(wish)))
    text = _nvidia.describe_found(found, kernel_modules)
    kernels = [] if kernel_modules == _nvidia.NO_MODULES else list(found["modules"])
    diff = [step.diff for step in keys + before + after if step.diff]
    if any(todo.values()):
        diff.append({**state_diff("NVIDIA driver", "", ""), "before": text, "after": _nvidia.describe(version, kernel_modules, kernels)})
    changed = bool(keys or before or after or any(todo.values()))
    if changed and not module.check_mode:
        _nvidia.refuse(found, version, kernel_modules)
        carry_out(keys, _apt_keys.DOERS)
        perform(before)
        install(params, _nvidia.look() if before else found)
        found = _nvidia.look()
        owed = _nvidia.reboot_reason(found, version, kernel_modules)
        perform([step for step in after if not (owed and step.op in _ONLY_WHEN_LOADED)])
    owed = _nvidia.reboot_reason(found, version, kernel_modules)
    return {
        "changed": changed,
        "diff": diff,
        "version": version,
        "modules": found["modules"],
        "loaded": found["loaded"],
        "reboot_required": bool(owed),
        "reboot_reason": owed,
    }


def main():
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    try:
        with contextlib.nullcontext() if module.check_mode else one_at_a_time("host"):
            result = converge(module)
    except PswModuleError as exc:
        module.fail_json(msg=str(exc))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
