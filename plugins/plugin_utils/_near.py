# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Near matches, for errors that help with a typing mistake."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def near(wrong: object, known: Iterable[str]) -> str:
    """Return the known name that ``wrong`` most likely means, or an empty string."""
    found = difflib.get_close_matches(str(wrong).lower(), list(known), n=1, cutoff=0.6)
    return found[0] if found else ""


def unknown(what: str, wrong: object, known: Iterable[str]) -> str:
    """Say that there is no ``what`` called ``wrong``: with the near match if there is one, else with all that exist."""
    names = sorted(known)
    guess = near(wrong, names)
    if guess:
        return f"no {what} called {str(wrong)!r}, did you mean {guess!r}?"
    return f"no {what} called {str(wrong)!r}; there is {', '.join(names) or 'none'}"
