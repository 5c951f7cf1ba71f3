# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PostgreSQL as SQL text and answers: what to ask, what to do; private to the collection."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import re

from ansible_collections.psw.ai.plugins.module_utils._errors import PswModuleError

ROUNDS = 4096  # PostgreSQL's own default


def checked_name(name, what):
    """Return a name that needs no care inside SQL."""
    if not re.match(r"^[a-z_][a-z0-9_]{0,62}$", name):
        raise PswModuleError(f"{name!r} cannot be the name of a {what}: lower case letters, digits and underscores only, and no digit first")
    return name


def scram(password, salt, rounds=ROUNDS):
    """Return what PostgreSQL stores for a password, so that the password itself is in no statement and no server log."""
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, rounds)
    stored = hashlib.sha256(hmac.new(salted, b"Client Key", hashlib.sha256).digest()).digest()
    server = hmac.new(salted, b"Server Key", hashlib.sha256).digest()
    salt, stored, server = (base64.b64encode(part).decode() for part in (salt, stored, server))
    return f"SCRAM-SHA-256${rounds}:{salt}${stored}:{server}"


def opens(password, stored):
    """Tell whether a password is the one behind what PostgreSQL stores."""
    found = re.match(r"^SCRAM-SHA-256\$(\d+):([A-Za-z0-9+/=]+)\$", stored or "")
    return bool(found) and hmac.compare_digest(scram(password, base64.b64decode(found.group(2)), int(found.group(1))), stored)


def question(name):
    """Return the statements that tell how a database and its role are; the answers are lines of JSON."""
    return f"""
SELECT json_build_object('owner', (SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = '{name}'),
  'login', (SELECT rolcanlogin FROM pg_roles WHERE rolname = '{name}'), 'stored', (SELECT rolpassword FROM pg_authid WHERE rolname = '{name}'));
SELECT EXISTS (SELECT FROM pg_database WHERE datname = '{name}') AS there \\gset
\\if :there
\\connect {name}
SELECT json_build_object('extensions', json_agg(extname ORDER BY extname)) FROM pg_extension;
\\endif
"""  # noqa: S608 - checked_name lets only words through


def state_of(answer, password, extensions):
    """Return the state that matters, without any secret, from the answer to ``question``."""
    facts = {}
    for line in answer.splitlines():
        if line.startswith("{"):
            facts.update(json.loads(line))
    there = set(facts.get("extensions") or [])
    return {
        "role": bool(facts.get("login")),
        "password": opens(password, facts.get("stored")),
        "owner": facts.get("owner"),
        "extensions": [name for name in extensions if name in there],
    }


def goal(name, extensions):
    """Return the state to reach."""
    return {"role": True, "password": True, "owner": name, "extensions": list(extensions)}


def statements(name, password, before, after):
    """Return the statements that lead from one state to the other."""
    lines = []
    if not before["role"] or not before["password"]:
        missing = f"SELECT NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{name}') AS missing \\gset"  # noqa: S608 - as above
        lines.append(f"{missing}\n\\if :missing\nCREATE ROLE {name};\n\\endif")
        lines.append(f"ALTER ROLE {name} LOGIN PASSWORD '{scram(password, os.urandom(16))}';")
    if before["owner"] is None:
        lines.append(f"CREATE DATABASE {name} OWNER {name} ENCODING 'UTF8' TEMPLATE template0;")
        lines.append(f"REVOKE ALL ON DATABASE {name} FROM PUBLIC;")
    elif before["owner"] != after["owner"]:
        lines.append(f"ALTER DATABASE {name} OWNER TO {name};")
    missing = [extension for extension in after["extensions"] if extension not in before["extensions"]]
    if missing:
        lines.append(f"\\connect {name}")
    lines += [f'CREATE EXTENSION IF NOT EXISTS "{extension}";' for extension in missing]
    return "\n".join(lines) + "\n"
