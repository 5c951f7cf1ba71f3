# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where to read on: psw is installed without its docs."""

from __future__ import annotations

DOCUMENTATION = "https://github.com/psw-ai/psw/tree/main/docs"  # as in galaxy.yml, which not every installed collection has


def page(name: str) -> str:
    """Return the address of a page."""
    return f"{DOCUMENTATION}/{name}"
