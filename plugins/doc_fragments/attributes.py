# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One vocabulary for what the modules of this collection support."""

from __future__ import annotations


class ModuleDocFragment:
    """Attributes of every module; a module states its support and adds details where the fragment says nothing."""

    DOCUMENTATION = r"""
options: {}
attributes:
  check_mode:
    description: Can run in check mode and return the changed status it would have without changing the target.
  diff_mode:
    description: Returns what has changed, or would change, in diff mode.
  idempotent:
    description: Run twice in a row with the same options, the second run reports no change.
"""
