# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options for directories and files, shared by modules, and the wishes they become; private to the collection."""

from __future__ import annotations

from ansible_collections.psw.ai.plugins.module_utils import _desired_files as files

_OWNER = ("path", "owner", "group", "mode")


def list_of(options, **more):
    """Return the specification of a list of dictionaries with these options."""
    return dict(type="list", elements="dict", default=[], options=options, **more)


def _owned(mode):
    return {
        "path": {"type": "path", "required": True},
        "owner": {"type": "str", "default": "0"},
        "group": {"type": "str", "default": "0"},
        "mode": {"type": "raw", "default": mode},
    }


DIRECTORIES = list_of(_owned("0755"))
_CONTENTS = {"content": {"type": "str"}, "secret_content": {"type": "str", "no_log": True}}


def files_option(**more):
    """Return the specification of a list of files, with more options for each."""
    one = [("content", "secret_content")]
    return list_of(dict(_owned("0644"), **_CONTENTS, **more), mutually_exclusive=one, required_one_of=one)


def path_wishes(params):
    """Return the wishes for the directories and files of some options, directories first."""
    wishes = [files.wish("directory", **{key: entry[key] for key in _OWNER}) for entry in params.get("directories", [])]
    for entry in params["files"]:
        secret = entry["secret_content"] is not None
        content = entry["secret_content"] if secret else entry["content"]
        wishes.append(files.wish("file", content=content, secret=secret, **{key: entry[key] for key in _OWNER}))
    return wishes
