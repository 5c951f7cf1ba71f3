# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The errors that modules expect; private to the collection."""

from __future__ import annotations


class PswModuleError(Exception):
    """An expected error: its text is the whole message, and the module's door turns it into fail_json."""
