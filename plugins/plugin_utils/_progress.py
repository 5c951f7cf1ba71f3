# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tell how far a module is while it works, as it says in a file of its machine (``module_utils/_progress.py``)."""

from __future__ import annotations

import copy
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ansible.errors import AnsibleError
from ansible.utils.display import Display
from ansible_collections.psw.ai.plugins.module_utils import _progress

if TYPE_CHECKING:
    from collections.abc import Iterator

EVERY = 5.0  # seconds; a module that is done before is not looked after
ENDED = "ended"  # in place of how far, once the module goes on with something that it tells nothing of


@contextmanager
def followed(connection: Any, host: str) -> Iterator[None]:
    """Show what the module says of its progress as a line of Ansible's output, ``[host] what and how far``, when it has changed."""
    over = threading.Event()
    # A copy, since a connection remembers things of the command it is just running.
    thread = threading.Thread(target=_follow, args=(copy.copy(connection), host, over), daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _follow(connection: Any, host: str, over: threading.Event) -> None:
    last = ""
    while not over.wait(EVERY):
        try:
            code, said, _errors = connection.exec_command(f"cat {_progress.PATH}", sudoable=False)
        except AnsibleError:
            return  # whatever is wrong with the connection, the module's own call tells it
        text = said.decode("utf-8", "replace").strip() if code == 0 else ""
        if text != last:
            Display().display(f"[{host}] {text or last.rpartition(': ')[0] + ': ' + ENDED}")
            last = text
