# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sends the module of this name as one program; its documentation is in plugins/modules/gpu_recorded.py."""

from __future__ import annotations

from ansible_collections.psw.ai.plugins.modules import gpu_recorded
from ansible_collections.psw.ai.plugins.plugin_utils._remote import RemoteAction


class ActionModule(RemoteAction):
    module = gpu_recorded
