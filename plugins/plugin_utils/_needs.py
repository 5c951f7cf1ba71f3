# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What apps need, one by one and together on a target."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ansible_collections.psw.ai.plugins.plugin_utils._catalog import Catalog

# What a target costs before the first app: Debian and podman, and on a GPU target the vendor's userspace.
BASE = {"gpu": {"memory_mib": 512, "rootfs_gib": 8}, "core": {"memory_mib": 512, "rootfs_gib": 4}}
ROOM = {"memory_mib": "MiB of memory", "rootfs_gib": "GiB of disk"}  # what targets share on a node
UNITS = {"vram_mib": "MiB of GPU memory", **ROOM}
QUOTA_GIB = 100  # of a dataset, unless apps want more
_GIB = {"M": 1 / 1024, "G": 1, "T": 1024}


def of_app(app: str, catalog: Catalog) -> Counter[str]:
    """Return what an app adds to a target."""
    resources = catalog.app(app)["resources"]
    return Counter({"vram_mib": resources.get("vram_mib", 0), "memory_mib": resources["memory_mib"], "rootfs_gib": resources["disk_gib"]})


def together(apps: Iterable[str], catalog: Catalog) -> Counter[str]:
    """Return what apps add to a target together."""
    return sum((of_app(app, catalog) for app in apps), Counter[str]())


def size(kind: str, needs: Mapping[str, int], told: Mapping[str, Any]) -> dict[str, int]:
    """Return the memory and disk of a target: what the user says, else what its apps need."""
    return {key: told.get(key, BASE[kind][key] + needs[key]) for key in ROOM}


def datasets(apps: Iterable[str], catalog: Catalog, storage: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return the datasets of a target; the quota is the user's, or grows with what the apps want."""
    entries = [catalog.app(app) for app in apps]
    classes = sorted({name for entry in entries for name in entry.get("datasets", {}).values()})
    return {name: {**storage[name], "quota": storage[name].get("quota") or f"{max(QUOTA_GIB, wanted_gib(apps, catalog, name))}G"} for name in classes}


def wanted_gib(apps: Iterable[str], catalog: Catalog, storage_class: str) -> int:
    """Return how much apps want of a storage class."""
    return sum(int(catalog.app(app).get("dataset_gib", {}).get(storage_class, 0)) for app in apps)


def gib(quota: str) -> float:
    """Return a quota such as 100G in GiB."""
    return int(quota[:-1]) * _GIB[quota[-1]]
