# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options for a machine's own state, shared by modules, and the wishes they become; private to the collection."""

from __future__ import annotations

from ansible_collections.psw.ai.plugins.module_utils import _desired_files as files
from ansible_collections.psw.ai.plugins.module_utils._file_options import files_option, list_of, path_wishes

_UNIT = {
    "name": {"type": "str", "required": True},
    "enabled": {"type": "bool"},
    "state": {"type": "str", "choices": ["started", "stopped"]},
    "masked": {"type": "bool"},
    "provides": {"type": "list", "elements": "path", "default": []},
}
OPTIONS = {
    "packages": {"type": "list", "elements": "str", "default": []},
    "files": files_option(restart={"type": "list", "elements": "str", "default": []}),
    "units": list_of(_UNIT),
}


def read(params):
    """Return the wishes of the options, of which only those in ``OPTIONS`` have to be there."""
    links = [files.wish("link", entry["path"], to=entry["to"]) for entry in params.get("links", [])]
    absent = [files.wish("absent", path) for path in params.get("absent", [])]
    return {
        "packages": params["packages"],
        "recommends": params.get("install_recommends", False),
        "paths": path_wishes(params) + links + absent,
        "restarts": {entry["path"]: entry["restart"] for entry in params["files"]},
        "units": params["units"],
    }
