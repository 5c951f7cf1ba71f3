# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write files whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import tempfile
from pathlib import Path

from ansible_collections.psw.ai.plugins.plugin_utils._errors import PswError

NEW = 0o644  # the mode of a new file
WHAT_TO_DO = {
    errno.ENOSPC: "the disk is full: make room, then run the command again",
    errno.EDQUOT: "your disk quota is used up: make room, then run the command again",
    errno.EFBIG: "the file is larger than this process may write (ulimit -f)",
    errno.EROFS: "the file system is read-only",
    errno.EACCES: "you may not write there",
    errno.EPERM: "you may not write there",
}


def write_atomic(path: str | os.PathLike[str], text: str, mode: int | None = None) -> None:
    """Replace the file by ``text`` in one step; whatever fails, the old file stays whole and nothing else is left behind.

    Without a ``mode`` a file keeps the one it has.
    """
    path = Path(path)
    real = Path(os.path.realpath(path))  # a link keeps pointing at the file it names, which is the one to replace
    temporary = ""
    try:
        real.parent.mkdir(parents=True, exist_ok=True)
        if mode is None:
            mode = stat.S_IMODE(real.stat().st_mode) if real.exists() else NEW
        handle, temporary = tempfile.mkstemp(dir=real.parent, prefix=f".{path.name}.", suffix=".tmp")
        with os.fdopen(handle, "wb") as stream:
            stream.write(text.encode())
            stream.flush()
            os.fchmod(stream.fileno(), mode)
            os.fsync(stream.fileno())
        Path(temporary).replace(real)
        temporary = ""
        sync_directory(real.parent)
    except OSError as exc:
        raise not_written(path, exc) from exc
    finally:
        if temporary:
            with contextlib.suppress(OSError):
                Path(temporary).unlink()


def forget_unfinished(path: Path) -> None:
    """Remove what a killed psw was writing in place of this file; the caller sees to it that no other psw is at it now."""
    for left in path.parent.glob(f".{path.stem}.*.tmp"):
        left.unlink(missing_ok=True)


def read_text(path: Path, error: type[PswError] = PswError) -> str:
    """Return the text of a file; one that cannot be read is an error of the kind asked for."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as exc:
        raise error(f"{shown(path)} is not a text file in UTF-8") from exc
    except OSError as exc:
        raise error(f"cannot read {shown(path)}: {(exc.strerror or str(exc)).lower()}") from exc


def sync_directory(path: Path) -> None:
    """Make a rename in this directory last through a power cut."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def not_written(path: Path, exc: OSError) -> PswError:
    """Return the error that says which file could not be written, why, and that it is as it was."""
    reason = WHAT_TO_DO.get(exc.errno or 0, (exc.strerror or str(exc)).lower())
    return PswError(f"cannot write {shown(path)}, it is as it was", reason)


def located(path: str | os.PathLike[str], error: type[PswError] = PswError) -> Path:
    """Return the path in full, with ``~`` filled in."""
    try:
        return Path(path).expanduser().absolute()
    except FileNotFoundError as exc:
        raise error("the current directory is gone", "change to one that is there") from exc
    except RuntimeError as exc:  # a home that nobody has
        raise error(f"{path}: {str(exc).rstrip('.').lower()}") from exc


def shown(path: str | os.PathLike[str]) -> str:
    """Return the path as the user would name it: relative when it lies below the current directory."""
    try:
        return str(Path(path).relative_to(Path.cwd()))
    except (ValueError, OSError):
        return str(path)
