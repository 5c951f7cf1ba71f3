# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of an app as Ansible checks them, and as the planner reads them; private to the collection."""

from __future__ import annotations

from ansible_collections.psw.ai.plugins.module_utils import _desired_files as files
from ansible_collections.psw.ai.plugins.module_utils._errors import PswModuleError
from ansible_collections.psw.ai.plugins.module_utils._quadlet import read_units
from ansible_collections.psw.ai.plugins.module_utils._readiness import kind_of


def _list_of(options, **more):
    return dict(type="list", elements="dict", default=[], options=options, **more)


def _owned(mode):
    return {
        "path": {"type": "path", "required": True},
        "owner": {"type": "str", "default": "0"},
        "group": {"type": "str", "default": "0"},
        "mode": {"type": "raw", "default": mode},
    }


DIRECTORIES = _list_of(_owned("0755"))
_CONTENTS = {"content": {"type": "str"}, "secret_content": {"type": "str", "no_log": True}}
_ONE_CONTENT = {"mutually_exclusive": [("content", "secret_content")], "required_one_of": [("content", "secret_content")]}
FILES = _list_of(dict(_owned("0644"), **_CONTENTS), **_ONE_CONTENT)
_ADDRESS = {"host": {"type": "str", "default": "127.0.0.1"}, "port": {"type": "int", "required": True}}
_HTTP = {
    "url": {"type": "str", "required": True},
    "status": {"type": "int", "default": 200},
    "json": {"type": "dict"},
    "headers": {"type": "dict", "no_log": True},
    "ca_path": {"type": "path"},
    "resolve_to": {"type": "str"},
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
    "directories": DIRECTORIES,
    "files": FILES,
    # The names of secrets are no secret; each value is marked on its own.
    "secrets": _list_of({"name": {"type": "str", "required": True}, "value": {"type": "str", "required": True, "no_log": True}}, no_log=False),
    "images": {"type": "list", "elements": "str", "default": []},
    "units": _list_of({"name": {"type": "str", "required": True}, "content": {"type": "str", "required": True}}),
    "ready": _list_of(_READY),
    "ready_timeout": {"type": "int", "default": 300},
}


def path_wishes(params):
    """Return the wishes for the directories and files of some options, directories first."""
    wishes = [files.wish("directory", **{key: entry[key] for key in ("path", "owner", "group", "mode")}) for entry in params["directories"]]
    for entry in params["files"]:
        secret = entry["secret_content"] is not None
        content = entry["secret_content"] if secret else entry["content"]
        details = {key: entry[key] for key in ("path", "owner", "group", "mode")}
        wishes.append(files.wish("file", content=content, secret=secret, **details))
    return wishes


def _by_name(entries, value, what):
    found = {}
    for entry in entries:
        if entry["name"] in found:
            raise PswModuleError(f"{what} {entry['name']} is named twice")
        found[entry["name"]] = entry[value]
    return found


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
        "ready": params["ready"] if params["state"] == "present" else [],
        "ready_timeout": params["ready_timeout"],
    }
    for check in wish["ready"]:
        kind_of(check)
    named = [reference for unit in read_units(wish["units"]) for reference in unit.images]
    wish["images"] = sorted(set(params["images"]) | set(named))
    return wish
