#!/usr/bin/python
# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: host_state
short_description: Bring packages, files and systemd units of a Debian machine to their wished state in one call
version_added: 0.1.0
author: the psw authors (@psw-ai)
description:
  - Holds what a role needs of a machine together, so that a run with nothing to do costs one task.
  - Files that apt reads (below C(/etc/apt) and C(/usr/share/keyrings)) come first, then packages, then all other files, then units.
  - Package lists are fetched only when a package is missing.
  - A restart that a killed run still owed is made up for by the next call.
extends_documentation_fragment: [psw.ai.attributes]
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
    details: O(files[].secret_content) never shows.
  idempotent:
    support: full
options:
  packages:
    description: Debian packages to have, each as C(name) or C(name=version).
    type: list
    elements: str
    default: []
  install_recommends:
    description: Also install what the packages recommend.
    type: bool
    default: false
  directories:
    description: Directories to have, parents first.
    type: list
    elements: dict
    default: []
    suboptions:
      path: {description: Absolute path., type: path, required: true}
      owner: {description: Name or number of the user., type: str, default: '0'}
      group: {description: Name or number of the group., type: str, default: '0'}
      mode: {description: Quoted octal mode., type: raw, default: '0755'}
  files:
    description: Files to have.
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
  links:
    description: Symbolic links to have.
    type: list
    elements: dict
    default: []
    suboptions:
      path: {description: Absolute path of the link., type: path, required: true}
      to: {description: 'What the link points to, as written.', type: str, required: true}
  absent:
    description: Files, links and empty directories that must not be there.
    type: list
    elements: path
    default: []
  units:
    description: The systemd units to take care of. What is not given stays as it is.
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
"""

EXAMPLES = r"""
- name: Have a web server with our settings
  psw.ai.host_state:
    packages: [lighttpd]
    files:
      - path: /etc/lighttpd/conf-enabled/50-psw.conf
        content: |
          dir-listing.activate = "enable"
        restart: [lighttpd.service]
    units:
      - {name: lighttpd.service, enabled: true, state: started}
      - {name: apt-daily-upgrade.timer, masked: true, state: stopped}
"""

RETURN = r"""
actions:
  description: What was done, or would be done, in order.
  returned: always
  type: list
  elements: str
  sample: [install lighttpd, restart lighttpd.service]
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.psw.ai.plugins.module_utils import _host_options
from ansible_collections.psw.ai.plugins.module_utils._errors import PswModuleError
from ansible_collections.psw.ai.plugins.module_utils._file_options import DIRECTORIES, list_of
from ansible_collections.psw.ai.plugins.module_utils._host_state import converge

SPEC = dict(
    _host_options.OPTIONS,
    install_recommends={"type": "bool", "default": False},
    directories=DIRECTORIES,
    links=list_of({"path": {"type": "path", "required": True}, "to": {"type": "str", "required": True}}),
    absent={"type": "list", "elements": "path", "default": []},
)


def main():
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    try:
        result = converge(_host_options.read(module.params), check_mode=module.check_mode)
    except PswModuleError as exc:
        module.fail_json(msg=str(exc))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
