# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One run at a time for one thing on a machine: what a killed psw started goes on here, and must be through first; private to the collection."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time

from ansible_collections.psw.ai.plugins.module_utils._errors import PswModuleError

_FOLDER = "/run/psw"
_PAUSE = 0.2


@contextlib.contextmanager
def one_at_a_time(name, limit=900, folder=_FOLDER):
    """Hold the lock of this name; wait for whoever holds it, and name that process when the limit is over."""
    os.makedirs(folder, mode=0o700, exist_ok=True)
    with open(os.path.join(folder, name + ".lock"), "a+", encoding="utf-8") as stream:
        end = time.monotonic() + limit
        while not _taken(stream):
            if time.monotonic() >= end:
                stream.seek(0)
                raise PswModuleError(f"process {stream.read().strip()} of an earlier run still works on {name} after {limit} s; let it end, or end it")
            time.sleep(_PAUSE)
        stream.truncate(0)
        stream.write(f"{os.getpid()}\n")
        stream.flush()
        yield


def _taken(stream):
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
