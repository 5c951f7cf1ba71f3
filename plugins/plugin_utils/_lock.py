# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One psw at a time in a project; the second waits, or says who is at work."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ansible_collections.psw.ai.plugins.plugin_utils._errors import LockError
from ansible_collections.psw.ai.plugins.plugin_utils._files import not_written, shown

if TYPE_CHECKING:
    import io
    from collections.abc import Callable, Iterator

# A psw tells the ansible-playbook it starts that the lock is already theirs, so that the child does not wait for its parent.
HELD = "PSW_LOCK_HELD"
PAUSE = 0.1


@contextlib.contextmanager
def project_lock(
    path: Path,
    wait: float = 0.0,
    command: str = "",
    on_wait: Callable[[str], None] | None = None,
) -> Iterator[None]:
    """Hold the project's lock; wait up to ``wait`` seconds for another psw, telling ``on_wait`` once who that is."""
    lock = state_directory(path) / "lock"
    if _held_for_us(lock):
        yield
        return
    with _opened(lock) as stream:
        _acquire(stream, lock, wait, on_wait)
        _sign(stream, {"pid": os.getpid(), "command": command or _command_line(), "since": time.strftime("%H:%M:%S")})
        before = os.environ.get(HELD)
        os.environ[HELD] = str(os.getpid())
        try:
            yield
        finally:
            os.environ.pop(HELD, None)
            if before is not None:
                os.environ[HELD] = before
            _sign(stream, None)


@contextlib.contextmanager
def mutex(path: Path, name: str) -> Iterator[None]:
    """Keep the parallel workers of one run apart while one of them rewrites a file; waits as long as it takes."""
    with _opened(state_directory(path) / f"{name}.lock") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def state_directory(path: Path) -> Path:
    """Return the project's ``.psw`` directory, made if need be and closed to other users."""
    state = path / ".psw"
    try:
        state.mkdir(mode=0o700, exist_ok=True)
    except OSError as exc:
        raise not_written(state, exc) from exc
    return state


def _opened(lock: Path) -> io.FileIO:
    try:
        return lock.open("a+b", buffering=0)
    except OSError as exc:
        raise not_written(lock, exc) from exc


def _acquire(stream: Any, lock: Path, wait: float, on_wait: Callable[[str], None] | None) -> None:
    deadline = time.monotonic() + wait
    told = False
    while True:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            who = _describe(_holder(lock))
            if time.monotonic() >= deadline:
                raise LockError(
                    f"another psw is at work in {shown(lock.parent.parent)}: {who}",
                    "wait until it is done, or let psw wait with --lock-timeout SECONDS",
                ) from None
            if on_wait and not told:
                on_wait(who)
                told = True
            time.sleep(PAUSE)
        else:
            return


def _sign(stream: Any, holder: dict[str, Any] | None) -> None:
    """Note who holds the lock; on a full disk it is held without a name."""
    with contextlib.suppress(OSError):
        stream.truncate(0)
        if holder:
            stream.write(json.dumps(holder).encode())


def _held_for_us(lock: Path) -> bool:
    """Say whether the psw that started this process holds the lock: it named itself, and the lock is really taken by it."""
    pid = os.environ.get(HELD, "")
    if not pid or str(_holder(lock).get("pid")) != pid:
        return False
    with _opened(lock) as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _holder(lock: Path) -> dict[str, Any]:
    try:
        holder = json.loads(lock.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return holder if isinstance(holder, dict) else {}


def _describe(holder: dict[str, Any]) -> str:
    if not holder:
        return "one that has not said who it is"
    return f"{holder.get('command')} (pid {holder.get('pid')}, since {holder.get('since')})"


def _command_line() -> str:
    return " ".join([Path(sys.argv[0]).name, *sys.argv[1:]]).strip()
