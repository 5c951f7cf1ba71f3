# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: service_ready
short_description: Check that services answer as they should
version_added: 0.1.0
description:
  - Asks until all services answer as expected, or until the limit is over. Never changes anything.
author: the psw authors (@psw-ai)
extends_documentation_fragment: [psw.ai.attributes, psw.ai.ready]
attributes:
  check_mode:
    support: full
    details: It only reads. In check mode a service that does not answer is reported, and no failure.
  diff_mode:
    support: none
  idempotent:
    support: full
options:
  timeout:
    description: Seconds to wait for all of O(ready).
    type: int
    default: 60
"""

EXAMPLES = r"""
- name: Check that the API wants a key
  psw.ai.service_ready:
    ready:
      - http: {url: "https://chat.home.example/api/models", status: 401, ca_path: my-home/.psw/ca.crt}
"""

RETURN = r"""
missing:
  description: What does not answer as expected, in words. Never empty on failure.
  returned: always
  type: list
  elements: str
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.psw.ai.plugins.module_utils import _readiness as readiness
from ansible_collections.psw.ai.plugins.module_utils._app_options import SPEC
from ansible_collections.psw.ai.plugins.module_utils._errors import PswModuleError


def main():
    module = AnsibleModule(argument_spec={"ready": SPEC["ready"], "timeout": {"type": "int", "default": 60}}, supports_check_mode=True)
    try:
        missing = readiness.wait(module.params["ready"], 0 if module.check_mode else module.params["timeout"], lambda: False)
    except PswModuleError as exc:
        module.fail_json(msg=str(exc))
    if missing and not module.check_mode:
        module.fail_json(msg="; ".join(missing), missing=missing)
    module.exit_json(changed=False, missing=missing)


if __name__ == "__main__":
    main()
