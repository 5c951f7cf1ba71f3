# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: postgres_database
short_description: Keep an app's database in a PostgreSQL container
version_added: 0.1.0
description:
  - Keeps a role that may log in, a database of the same name that it owns, and the extensions that the app needs.
  - Works through C(psql) in the running container, as superuser over its socket. The password stays out of every statement, because
    PostgreSQL is given what it would store for it.
author: the psw authors (@psw-ai)
extends_documentation_fragment: [psw.ai.attributes]
attributes:
  check_mode:
    support: full
    details: A server that does not run yet counts as one without the database.
  diff_mode:
    support: full
    details: Passwords are not shown, only whether the one in force is the one asked for.
  idempotent:
    support: full
options:
  name:
    description: Name of the database and of its role.
    type: str
    required: true
  password:
    description: Password of the role.
    type: str
    required: true
  extensions:
    description: Extensions that the database needs. They are made by the superuser, as an app's role may not.
    type: list
    elements: str
    default: []
  container:
    description: Name of the running PostgreSQL container.
    type: str
    default: postgres
"""

EXAMPLES = r"""
- name: Keep Open WebUI's database
  psw.ai.postgres_database:
    name: openwebui
    password: "{{ lookup('psw.ai.secret', 'openwebui', 'openwebui_database_password') }}"
    extensions: [vector]
"""

RETURN = r"""
# only what every task returns
"""

import json
import re

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.psw.ai.plugins.module_utils import _postgres as postgres
from ansible_collections.psw.ai.plugins.module_utils._errors import PswModuleError


def psql(module, script):
    """Run statements, given on stdin, and return what they print."""
    argv = [module.get_bin_path("podman", required=True), "exec", "--interactive", module.params["container"]]
    argv += ["psql", "--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1", "--username=postgres", "--dbname=postgres"]
    code, out, err = module.run_command(argv, data=script)
    if code != 0:
        raise PswModuleError(f"PostgreSQL in the container {module.params['container']} refused (exit code {code}): {reason(err)}")
    return out


def reason(err):
    """Return the line that says what is wrong; psql goes on with the statement and with advice."""
    lines = err.strip().splitlines()
    named = re.search(r"(?:ERROR|FATAL): .*|psql: error: .*", err)
    return named[0] if named else lines[-1] if lines else "no message"


def ensure(module):
    """Bring the database to its goal and return the module's result."""
    name = postgres.checked_name(module.params["name"], "database")
    password = module.params["password"]
    extensions = [postgres.checked_name(extension, "extension") for extension in module.params["extensions"]]
    try:
        answer = psql(module, postgres.question(name))
    except PswModuleError:
        if not module.check_mode:
            raise
        answer = ""
    before = postgres.state_of(answer, password, extensions)
    after = postgres.goal(name, extensions)
    if before != after and not module.check_mode:
        psql(module, postgres.statements(name, password, before, after))
    shown = {side: json.dumps(state, indent=1) + "\n" for side, state in (("before", before), ("after", after))}
    return {"changed": before != after, "diff": shown}


def main():
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "password": {"type": "str", "required": True, "no_log": True},
            "extensions": {"type": "list", "elements": "str", "default": []},
            "container": {"type": "str", "default": "postgres"},
        },
        supports_check_mode=True,
    )
    try:
        result = ensure(module)
    except PswModuleError as exc:
        module.fail_json(msg=str(exc))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
