# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Service users and their keys, through Open WebUI's own ORM.

This file never runs on a node: openwebui_service_key sends its text to the Python inside the container, on stdin and together with the request, so that
no key is ever part of a command line. It fits every release from 0.6 (synchronous ORM) to 0.12 (asynchronous ORM), and a running server sees what it does
at once, because Open WebUI keeps no cache of keys.
"""

from __future__ import annotations

import asyncio
import fcntl
import inspect
import json
import os
import re
import shutil
import sys
import tempfile
import time
import types
import uuid

GROUP_ABOUT = "Accounts that psw made for programs. A member may use an API key, and nothing else beyond what every user may."
ROLES = {"user", "admin"}  # the third, "pending", may do nothing: it is how the admin panel switches an account off
DATA = "/app/backend/data"  # as in _openwebui_glance.py
KEY = re.compile(r"sk-\w+")
ONE_WAITS = 300  # seconds that a run waits for the one before it
PAUSE = 0.1
MARK = "psw-answer:"  # Open WebUI writes to stdout while it is imported, so the answer needs a mark
NO_FIRST_ACCOUNT = (
    "Open WebUI has no account yet. Nobody can ever remove or demote its first account, so that must not be a service user: "
    "start Open WebUI with WEBUI_ADMIN_EMAIL and WEBUI_ADMIN_PASSWORD first"
)


class RefusedError(Exception):
    """What cannot be done, in words for the person who asked."""


class OpenWebUI:
    """The part of Open WebUI's ORM that service keys need, alike for every release.

    In the first of 0.6 (0.6.36 is one) the key is a column of the account and goes with it, and the list of all groups has another name; in the very
    first (0.6.5) a group's members are set with the group.
    """

    def __init__(self, users, auths, groups, database, permissions):
        self.users = users
        self.auths = auths
        self.groups = groups
        self.database = database
        self.permissions = permissions  # of the service group

    @classmethod
    def load(cls, permissions):
        """Import Open WebUI's models into this process without any of the side effects that belong to its server."""
        import markdown  # noqa: PLC0415 - there is none outside the container

        markdown.markdown = lambda *_args, **_kwargs: ""  # else the import parses the whole changelog, for more than a second
        # Leaving or joining a group ends the browser sessions of a user. Programs have none, and the real module would start half a server.
        sockets = types.ModuleType("open_webui.socket.main")
        sockets.disconnect_sessions_for_users = no_sessions
        sys.modules["open_webui.socket.main"] = sockets
        from open_webui.internal import db  # noqa: PLC0415 - as above
        from open_webui.models import auths, groups, users  # noqa: PLC0415 - as above

        return cls(users, auths, groups, db, permissions)

    async def user(self, email):
        """Return the account with this address, or None."""
        return await done(self.users.Users.get_user_by_email(email))

    async def first_user(self):
        """Return the oldest account, or None."""
        return await done(self.users.Users.get_first_user())

    async def owner(self, key):
        """Return the account that a key opens, or None."""
        return await done(self.users.Users.get_user_by_api_key(key))

    async def add_user(self, email, name, role):
        """Create an account; an empty password hash is one that no password fits."""
        user = await done(self.auths.Auths.insert_new_auth(email, "", name, role=role))
        if user is None:
            raise RefusedError(f"Open WebUI did not create the account {email}; its log says why")
        return user

    async def password(self, user):
        """Return the hash of an account's password, empty where none fits; no call of the ORM tells it in every release."""
        auth = self.auths.Auth
        with self.database.get_db() as session:
            return session.query(auth.password).filter(auth.id == user.id).scalar() or ""

    async def set_role(self, user, role):
        """Give an account its role."""
        await done(self.users.Users.update_user_role_by_id(user.id, role))

    async def set_key(self, user, key):
        """Make this the only key of an account; the one before it is dead from here on."""
        if not await done(self.users.Users.update_user_api_key_by_id(user.id, key)):
            raise RefusedError(f"Open WebUI did not store a key for {user.email}; its log says why")

    async def remove_user(self, user):
        """Remove an account, its key first: deleting an account leaves its key row behind."""
        if hasattr(self.users.Users, "delete_user_api_key_by_id"):
            await done(self.users.Users.delete_user_api_key_by_id(user.id))
        if not await done(self.auths.Auths.delete_auth_by_id(user.id)):
            raise RefusedError(f"Open WebUI did not remove the account {user.email}; its log says why")

    async def key(self, user):
        """Return the key of an account, or None."""
        return await done(self.users.Users.get_user_api_key_by_id(user.id))

    async def all_users(self):
        """Return every account."""
        found = await done(self.users.Users.get_users())
        return found["users"] if isinstance(found, dict) else found

    async def group(self, name):
        """Return the group with this name, or None."""
        table = self.groups.Groups
        listed = table.get_all_groups if hasattr(table, "get_all_groups") else table.get_groups
        found = [group for group in await done(listed()) if group.name == name]
        return found[0] if found else None

    async def ensure_group(self, name, owner):
        """Return the service group, with exactly its permissions."""
        group = await self.group(name)
        form = {"name": name, "description": GROUP_ABOUT, "permissions": self.permissions}
        if group is None:
            return await done(self.groups.Groups.insert_new_group(owner.id, self.groups.GroupForm(**form)))
        if group.permissions != self.permissions:
            await done(self.groups.Groups.update_group_by_id(group.id, self.groups.GroupUpdateForm(**form)))
        return group

    async def members(self, group):
        """Return the ids of a group's accounts."""
        return set(await done(self.groups.Groups.get_group_user_ids_by_id(group.id)) or [])

    async def add_member(self, group, user):
        """Put an account into a group."""
        table = self.groups.Groups
        if hasattr(table, "add_users_to_group"):
            await done(table.add_users_to_group(group.id, [user.id]))
            return
        members = sorted(await self.members(group) | {user.id})
        form = {"name": group.name, "description": GROUP_ABOUT, "permissions": self.permissions, "user_ids": members}
        await done(table.update_group_by_id(group.id, self.groups.GroupUpdateForm(**form)))


async def no_sessions(*_args, **_kwargs):
    """Stand in for the server's list of open browser sessions."""


async def done(result):
    """Wait for a result where the release's ORM is asynchronous."""
    return await result if inspect.isawaitable(result) else result


async def state_of(webui, wanted, group, members):
    """Describe one consumer as it is, without any secret; a key is valid when it is the stored one, its account may use it, and nobody can read it there."""
    user = await webui.user(wanted["email"])
    if user is None:
        return None, {"user": "absent"}
    owner = await webui.owner(wanted["key"]) if wanted.get("key") else None
    confined = user.role == "admin" or (user.id in members and group.permissions == webui.permissions)
    closed = not await webui.password(user)
    if owner is not None and owner.id == user.id and user.role in ROLES and confined and closed:
        key = "valid"
    else:
        key = "not valid" if wanted.get("key") or await webui.key(user) else "none"
    return user, {"user": "present", "role": user.role, "in service group": confined, "nobody can log in": closed, "key": key}


async def stray_of(webui, wanted, user, first):
    """Return the account that psw made for a consumer and that has another address now: it bears psw's name, and the stored key opens it."""
    owner = await webui.owner(wanted["key"]) if wanted.get("key") else None
    if owner is None or owner.name != wanted["name"] or owner.id in {first.id, user and user.id}:
        return None
    return owner


def goal(wanted, state, before):
    """Return the state a consumer shall have, and the status that says how it gets there."""
    if state == "absent":
        return {"user": "absent"}, "removed"
    after = {"user": "present", "role": wanted["role"], "in service group": True, "nobody can log in": True, "key": "valid"}
    if state != "rotated" and before.get("key") == "valid":
        return after, "valid"
    return {**after, "key": "new"}, "rotated" if wanted.get("key") or state == "rotated" else "minted"


async def write(webui, change, group):
    """Bring one consumer to its goal; return its new key, if it got one, and the keys that are dead now."""
    wanted, user, before, after = change
    old = {wanted.get("key"), await webui.key(user) if user else None} - {None}
    if after["user"] == "absent":
        if user is not None:
            await webui.remove_user(user)
        return {"old": sorted(old)}
    if user is not None and not before["nobody can log in"]:
        await webui.remove_user(user)  # and with it the sessions of whoever logged in as it, which would outlive the password
        user = None
    if user is None:
        user = await webui.add_user(wanted["email"], wanted["name"], wanted["role"])
    elif before["role"] != after["role"]:
        await webui.set_role(user, after["role"])
    if user.id not in await webui.members(group):
        await webui.add_member(group, user)
    if after["key"] != "new":
        return {}
    key = f"sk-{uuid.uuid4().hex}"
    await webui.set_key(user, key)
    return {"key": key, "old": sorted(old)}


async def service_users(webui, request, first):
    """Return all that psw ever made, where those without a consumer shall go; in the service group one is that whatever its address is now."""
    ours = request.get("ours")
    if not ours or request["state"] != "present":
        return []
    group = await webui.group(request["group"])
    members = await webui.members(group) if group else set()
    named = [user for user in await webui.all_users() if user.name.startswith(ours["name"]) and user.id != first.id]
    return [user for user in named if user.email.endswith(ours["email"]) or user.id in members]


def leftovers(request, made, answers):
    """Return a wish for each service user that no consumer has any more and that no answer was about: that it be gone."""
    known = {wanted["email"] for wanted in request["consumers"]} | {answer["before"].get("stray") for answer in answers}
    return [({"consumer": user.name[len(request["ours"]["name"]) :], "email": user.email}, "absent") for user in made if user.email not in known]


async def serve_one(webui, request, wish, first):
    """Answer for one consumer and the state that it shall have."""
    wanted, state = wish
    group = await webui.group(request["group"])
    members = await webui.members(group) if group else set()
    user, before = await state_of(webui, wanted, group, members)
    if user is not None and user.id == first.id:
        raise RefusedError(f"{wanted['email']} is Open WebUI's first account, which nobody can remove; a service user must not be that one")
    after, status = goal(wanted, state, before)
    stray = await stray_of(webui, wanted, user, first)
    if stray is not None:
        before["stray"] = stray.email  # nothing wants it, so this alone is a difference
    answer = {"consumer": wanted["consumer"], "status": status, "changed": before != after, "before": before, "after": after}
    if state == "validated":
        return {**answer, "status": "valid" if before == after else "drift", "changed": False, "after": before}
    if before != after and not request["check"]:
        group = await webui.ensure_group(request["group"], first) if after["user"] == "present" else group
        if stray is not None:
            await webui.remove_user(stray)
        answer.update(await write(webui, (wanted, user, before, after), group))
    return answer


def failed(wanted, exc):
    """Return the answer for a consumer that something went wrong with; the next run looks at it again and ends with one key."""
    said = KEY.sub("sk-…", str(exc)).replace(wanted.get("key") or "\0", "…")  # a database says which values it was given
    sentence = said if isinstance(exc, RefusedError) else f"Open WebUI's ORM broke off with {type(exc).__name__}: {said.strip().partition(chr(10))[0]}"
    return {"consumer": wanted["consumer"], "status": "failed", "changed": False, "before": {}, "after": {}, "error": sentence}


async def serve_each(webui, request, wishes, first):
    """Answer each wish on its own, since a key that is made must reach whoever asked for it."""
    answers = []
    for wish in wishes:
        try:
            answers.append(await serve_one(webui, request, wish, first))
        except Exception as exc:  # noqa: BLE001 - whatever it is, what was done for the others must be told
            answers.append(failed(wish[0], exc))
    return answers


async def serve(webui, request):
    """Answer a request: a state, and the consumers that shall have it."""
    state = request["state"]
    first = await webui.first_user()
    if first is None and state in {"present", "rotated"}:
        raise RefusedError(NO_FIRST_ACCOUNT)
    made = await service_users(webui, request, first)  # while nothing is changed yet that would have to be told
    answers = await serve_each(webui, request, [(wanted, state) for wanted in request["consumers"]], first)
    return {"consumers": answers + await serve_each(webui, request, leftovers(request, made, answers), first)}


def take_turns(folder, limit=ONE_WAITS):
    """Wait until no other process of this kind works on these data, and keep the next one waiting until this one ends, however it ends.

    A run that was killed goes on in here, unseen by the controller, and another controller knows nothing of this one.
    """
    handle = os.open(folder, os.O_RDONLY)
    end = time.monotonic() + limit
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= end:
                raise RefusedError(f"another run is still busy with Open WebUI's keys after {limit} s; let it end, or restart Open WebUI to end it") from None
            time.sleep(PAUSE)
        else:
            return handle


def main(text, doubt):
    """Answer the request in `text` on stdout, in one marked line of JSON; `doubt` asks the running server what it makes of the keys."""
    answers_to, sys.stdout = sys.stdout, sys.stderr
    scratch = tempfile.mkdtemp(prefix="psw-")
    # Should a release import its configuration with its models, then without migrating the database or emptying the live server's static files.
    # Never set FROM_INIT_PY here: in the image it makes that import move the data directory away.
    os.environ.update(STATIC_DIR=scratch, ENABLE_DB_MIGRATIONS="false")
    try:
        take_turns(os.environ.get("DATA_DIR") or DATA)
        request = json.loads(text)
        answer = asyncio.run(serve(OpenWebUI.load(request["permissions"]), request))
        doubt(answer["consumers"])
    except RefusedError as exc:
        answer = {"error": str(exc)}
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    answers_to.write(MARK + json.dumps(answer) + "\n")
    answers_to.flush()
    os._exit(0)  # its database threads would keep the process alive
