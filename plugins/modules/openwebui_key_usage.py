# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: openwebui_key_usage
short_description: Tell how old Open WebUI's API keys are and how much they are used
version_added: 0.1.0
description:
  - Reads Open WebUI's database (SQLite or PostgreSQL) and its audit log inside its running container. Never changes anything, and never returns a key.
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
  container:
    description: Name of the running Open WebUI container.
    type: str
    default: openwebui
"""

EXAMPLES = r"""
- name: See who uses the API
  psw.ai.openwebui_key_usage:
  register: usage
"""

RETURN = r"""
usage:
  description:
    - What is known of each account that has a key, by its address.
    - C(created_at) and C(last_used_at) (V(null) for never) are seconds since 1970.
    - C(requests) and C(tokens) count what the current file of the audit log and the newest 50 before it hold, zipped or not.
  returned: always
  type: dict
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.psw.ai.plugins.module_utils._errors import PswModuleError
from ansible_collections.psw.ai.plugins.module_utils._openwebui_program import answer_of, usage_program


def main():
    module = AnsibleModule(argument_spec={"container": {"type": "str", "default": "openwebui"}}, supports_check_mode=True)
    container = module.params["container"]
    argv = [module.get_bin_path("podman", required=True), "exec", "--interactive", container, "python", "-"]
    try:
        answer = answer_of(container, module.run_command(argv, data=usage_program()))
    except PswModuleError as exc:
        module.fail_json(msg=str(exc))
    module.exit_json(changed=False, usage=answer["usage"])


if __name__ == "__main__":
    main()
