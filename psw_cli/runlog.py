# SPDX-License-Identifier: GPL-3.0-or-later
"""The log that each run leaves in ``.psw/runs/``, readable by its owner alone and free of secrets."""

from __future__ import annotations

import contextlib
import os
import time
from typing import TYPE_CHECKING

from ansible_collections.psw.ai.plugins.plugin_utils._files import not_written, shown

from psw_cli.events import COLOUR
from psw_cli.output import say

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType
    from typing import Self

    from psw_cli.scrub import Scrubber

KEPT = 100


class RunLog:
    """One run's log; lines are written as they come, so that a killed psw leaves one too."""

    def __init__(self, project: Path, verb: str, scrubber: Scrubber) -> None:
        self.path = _free(project / ".psw" / "runs", verb)
        self.scrubber = scrubber
        self.broken = False
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._stream = os.fdopen(os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8", errors="backslashreplace")
        except OSError as exc:
            raise not_written(self.path, exc) from exc
        _prune(self.path.parent)

    @property
    def name(self) -> str:
        """The log's path as the user would give it."""
        return shown(self.path)

    def write(self, text: str) -> None:
        """Add lines, without colours and secrets; a disk that fills up ends the log, not the run."""
        if self.broken:
            return
        try:
            self._stream.write(self.scrubber(COLOUR.sub("", text).replace("\r\n", "\n")) + "\n")
            self._stream.flush()
        except OSError as exc:
            self.broken = True
            say(f"the log {self.name} ends here: {(exc.strerror or str(exc)).lower()}")

    def rescrub(self) -> None:
        """Go over the whole log again, for secrets that were made after the run began."""
        text = self.path.read_text(encoding="utf-8")
        clean = self.scrubber(text)
        if clean == text:
            return
        try:
            self.path.write_text(clean, encoding="utf-8")
        except OSError as exc:
            self.path.unlink()
            say(f"the log {self.name} is deleted, since secrets could not be taken out of it: {(exc.strerror or str(exc)).lower()}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _kind: type[BaseException] | None, _exc: BaseException | None, _trace: TracebackType | None) -> None:
        with contextlib.suppress(OSError):
            self._stream.close()


def _free(directory: Path, verb: str) -> Path:
    """Return a name that sorts by time and is not taken."""
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    path, number = directory / f"{stamp}-{verb}.log", 1
    while path.exists():
        number += 1
        path = directory / f"{stamp}-{verb}-{number}.log"
    return path


def _prune(directory: Path) -> None:
    for old in sorted(directory.glob("*.log"))[:-KEPT]:
        old.unlink(missing_ok=True)
