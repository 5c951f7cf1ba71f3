# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: container_environment
short_description: Check the environment of a running container
version_added: 0.1.0
description:
  - Fails unless a running container was started with the given environment, such as the privacy switches of its catalogue entry.
  - Reads what Podman started, not what a unit says, so a container that still runs with an older unit is found.
author: the psw authors (@psw-ai)
extends_documentation_fragment: [psw.ai.attributes]
attributes:
  check_mode:
    support: full
    details: It only reads. In check mode a container that is not there yet is no failure.
  diff_mode:
    support: none
  idempotent:
    support: full
options:
  container:
    description: Name of the container.
    type: str
    required: true
  expected:
    description: Names and values that must be in its environment. Nothing in here is secret.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Check that the privacy switches are in force
  psw.ai.container_environment:
    container: ollama
    expected: "{{ lookup('psw.ai.app', 'ollama').privacy }}"
"""

RETURN = r"""
wrong:
  description: Each name whose value is not the expected one, with what was expected and what is there (V(null) when it is not set).
  returned: always
  type: dict
"""

import json

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.psw.ai.plugins.module_utils._errors import PswModuleError


def environment_of(module, container):
    """Return the environment of a running container, or None when it does not run."""
    podman = module.get_bin_path("podman", required=True)
    code, out, _err = module.run_command([podman, "inspect", "--type=container", "--format={{.State.Running}} {{json .Config.Env}}", container])
    running, _space, environment = out.strip().partition(" ")
    if code != 0 or running != "true":
        return None
    return dict(item.partition("=")[::2] for item in json.loads(environment))


def differences(expected, there):
    """Return what is not as expected, by name."""
    wanted = {name: str(value) for name, value in expected.items()}
    return {name: {"expected": value, "there": there.get(name)} for name, value in sorted(wanted.items()) if there.get(name) != value}


def check(container, expected, there, check_mode):
    """Return what is wrong, or raise when that cannot be left so."""
    if there is None:
        if check_mode:
            return {}
        raise PswModuleError(f"the container {container} does not run, so nothing is known about its environment; see: journalctl -u {container}")
    wrong = differences(expected, there)
    if wrong and not check_mode:
        named = "; ".join(f"{name} is {item['there']!r}, not {item['expected']!r}" for name, item in wrong.items())
        raise PswModuleError(f"the container {container} runs with settings that are not the promised ones: {named}. Is a drop-in or another unit in the way?")
    return wrong


def main():
    module = AnsibleModule(
        argument_spec={"container": {"type": "str", "required": True}, "expected": {"type": "dict", "required": True}},
        supports_check_mode=True,
    )
    container = module.params["container"]
    try:
        wrong = check(container, module.params["expected"], environment_of(module, container), module.check_mode)
    except PswModuleError as exc:
        module.fail_json(msg=str(exc))
    module.exit_json(changed=False, wrong=wrong)


if __name__ == "__main__":
    main()
