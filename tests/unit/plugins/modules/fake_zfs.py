# SPDX-License-Identifier: GPL-3.0-or-later
"""A host's zfs and zpool for unit tests, as functions of a state."""

from __future__ import annotations

import json
import re

UNITS = {"K": 1024, "M": 1024**2, "G": 1024**3}


def exact(name, value):
    """Return a property as ``zfs get -p`` prints it."""
    found = re.match(r"^(\d+)([KMG])$", value)
    return str(int(found[1]) * UNITS[found[2]]) if found and name in {"recordsize", "quota"} else value


def zfs(state, argv):
    datasets = state["datasets"]
    if argv[0] == "list":
        return "".join(f"{name}\t{state['free']}\n" for name in datasets)
    if argv[0] == "get":
        properties = {"quota": "0", "used": "24576", "mounted": "no", "compression": "on", "atime": "on", "recordsize": "131072", **datasets[argv[-1]]}
        return "".join(f"{name}\t{properties.get(name, '-')}\n" for name in argv[-2].split(","))
    if argv[0] == "create":
        datasets[argv[-1]] = {"mounted": "yes"}
    pairs = dict(word.split("=", 1) for word in argv if "=" in word)
    datasets[argv[-1]].update({name: exact(name, value) for name, value in pairs.items()})
    if argv[0] == "mount":
        datasets[argv[-1]]["mounted"] = "yes"
    return ""


def run(state, argv):
    """Run one of the programs on the state; return what a process would."""
    state["calls"].append(" ".join(argv))
    return 0, zfs(state, argv[1:]) if argv[0] == "zfs" else json.dumps(state["status"]), ""
