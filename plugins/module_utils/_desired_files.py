# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Directories, files and links as wished: look, plan, do; private to the collection."""

from __future__ import annotations

import contextlib
import grp
import os
import pwd
import stat

from ansible_collections.psw.ai.plugins.module_utils._errors import PswModuleError
from ansible_collections.psw.ai.plugins.module_utils._steps import Step, state_diff

HIDDEN = "(content is secret)"
ABSENT = {"kind": "absent"}


def parse_mode(mode, path):
    """Return the mode as a number; only a quoted octal one is unmistakable in YAML."""
    try:
        if isinstance(mode, str):
            return int(mode, 8)
    except ValueError:
        pass
    raise PswModuleError(f'the mode of {path} must be an octal number in quotes, such as "0644", not {mode!r}')


def find_id(name, database):
    """Return the number of a user or group given by number or name, None when there is none of that name yet."""
    text = str(name)
    if text.isdigit():
        return int(text)
    try:
        return pwd.getpwnam(text).pw_uid if database == "user" else grp.getgrnam(text).gr_gid
    except KeyError:
        return None


def wish(kind, path, **details):
    """Return one wish in the form that ``plan`` reads: kind is directory, file, link or absent."""
    if not path.startswith("/") or os.path.normpath(path) != path:
        raise PswModuleError(f"{path!r} is not an absolute, clean path")
    wished = dict(details, kind=kind, path=path)
    if kind in ("directory", "file"):
        wished["mode"] = parse_mode(details["mode"], path)
        wished["uid"] = find_id(details["owner"], "user")
        wished["gid"] = find_id(details["group"], "group")
    return wished


def look(path, *, content=True):
    """Return what is at a path now; content is text, with bytes that are no UTF-8 kept as surrogates."""
    try:
        found = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return ABSENT
    if stat.S_ISLNK(found.st_mode):
        return {"kind": "link", "to": os.readlink(path), "directory": os.path.isdir(path)}
    facts = {"kind": "other", "mode": stat.S_IMODE(found.st_mode), "uid": found.st_uid, "gid": found.st_gid}
    if stat.S_ISDIR(found.st_mode):
        facts["kind"] = "directory"
    elif stat.S_ISREG(found.st_mode):
        facts["kind"] = "file"
        if content:
            with open(path, "rb") as stream:
                facts["content"] = stream.read().decode("utf-8", "surrogateescape")
    return facts


def look_at(wishes):
    """Return the facts of every path that is wished for."""
    return {wished["path"]: look(wished["path"], content=wished["kind"] == "file") for wished in wishes}


def _attributes(facts):
    return f"mode: {facts['mode']:04o}\nowner: {facts['uid']}\ngroup: {facts['gid']}\n"


def _attributes_step(wished, found):
    if all(found[key] == wished[key] for key in ("mode", "uid", "gid")):
        return []
    # A name that no user has yet (check mode before a package brings it) is shown as the name.
    after = dict(wished, uid=wished["owner"] if wished["uid"] is None else wished["uid"], gid=wished["group"] if wished["gid"] is None else wished["gid"])
    diff = {"before": _attributes(found), "after": _attributes(after), "before_header": wished["path"], "after_header": wished["path"]}
    return [Step("set attributes of", wished["path"], wished, diff)]


def _plan_directory(wished, found):
    if found["kind"] == "absent":
        return [Step("make directory", wished["path"], wished, state_diff(wished["path"], "", "directory"))]
    if found["kind"] == "link" and found["directory"]:
        return []
    if found["kind"] != "directory":
        raise PswModuleError(f"{wished['path']} is in the way: a directory is needed there. Move it and run again")
    return _attributes_step(wished, found)


def _plan_file(wished, found):
    path = wished["path"]
    if found["kind"] in ("directory", "other"):
        raise PswModuleError(f"{path} is in the way: a file is needed there. Move it and run again")
    if found["kind"] == "file" and found["content"] == wished["content"]:
        return _attributes_step(wished, found)
    before = found.get("content", f"link to {found.get('to')}\n" if found["kind"] == "link" else "")
    diff = {"before": before, "after": wished["content"], "before_header": path, "after_header": path}
    if wished.get("secret"):
        diff.update(before=f"{HIDDEN}, before\n" if before else "", after=f"{HIDDEN}, new\n")
    return [Step("write", path, wished, diff)]


def _plan_link(wished, found):
    if found["kind"] in ("directory", "other"):
        raise PswModuleError(f"{wished['path']} is in the way: a link is needed there. Move it and run again")
    if found.get("to") == wished["to"]:
        return []
    before = f"link to {found['to']}" if found["kind"] == "link" else found["kind"].replace("absent", "")
    return [Step("link", wished["path"], wished, state_diff(wished["path"], before, f"link to {wished['to']}"))]


def _plan_absent(wished, found):
    if found["kind"] == "absent":
        return []
    return [Step("remove", wished["path"], wished, state_diff(wished["path"], found["kind"], ""))]


_PLANNERS = {"directory": _plan_directory, "file": _plan_file, "link": _plan_link, "absent": _plan_absent}


def plan(wishes, facts):
    """Return the steps from what is found to what is wished, in the order of the wishes."""
    return [step for wished in wishes for step in _PLANNERS[wished["kind"]](wished, facts.get(wished["path"], ABSENT))]


def _ids(wished):
    ids = [find_id(wished["owner"], "user"), find_id(wished["group"], "group")]
    for number, what, name in zip(ids, ("user", "group"), (wished["owner"], wished["group"])):
        if number is None:
            raise PswModuleError(f"{wished['path']} should belong to {what} {name}, and there is no such {what} on this machine")
    return ids


def _named(function):
    """Turn what the system refuses into a line that says where, and what to do about a full disk."""

    def door(step):
        try:
            function(step)
        except OSError as exc:
            raise PswModuleError(f"cannot {step.op} {step.target}: {exc.strerror}") from exc

    return door


@_named
def make_directory(step):
    os.makedirs(step.target, exist_ok=True)
    set_attributes(step)


@_named
def set_attributes(step):
    uid, gid = _ids(step.args)
    os.chown(step.target, uid, gid)
    os.chmod(step.target, step.args["mode"])


@_named
def write(step):
    """Write beside the file and rename, so that nobody ever sees half a file; the name is always the same, so that a killed run leaves at most one."""
    uid, gid = _ids(step.args)
    folder, name = os.path.split(step.target)
    os.makedirs(folder, exist_ok=True)
    draft = os.path.join(folder, f".{name}.psw-new")
    _remove_file(draft)
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
            stream.write(step.args["content"].encode("utf-8", "surrogateescape"))
            os.fchown(stream.fileno(), uid, gid)
            os.fchmod(stream.fileno(), step.args["mode"])
            stream.flush()
            os.fsync(stream.fileno())
        os.rename(draft, step.target)
    except OSError:
        _remove_file(draft)
        raise


def _remove_file(path):
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)


@_named
def link(step):
    _remove_file(step.target)
    os.makedirs(os.path.dirname(step.target), exist_ok=True)
    os.symlink(step.args["to"], step.target)


@_named
def remove(step):
    """Remove a file or link; of directories only an empty one, because what is in them is not ours to judge."""
    if os.path.isdir(step.target) and not os.path.islink(step.target):
        os.rmdir(step.target)
    else:
        _remove_file(step.target)


DOERS = {"make directory": make_directory, "set attributes of": set_attributes, "write": write, "link": link, "remove": remove}
