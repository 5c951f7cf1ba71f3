# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of an app as Ansible checks them, and as the planner reads them; private to the collection."""

from __future__ import annotations

from ansible_collections.psw.ai.plugins.module_utils import _host_options
from ansible_collections.psw.ai.plugins.module_utils._errors import PswModuleError
from ansible_collections.psw.ai.plugins.module_utils._file_options import DIRECTORIES, files_option, list_of, path_wishes
from ansible_collections.psw.ai.plugins.module_utils._quadlet import read_units
from ansible_collections.psw.ai.plugins.module_utils._readiness import kind_of

_ADDRESS = {"host": {"type": "str", "default": "127.0.0.1"}, "port": {"type": "int", "required": True}}
_HTTP = {
    "url": {"type": "str", "required": True},
    "status": {"type": "int", "default": 200},
    "json": {"type": "dict"},
    "headers": {"type": "dict", "no_log": True},
    "caller": {"type": "str"},
    "ca_path": {"type": "path"},
    "ca": {"type": "str"},
    "resolve_to": {"type": "str"},
    "container": {"type": "str"},
}
_READY = {
    "http": {"type": "dict", "options": _HTTP},
    "tcp": {"type": "dict", "options": _ADDRESS},
    "wyoming": {"type": "dict", "options": _ADDRESS},
    "exec": {
        "type": "dict",
        "options": {"container": {"type": "str", "required": True}, "argv": {"type": "list", "elements": "str", "required": True}},
    },
}
SPEC = {
    "name": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "host": {"type": "dict", "options": _host_options.OPTIONS},
    "directories": DIRECTORIES,
    "files": files_option(),
    # The names of secrets are no secret; each value is marked on its own.
    "secrets": list_of({"name": {"type": "str", "required": True}, "value": {"type": "str", "required": True, "no_log": True}}, no_log=False),
    "images": {"type": "list", "elements": "str", "default": []},
    "units": list_of({"name": {"type": "str", "required": True}, "content": {"type": "str", "required": True}}),
    "only_apps": {"type": "list", "elements": "str"},
    "requires": {"type": "dict", "options": {key: {"type": "str"} for key in ("storage_driver", "network_backend", "runtime")}},
    "environment": {"type": "dict", "default": {}},
    "ready": list_of(_READY),
    "ready_timeout": {"type": "int", "default": 300},
    "returned_files": {"type": "list", "elements": "path", "default": []},
}


def _by_name(entries, value, what):
    found = {}
    for entry in entries:
        if entry["name"] in found:
            raise PswModuleError(f"{what} {entry['name']} is named twice")
        found[entry["name"]] = entry[value]
    return found


def nothing(name):
    """Return the wishes of an app that shall go: no more than its name is needed."""
    empty = {key: {} for key in ("secrets", "units", "requires", "environment")}
    return {"name": name, "state": "absent", "paths": [], "images": [], "ready": [], "ready_timeout": 0, **empty}


def read(params):
    """Return the wishes of an app; images that units name count as asked for."""
    name = params["name"]
    if not name.replace("-", "").replace("_", "").isalnum():
        raise PswModuleError(f"{name!r} is no name for an app: letters, digits, - and _ only")
    wish = {
        "name": name,
        "state": params["state"],
        "paths": path_wishes(params),
        "secrets": _by_name(params["secrets"], "value", "secret"),
        "units": _by_name(params["units"], "content", "unit"),
        "requires": params["requires"] or {},
        "environment": {name: str(value) for name, value in params["environment"].items()},
        "ready": params["ready"] if params["state"] == "present" else [],
        "ready_timeout": params["ready_timeout"],
    }
    for check in wish["ready"]:
        kind_of(check)
    named = [reference for unit in read_units(wish["units"]) for reference in unit.images]
    wish["images"] = sorted(set(params["images"]) | set(named))
    return wish
