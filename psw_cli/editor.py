# SPDX-License-Identifier: GPL-3.0-or-later
"""Let a person edit a secret text, which lies in memory only and is gone afterwards, whatever happens to psw."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from ansible_collections.psw.ai.plugins.plugin_utils._errors import PswError, Refusal
from ansible_collections.psw.ai.plugins.plugin_utils._lock import HELD
from ansible_collections.psw.ai.plugins.plugin_utils._sops import leave_no_core

if TYPE_CHECKING:
    from collections.abc import Iterator

MOUNTS = Path("/proc/self/mountinfo")
IN_MEMORY = ("tmpfs", "ramfs")
PREFIX = "psw-secrets-"
# Waits for psw to end, however that happens (the pipe closes), and takes the directory away.
GUARD = 'cat >/dev/null; rm -rf -- "$1"'
STDERR = 2  # stdout is for the result
EDITORS = ("vim", "nano", "vi")
# vim keeps copies of what it edits in several places of its user's home; the last word on that is ours.
VIM = ("-n", "-i", "NONE", "-c", "set nobackup nowritebackup noundofile")


@contextmanager
def private_directory() -> Iterator[Path]:
    """Give a directory that lies in memory and is closed to others; it goes when psw ends, also when psw is killed."""
    leave_no_core()
    parent = _memory()
    for old in parent.glob(f"{PREFIX}*"):
        # Only after the machine itself was stopped in the middle, or the guard was killed too.
        with suppress(FileNotFoundError):
            if old.lstat().st_uid == os.getuid() and not Path("/proc", old.name.removeprefix(PREFIX).split("-")[0]).exists():
                shutil.rmtree(old, ignore_errors=True)
    path = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-", dir=parent))  # mode 0700
    guard = subprocess.Popen(
        ["sh", "-c", GUARD, "sh", path],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # neither Ctrl-C nor a closed terminal reaches it
    )
    try:
        yield path
    finally:
        guard.communicate()
        shutil.rmtree(path, ignore_errors=True)  # should somebody have killed the guard


def edit(file: Path) -> None:
    """Open the user's editor on the file and wait for it."""
    command = _command()
    # What the editor keeps for itself (swap, undo, history) goes where the text lies.
    environment = {**os.environ, "TMPDIR": str(file.parent), "XDG_STATE_HOME": str(file.parent)}
    environment.pop(HELD, None)  # a psw that is started from the editor is another one
    before = signal.signal(signal.SIGINT, lambda *_: None)  # Ctrl-C is the editor's
    try:
        done = subprocess.run([*command, file], env=environment, stdout=STDERR, check=False)
    except OSError as exc:
        raise PswError(f"cannot start the editor {command[0]}: {(exc.strerror or str(exc)).lower()}", "name one in EDITOR") from exc
    finally:
        signal.signal(signal.SIGINT, before)
    if done.returncode:
        raise PswError(f"the editor {command[0]} ended with exit code {done.returncode}; nothing was written")


def _command() -> list[str]:
    named = next((value for name in ("SOPS_EDITOR", "VISUAL", "EDITOR") if (value := os.environ.get(name, "").strip())), "")
    command = shlex.split(named) or [editor for editor in EDITORS if shutil.which(editor)][:1]
    if not command:
        raise PswError("there is no editor", "name one in EDITOR, or change one secret with: psw secrets set APP.NAME")
    program = Path(shutil.which(command[0]) or command[0]).resolve().name
    return [command[0], *VIM, *command[1:]] if re.match("n?vim", program) else command


def _memory() -> Path:
    """Return a directory whose files never reach a disk."""
    tried = [Path(path) for path in (os.environ.get("XDG_RUNTIME_DIR"), "/dev/shm") if path]  # noqa: S108 - the point is that it lies in memory
    for path in tried:
        if path.is_dir() and os.access(path, os.W_OK) and _file_system(path.resolve()) in IN_MEMORY:
            return path
    raise Refusal(
        "no_memory_directory",
        f"psw shows secrets to an editor in memory only, and this machine offers no such place (looked at {', '.join(map(str, tried))})",
        "change one secret at a time with: psw secrets set APP.NAME",
    )


def _file_system(path: Path) -> str:
    """Return the type of the file system that a path is on."""
    found = ("", "")
    if MOUNTS.exists():
        for line in MOUNTS.read_text(encoding="utf-8").splitlines():
            mount, _, source = line.partition(" - ")
            place = mount.split()[4].replace("\\040", " ")
            if path.is_relative_to(place) and len(place) >= len(found[0]):
                found = (place, source.split()[0])
    return found[1]
