#!/usr/bin/python
# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: nvidia_driver
short_description: Keep one version of NVIDIA's driver installed
version_added: 0.1.0
description:
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
"""

EXAMPLES = r"""
- name: Install the driver on the node
  psw.ai.nvidia_driver:
    version: 580.159.04
    kernel_modules: open

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
  description: Whether another version or flavour is loaded than the one installed, which only a reboot changes.
  returned: success
  type: bool
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.psw.ai.plugins.module_utils import _nvidia, _nvidia_install
from ansible_collections.psw.ai.plugins.module_utils._errors import PswModuleError


def carry_out(params, found, todo):
    """Do what is planned; each step leaves something that the next run finds."""
    version, kernel_modules = params["version"], params["kernel_modules"]
    if todo["install"] and kernel_modules != _nvidia.NO_MODULES and found["nouveau"]:
        _nvidia_install.forget_nouveau()
        _nvidia.refuse_nouveau(found)
    if todo["install"]:
        url = "/".join([params["base_url"].rstrip("/"), version, _nvidia_install.file_name(version)])
        path = _nvidia_install.download(url, params["cache"])
        _nvidia_install.install(path, _nvidia_install.options(kernel_modules, found["loaded"] is not None, params["cache"]))
        _nvidia_install.remove(path)
    for kernel in todo["build"]:
        _nvidia_install.build(version, kernel)
    if todo["load"]:
        _nvidia_install.load()


def main():
    module = AnsibleModule(
        argument_spec={
            "version": {"type": "str", "required": True},
            "kernel_modules": {"type": "str", "choices": ["open", "proprietary", "none"], "required": True},
            "base_url": {"type": "str", "default": "https://download.nvidia.com/XFree86/Linux-x86_64"},
            "cache": {"type": "path", "default": "/var/cache/psw/nvidia"},
        },
        supports_check_mode=True,
    )
    version, kernel_modules = module.params["version"], module.params["kernel_modules"]
    try:
        found = _nvidia.look()
        todo = _nvidia.plan(found, version, kernel_modules)
        changed = any(todo.values())
        before = _nvidia.describe_found(found, kernel_modules)
        if not module.check_mode:
            _nvidia.refuse(found, todo, version, kernel_modules)
            carry_out(module.params, found, todo)
            found = _nvidia.look() if changed else found
    except PswModuleError as exc:
        module.fail_json(msg=str(exc))
    kernels = [] if kernel_modules == _nvidia.NO_MODULES else list(found["modules"])
    loaded = (found["loaded"], found["loaded_flavour"])
    module.exit_json(
        changed=changed,
        diff={"before": before, "after": _nvidia.describe(version, kernel_modules, kernels), "before_header": "driver", "after_header": "driver"},
        version=version,
        modules=found["modules"],
        loaded=found["loaded"],
        reboot_required=bool(kernels) and found["loaded"] is not None and loaded != (version, kernel_modules),
    )


if __name__ == "__main__":
    main()
