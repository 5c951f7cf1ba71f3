# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The name that somebody may have meant; private to the collection."""

from __future__ import annotations

import difflib


def meant(name, known):
    """Return ``did you mean NAME? `` for the one that comes near, or nothing."""
    near = difflib.get_close_matches(name, list(known), n=1)
    return "did you mean %s? " % near[0] if near else ""
