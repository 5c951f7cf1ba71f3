# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one inventory that the CLI, ``ansible-playbook -i psw.yml`` and AWX all use."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ansible_collections.psw.ai.plugins.plugin_utils import _targets
from ansible_collections.psw.ai.plugins.plugin_utils._catalog import Catalog
from ansible_collections.psw.ai.plugins.plugin_utils._consumers import consumers, holders
from ansible_collections.psw.ai.plugins.plugin_utils._errors import PlanError, Refusal
from ansible_collections.psw.ai.plugins.plugin_utils._overrides import check_names
from ansible_collections.psw.ai.plugins.plugin_utils._preflight import current_plan

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ansible_collections.psw.ai.plugins.plugin_utils._project import Project

# Debian's own, on nodes and targets alike: saves Ansible a look round on every host.
PYTHON = "/usr/bin/python3"
ROLES = Path(__file__).parents[2] / "roles"


def build_inventory(project: Project, catalog: Catalog | None = None) -> dict[str, Any]:
    """Return the inventory of a project in the shape of ``ansible-inventory --list``."""
    catalog = catalog or Catalog.load()
    check_names(project.path / "services", catalog)
    plan = _plan(project, catalog)
    known = _targets.read(project.path)
    hosts = {name: _node(project, name, node) for name, node in project.wishes["nodes"].items()}
    groups: dict[str, Any] = {
        "all": {"children": ["nodes", "targets"], "vars": _everywhere(project, plan, catalog)},
        "nodes": {"hosts": list(hosts)},
        "targets": {"hosts": list(plan["targets"])},
    }
    for name, target in plan["targets"].items():
        hosts[name] = _target(project, name, target, known.get(name, {}))
        for app in target["apps"]:
            groups[f"app_{app}"] = {"hosts": [name], "vars": project.overrides(app)}
            groups["all"]["children"].append(f"app_{app}")
    return {"_meta": {"hostvars": hosts}, **groups}


def _plan(project: Project, catalog: Catalog) -> Mapping[str, Any]:
    """Return the plan as it is now; when none can be made the nodes alone are shown, and preflight says why."""
    try:
        return current_plan(project, catalog)
    except (PlanError, Refusal):
        return project.plan or {"targets": {}, "apps": {}}


def _everywhere(project: Project, plan: Mapping[str, Any], catalog: Catalog) -> dict[str, Any]:
    running = [app for app in plan["apps"] if app in catalog.apps]
    return {
        "psw_domain": project.wishes["domain"],
        "psw_project_dir": str(project.path),
        "psw_sso": project.wishes["sso"],
        **{f"psw_gpu_{key}": value for key, value in project.wishes["gpu"].items()},
        "psw_registries": project.wishes["registries"],
        "psw_vhosts": [
            {"app": app, "name": vhost["name"], "port": vhost["port"], "target": plan["apps"][app]["target"]}
            for app in running
            if (vhost := catalog.app(app).get("vhost"))
        ],
        "psw_consumers": consumers(project, catalog, running),
        "psw_key_holders": holders(catalog, running),
        "psw_planned_apps": running,
        "psw_verified_apps": [app for app in running if (ROLES / app / "tasks" / "verify.yml").exists()],
        "ansible_python_interpreter": PYTHON,
        # Without it Ansible writes a module's options, secrets among them, into a file on the machine. Here it holds for AWX and ansible-playbook too.
        "ansible_pipelining": True,
    }


def _node(project: Project, name: str, node: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "ansible_host": node["host"],
        "ansible_user": node["user"],
        "ansible_port": node["port"],
        **_key(project.path, node),
        "ansible_ssh_common_args": ssh_arguments(project.path, "accept-new"),
        "psw_gpu": project.records.get(name),
    }


def _target(project: Project, name: str, target: Mapping[str, Any], known: Mapping[str, Any]) -> dict[str, Any]:
    node = project.wishes["nodes"].get(target["node"], {})
    return {
        **({"ansible_host": known["address"]} if known.get("address") else {}),
        **({"lxc_target_groups": known["groups"]} if known.get("groups") else {}),
        "ansible_user": "root",
        # A target lets in whoever may log in to its node, so the same key opens both.
        **_key(project.path, node),
        # Its host key was read through the node and is known by the target's name, whatever address it has today.
        "ansible_ssh_common_args": ssh_arguments(project.path, "yes", alias=name),
        "psw_node": target["node"],
        "psw_target": dict(target),
        "psw_apps": list(target["apps"]),
    }


def _key(path: Path, node: Mapping[str, Any]) -> dict[str, str]:
    """Return the SSH key to use, if ``psw.yml`` names one; a relative path starts at the project."""
    key = node.get("ssh_key")
    return {"ansible_ssh_private_key_file": str(path / Path(key).expanduser())} if key else {}


def ssh_arguments(path: Path, check: str, alias: str = "") -> str:
    """Return the arguments for ssh, quoted for Ansible's shell-like splitting and for ssh's own config syntax."""
    ours = str(path / ".psw" / "known_hosts").replace("%", "%%").replace("\\", "\\\\").replace('"', '\\"')
    options = [f"StrictHostKeyChecking={check}", "HashKnownHosts=no"]
    if alias:
        options += [f'UserKnownHostsFile="{ours}"', f"HostKeyAlias={alias}"]
    else:
        options += [f'UserKnownHostsFile="{ours}" ~/.ssh/known_hosts']
    return shlex.join([part for option in options for part in ("-o", option)])
