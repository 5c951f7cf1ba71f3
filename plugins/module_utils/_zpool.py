# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which ZFS pool a dataset belongs on; pure, private to the collection."""

from __future__ import annotations

import re

from ansible_collections.psw.ai.plugins.module_utils._errors import ModuleRefusal, PswModuleError
from ansible_collections.psw.ai.plugins.module_utils._near_names import meant

GIB = 1024**3
# Where data is written to; log, cache and spare devices hold none.
DATA_GROUPS = ("vdevs", "special", "dedup")
USABLE = ("ONLINE", "DEGRADED")
UNITS = {"": 1, "K": 1024, "M": 1024**2, "G": GIB, "T": 1024**4, "P": 1024**5}


def parse_size(text):
    """Return the bytes in a size as people and ZFS write it, such as ``100G``."""
    found = re.match(r"^(\d+(?:\.\d+)?)([KMGTP]?)(?:i?B)?$", str(text), re.IGNORECASE)
    if not found:
        raise PswModuleError("%r is not a size such as 100G" % text)
    return int(float(found.group(1)) * UNITS[found.group(2).upper()])


def show_size(size):
    """Return a size in GiB, as ZFS understands it."""
    return "%dG" % (size // GIB) if size >= GIB else "%dM" % (size // UNITS["M"])


def read_pools(status, available, disk_of):
    """Return the pools in ``zpool status -j -P -L``, with the free bytes of their root datasets and what each leaf lies on.

    ``disk_of`` turns a leaf's path into the dict of _disks.describe.
    """
    pools = []
    for name in sorted(status.get("pools", {})):
        pool = status["pools"][name]
        leaves = sorted(path for group in DATA_GROUPS for top in pool.get(group, {}).values() for path in _leaves(top))
        pools.append({"name": name, "state": pool["state"], "free": available.get(name, 0), "disks": [disk_of(path) for path in leaves]})
    return pools


def choose(pools, wanted, need, others=list):
    """Return the pool to use: the wanted one, or with ``auto`` the fastest that is local NVMe throughout, online, and has ``need`` bytes free.

    The slowest disk decides how fast a pool is. Between equals it is not ``rpool``, which holds the system, then the one with more room,
    then the first by name. ``others`` returns phrases on storages that are no pools; it is asked only where somebody may look for them.
    """
    if wanted != "auto":
        return _named(pools, wanted, need, others)
    fit = [pool for pool in pools if not unfit(pool, need)]
    if fit:
        return min(fit, key=_rank)
    raise ModuleRefusal(
        "no_pool",
        "no ZFS pool on this node is local NVMe throughout, online and has %s free; seen: %s" % (show_size(need), _seen(pools, need, others)),
        "in psw.yml name a pool to use it anyway (storage.models.pool), name a local storage instead (storage.models.storage),"
        " or ask for less (storage.models.quota)",
    )


def _rank(pool):
    return -speed(pool), pool["name"] == "rpool", -pool["free"], pool["name"]


def facts(pools):
    """Return what a plan may want to know of the pools, the one that is chosen first at the top."""
    fit = sorted((pool for pool in pools if not unfit(pool, 0)), key=_rank)
    rest = [pool for pool in pools if pool not in fit]
    return [
        {
            "name": pool["name"],
            "suitable": pool in fit,
            "reason": unfit(pool, 0) or "ok",
            "link": speed(pool) if pool in fit else None,
            "free_gib": pool["free"] // GIB,
        }
        for pool in fit + rest
    ]


def unfit(pool, need):
    """Return why a pool is not chosen by itself, or None."""
    if pool["state"] != "ONLINE":
        return "is %s" % pool["state"]
    odd = [disk for disk in pool["disks"] if disk["kind"] != "nvme"]
    if odd or not pool["disks"]:
        return "lies on " + (", ".join("%s (%s)" % (disk["name"], disk["kind"]) for disk in odd) or "nothing that could be found")
    return _no_room(pool, need)


def speed(pool):
    """Return how fast the pool's slowest disk is connected, in GT/s times lanes."""
    return min(disk["speed"] for disk in pool["disks"])


def _named(pools, wanted, need, others):
    pool = next((pool for pool in pools if pool["name"] == wanted), None)
    if pool is None:
        raise ModuleRefusal(
            "pool_unfit",
            "there is no ZFS pool %s on this node; seen: %s" % (wanted, _seen(pools, need, others)),
            "%sname a pool that is there, or auto (storage.models.pool in psw.yml)" % meant(wanted, [pool["name"] for pool in pools]),
        )
    far = [disk["name"] for disk in pool["disks"] if disk["kind"] == "network"]
    reason = "lies on network storage (%s)" % ", ".join(far) if far else _no_room(pool, need)
    if pool["state"] not in USABLE:
        reason = "is %s" % pool["state"]
    if reason:
        raise ModuleRefusal(
            "pool_unfit",
            "pool %s %s; seen: %s" % (wanted, reason, _seen(pools, need, others)),
            "name another pool (storage.models.pool in psw.yml), or ask for less (storage.models.quota)",
        )
    return pool


def _no_room(pool, need):
    return "has %s free of the %s needed" % (show_size(pool["free"]), show_size(need)) if pool["free"] < need else None


def _seen(pools, need, others):
    return "; ".join([*("%s %s" % (pool["name"], unfit(pool, need) or "fits") for pool in pools), *others()]) or "none at all"


def _leaves(vdev):
    children = vdev.get("vdevs", {})
    if children:
        return [path for child in children.values() for path in _leaves(child)]
    return [vdev.get("path", vdev["name"])]
