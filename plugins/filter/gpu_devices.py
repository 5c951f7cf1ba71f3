# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter from a node's GPU record to a container's devices: a door to plugin_utils/_passthrough.py."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ansible.errors import AnsibleFilterError
from ansible_collections.psw.ai.plugins.plugin_utils._errors import PswError
from ansible_collections.psw.ai.plugins.plugin_utils._passthrough import gpu_devices

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping


def gpu_devices_filter(record: Mapping[str, Any] | None, node: str = "the node", addresses: Collection[str] | None = None) -> list[dict[str, Any]]:
    """Return the devices, or say what is wrong with the record."""
    try:
        return gpu_devices(record, node, addresses)
    except PswError as exc:
        raise AnsibleFilterError(f"psw.ai.gpu_devices: {exc}") from exc


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters of this file."""
        return {"gpu_devices": gpu_devices_filter}
