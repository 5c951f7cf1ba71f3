# SPDX-License-Identifier: GPL-3.0-or-later
"""Open the project that a verb works on, alone in it where the verb changes something."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from ansible_collections.psw.ai.plugins.plugin_utils._lock import project_lock
from ansible_collections.psw.ai.plugins.plugin_utils._project import Project

from psw_cli.output import say

if TYPE_CHECKING:
    from collections.abc import Iterator

    from psw_cli.base import Settings


def opened(settings: Settings) -> Project:
    """Return the project, to look at."""
    return Project.open(settings.project)


@contextmanager
def alone(settings: Settings) -> Iterator[Project]:
    """Give the project to one psw at a time; it is read after the wait, since the other one may have changed it."""
    path = opened(settings).path
    with project_lock(path, settings.lock_timeout, on_wait=lambda who: say(f"waiting for {who}")):
        yield Project.open(path)
