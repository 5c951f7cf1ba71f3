# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How far something long is, as one line in a file that whoever waits may look at; private to the collection.

A module can say nothing before its end. The controller reads this file meanwhile, and so can anybody on the machine.
"""

from __future__ import annotations

import contextlib
import os

PATH = "/run/psw/progress"


@contextlib.contextmanager
def told():
    """Give a function that tells how far things are, and take its word back at the end."""
    last = None

    def tell(text):
        nonlocal last
        if text != last:
            last = text
            _write(text)

    try:
        yield tell
    finally:
        forget()


def forget():
    """Take back the last word: a module that was killed leaves it, and the next one that may tell begins with this."""
    with contextlib.suppress(OSError):
        os.unlink(PATH)


def _write(text):
    with contextlib.suppress(OSError):  # a disk that is full is for the work itself to find
        os.makedirs(os.path.dirname(PATH), mode=0o700, exist_ok=True)
        with open(PATH + ".new", "w", encoding="utf-8") as file:
            file.write(text + "\n")
        os.replace(PATH + ".new", PATH)


def size(count):
    """Return bytes as people read them."""
    mib = count / (1 << 20)
    return f"{mib:.0f} MiB" if mib < 1000 else f"{mib / 1024:.1f} GiB"  # noqa: PLR2004 - four digits are no longer read at a glance


def share(done, total):
    """Return how much of the total there is, in whole per cent; only all of it is a hundred."""
    return f"{100 * done // total} % of {size(total)}" if total else size(done)
