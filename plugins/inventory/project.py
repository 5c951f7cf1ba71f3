# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The inventory plugin: a door to plugin_utils/_inventory.py."""

from __future__ import annotations

DOCUMENTATION = r"""
name: project
short_description: The nodes and targets of a psw project
description:
  - Reads a project directory through its C(psw.yml), so that C(ansible-playbook -i my-home/psw.yml psw.ai.converge) and AWX
    see exactly what the C(psw) command sees.
  - Makes the groups C(nodes), C(targets) and C(app_<name>) for each app that the plan places.
  - Everything from the user's files is plain data, templates in it are not evaluated.
  - A project made by C(psw init) needs no configuration of Ansible for this. For others, add this plugin to the setting
    C(inventory.enable_plugins).
author: the psw authors (@psw-ai)
options:
  plugin:
    description: Marks the file as a project for this plugin.
    type: str
    choices: [psw.ai.project]
"""

EXAMPLES = r"""
# my-home/psw.yml
schema: 1
plugin: psw.ai.project
domain: home.example
nodes:
  pve1: {host: 192.0.2.10}
apps: [ollama, openwebui]
"""

from pathlib import Path
from typing import Any

from ansible.errors import AnsibleParserError
from ansible.plugins.inventory import BaseInventoryPlugin
from ansible_collections.psw.ai.plugins.plugin_utils._errors import PswError
from ansible_collections.psw.ai.plugins.plugin_utils._inventory import build_inventory
from ansible_collections.psw.ai.plugins.plugin_utils._project import WISHES, Project


class InventoryModule(BaseInventoryPlugin):
    NAME = "psw.ai.project"

    def verify_file(self, path: str) -> bool:
        return Path(path).name == WISHES and bool(super().verify_file(path))

    def parse(self, inventory: Any, loader: Any, path: str, cache: bool = True) -> None:  # noqa: FBT001, FBT002 - Ansible's signature
        super().parse(inventory, loader, path, cache)
        try:
            built = build_inventory(Project.open(path))
        except PswError as exc:
            raise AnsibleParserError(str(exc)) from exc
        hostvars = built.pop("_meta")["hostvars"]
        for host in hostvars:
            inventory.add_host(host)
        for group, content in built.items():
            inventory.add_group(group)
            for host in content.get("hosts", []):
                inventory.add_host(host, group=group)
            for name, value in content.get("vars", {}).items():
                inventory.set_variable(group, name, value)
        for host, variables in hostvars.items():
            for name, value in variables.items():
                inventory.set_variable(host, name, value)
