# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Other programs: run one or several at once, and fail in one clear line; private to the collection."""

from __future__ import annotations

import os
import subprocess
import threading
from typing import NamedTuple

from ansible_collections.psw.ai.plugins.module_utils._errors import PswModuleError


class Done(NamedTuple):
    """How a program ended and what it said."""

    rc: int
    out: str
    err: str


# Programs must answer in the language the parsers know, and never wait for somebody at a terminal.
_ENVIRONMENT = {"LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"}
_LAST_LINES = 8


def last_lines(text, count=_LAST_LINES):
    """Return the last lines that are not empty, joined."""
    return "\n".join([line for line in text.splitlines() if line.strip()][-count:])


def start(argv, stdin=None, env=None):
    """Start a program that nobody talks to at a terminal, and return its process."""
    try:
        return subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=dict(os.environ, **_ENVIRONMENT, **(env or {})),
        )
    except OSError as exc:
        raise PswModuleError(f"{argv[0]} cannot be run: {exc.strerror}") from exc


def finish(process, stdin=None, timeout=None):
    """Wait for a program to end, and return what it said."""
    try:
        out, err = process.communicate(None if stdin is None else stdin.encode("utf-8", "surrogateescape"), timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        return Done(124, "", f"no answer within {timeout} s")
    return Done(process.returncode, out.decode("utf-8", "replace"), err.decode("utf-8", "replace"))


def run(argv, *, stdin=None, check=True, timeout=None, doing=None, env=None):  # noqa: PLR0913 - one door for every program
    """Run one program; a failure names what was being done and quotes the last lines the program said."""
    done = finish(start(argv, stdin, env), stdin, timeout)
    if check and done.rc != 0:
        what = doing or " ".join(argv[:3])
        raise PswModuleError(f"{what} failed (exit code {done.rc}): {last_lines(done.err or done.out)}")
    return done


def run_together(*argvs):
    """Run several readers at the same time and return what each said, in order; nobody reads their exit codes but the caller."""
    processes = [start(argv, None) if argv else None for argv in argvs]
    return [finish(process) if process else Done(0, "", "") for process in processes]


def both(first, second):
    """Return what two functions return that mostly wait for programs, called at the same time; an error of either is raised once both have ended."""
    told = {}

    def call():
        try:
            told["found"] = first()
        except BaseException as exc:  # noqa: BLE001 - it is raised below, where somebody hears it
            told["error"] = exc

    thread = threading.Thread(target=call)
    thread.start()
    try:
        found = second()
    finally:
        thread.join()
    if "error" in told:
        raise told["error"]
    return told["found"], found
