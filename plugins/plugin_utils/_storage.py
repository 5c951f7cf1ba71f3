# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kinds of dataset that apps ask for, read from ``catalog/storage_classes.yml``."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from ansible_collections.psw.ai.plugins.plugin_utils import _yaml
from ansible_collections.psw.ai.plugins.plugin_utils._catalog import ROOT
from ansible_collections.psw.ai.plugins.plugin_utils._errors import CatalogError
from ansible_collections.psw.ai.plugins.plugin_utils._near import unknown

if TYPE_CHECKING:
    from pathlib import Path


def storage_class(name: str, root: Path = ROOT) -> dict[str, Any]:
    """Return one class: its dataset's name, where node and container see it, and the properties it has to have."""
    classes = _classes(root)
    if name not in classes:
        raise CatalogError(f"{unknown('storage class', name, classes)} (catalog/storage_classes.yml)")
    return classes[name]


@functools.cache
def _classes(root: Path) -> dict[str, dict[str, Any]]:
    classes: dict[str, dict[str, Any]] = _yaml.load(root / "storage_classes.yml", CatalogError).data["classes"]
    return classes
