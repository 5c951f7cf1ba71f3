# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether all service keys are as they should be, read from Open WebUI's database in a few milliseconds.

Importing Open WebUI's ORM takes more than a second, and nearly every run finds nothing to do. This reads the very rows by which the running server decides
about each request (it keeps no cache of keys): the account behind each stored key, its role and that no password fits it, the service group, its
permissions and its members. It can only ever say that everything is right. Whatever differs, or cannot be read, as in a release that keeps its keys
elsewhere, is left to the ORM (_openwebui_keys.py), which also does all that is ever written. Like that file, this one only runs inside the container.
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import sys

MARK = "psw-answer:"
DATA = "/app/backend/data"  # where the image keeps its data unless DATA_DIR says otherwise
SQLITE = "sqlite:///"
ACCOUNTS = (
    'SELECT u.id, u.email, u.role, u.created_at, a.password, k.key FROM "user" u '
    "LEFT JOIN auth a ON a.id = u.id LEFT JOIN api_key k ON k.user_id = u.id WHERE u.email IN ({})"
)
OLDEST = 'SELECT min(created_at) FROM "user"'
OURS = 'SELECT id, email FROM "user" WHERE name LIKE {}'
GROUP = 'SELECT id, permissions FROM "group" WHERE name = {}'
MEMBERS = "SELECT user_id FROM group_member WHERE group_id = {}"


def database(environment):
    """Return a connection that only reads, and its mark for a parameter; anything that is not plainly one of the two databases is an error."""
    if environment.get("DATABASE_TYPE") or environment.get("DATABASE_SCHEMA"):
        raise ValueError("a database that is put together by Open WebUI")
    url = environment.get("DATABASE_URL") or f"{SQLITE}{environment.get('DATA_DIR') or DATA}/webui.db"
    if url.startswith(SQLITE):
        return sqlite3.connect(f"file:{url[len(SQLITE) :]}?mode=ro", uri=True, timeout=5), "?"
    import psycopg2  # noqa: PLC0415 - only where it is needed, and there is none outside the container

    connection = psycopg2.connect(url, connect_timeout=5)
    connection.set_session(readonly=True)
    return connection, "%s"


def is_right(wanted, rows, oldest, confined):
    """Tell whether a consumer has its one account, in its role, which its stored key opens, no password fits, and which is not the first account of all."""
    if len(rows) != 1:
        return False
    user, _email, role, created, password, key = rows[0]
    is_its_own = bool(wanted["key"]) and key == wanted["key"] and not password and created != oldest
    return is_its_own and role == wanted["role"] and (role == "admin" or user in confined)


def glance(request, ask, mark):
    """Return the answer for consumers that are all as they should be, else None; `ask` runs a query."""
    if request["state"] not in {"present", "validated"}:
        return None
    emails = [wanted["email"] for wanted in request["consumers"]]
    rows = ask(ACCOUNTS.format(", ".join([mark] * len(emails)) or "NULL"), emails)
    [(oldest,)] = ask(OLDEST, [])
    [(group, permissions)] = ask(GROUP.format(mark), [request["group"]])
    if (json.loads(permissions) if isinstance(permissions, str) else permissions) != request["permissions"]:
        return None
    members = {user for (user,) in ask(MEMBERS.format(mark), [group])}
    if not all(is_right(wanted, [row for row in rows if row[1] == wanted["email"]], oldest, members) for wanted in request["consumers"]):
        return None
    ours = request["ours"]
    others = [user for user in ask(OURS.format(mark), [f"{ours['name']}%"]) if user[1] not in emails] if ours else []
    if any(user in members or email.endswith(ours["email"]) for user, email in others):
        return None  # the account of a consumer that is gone, as _openwebui_keys.py knows it
    return {"consumers": [valid(wanted) for wanted in request["consumers"]]}


def valid(wanted):
    """Return the answer for one consumer that is as it should be, in the words of _openwebui_keys.py."""
    there = {"user": "present", "role": wanted["role"], "in service group": True, "nobody can log in": True, "key": "valid"}
    return {"consumer": wanted["consumer"], "status": "valid", "changed": False, "before": there, "after": there}


def main(text):
    """Answer the request in `text` on stdout and return True, or return False when it takes the ORM to answer."""
    try:
        connection, mark = database(os.environ)
        with contextlib.closing(connection), contextlib.closing(connection.cursor()) as cursor:

            def ask(query, values):
                cursor.execute(query, values)
                return cursor.fetchall()

            answer = glance(json.loads(text), ask, mark)
    except Exception:  # noqa: BLE001 - whatever it is, the ORM looks again and says what is wrong
        return False
    if answer:
        sys.stdout.write(MARK + json.dumps(answer) + "\n")
    return bool(answer)
