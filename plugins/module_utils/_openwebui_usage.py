# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How old the keys are, when they were last used and how much, from Open WebUI's database and its audit log.

Open WebUI never notes the use of a key itself. It notes when an account was last active, and a service user does nothing but use its key; and the audit
log has a line per model call, with its tokens and without what was said. Like _openwebui_keys.py, this only runs inside the container.
"""

from __future__ import annotations

import contextlib
import glob
import io
import json
import os
import zipfile
import zlib

BROKEN_ZIP = (zipfile.BadZipFile, zlib.error, EOFError, IndexError, RuntimeError)  # as Python calls all the ways in which one can be
MARK = "psw-answer:"
EARLIER = 50  # files of the audit log that are read besides the current one, each of 10 MB and some 20000 lines
DATA = "/app/backend/data"  # as in _openwebui_glance.py
TIMES = 'SELECT u.email, k.created_at, u.last_active_at, u.created_at FROM "user" u JOIN api_key k ON k.user_id = u.id'

# In the first of 0.6 the key is a column of the account, and nothing tells when it was made.
TIMES_IN_ROW = 'SELECT email, NULL, last_active_at, created_at FROM "user" WHERE api_key IS NOT NULL'


def times(connection):
    """Return {email: when its key was made, and when it was last used} in seconds; an account is active when it is made, which is no use."""
    cursor = connection.cursor()
    try:
        cursor.execute(TIMES)
    except Exception:  # noqa: BLE001 - each database has its own error for a table that is not there
        connection.rollback()
        cursor.execute(TIMES_IN_ROW)
    return {email: {"created_at": made, "last_used_at": active if active and active > born else None} for email, made, active, born in cursor.fetchall()}


def logged(lines):
    """Return {email: requests and tokens} from lines of the audit log."""
    found = {}
    for line in lines:
        with contextlib.suppress(ValueError, LookupError, AttributeError, TypeError):
            entry = json.loads(line)
            counts = found.setdefault(entry["user"]["email"], {"requests": 0, "tokens": 0})
            if (entry.get("extra") or {}).get("event") == "model_usage":
                counts["tokens"] += int((entry.get("usage") or {}).get("total_tokens") or 0)
            elif "/chat/completions" in (entry.get("request_uri") or ""):
                counts["requests"] += 1
    return found


def audit_files(current):
    """Return the files of the audit log that are counted, in order of their age: Open WebUI zips each that it has filled, and removes none."""
    stem, ending = os.path.splitext(current)
    earlier = set(glob.glob(f"{glob.escape(stem)}.*{ending}"))
    zips = {file for file in glob.glob(f"{glob.escape(stem)}.*{ending}.zip") if file[: -len(".zip")] not in earlier}  # else it is not finished yet
    return [*sorted(earlier | zips)[-EARLIER:], current]


def lines_of(file):
    """Yield the lines of a file of the audit log, also of one that is zipped; one that went meanwhile or is broken has none."""
    with contextlib.suppress(OSError, *BROKEN_ZIP), contextlib.ExitStack() as opened:
        if file.endswith(".zip"):
            packed = opened.enter_context(zipfile.ZipFile(file))
            stream = io.TextIOWrapper(opened.enter_context(packed.open(packed.namelist()[0])), encoding="utf-8", errors="replace")
        else:
            stream = opened.enter_context(open(file, encoding="utf-8", errors="replace"))
        yield from stream


def audit_log(environment):
    """Yield the lines of the audit log, those of its older files first."""
    for file in audit_files(environment.get("AUDIT_LOGS_FILE_PATH") or f"{environment.get('DATA_DIR') or DATA}/audit.log"):
        yield from lines_of(file)


def main(database):
    """Return the answer as one marked line of JSON."""
    connection, _mark = database(os.environ)
    with contextlib.closing(connection):
        used = times(connection)
    counts = logged(audit_log(os.environ))
    nothing = {"requests": 0, "tokens": 0}
    return MARK + json.dumps({"usage": {email: {**when, **counts.get(email, nothing)} for email, when in used.items()}})
