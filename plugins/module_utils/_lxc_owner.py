# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which containers are ours: by tags, which survive what people do to names; pure, private to the collection."""

from __future__ import annotations

import re

from ansible_collections.psw.ai.plugins.module_utils._errors import ModuleRefusal

TAG = "psw"
# Says which of ours a container is, whatever somebody has called it since.
MARK = "psw."


def tags_for(hostname, more):
    """Return the tags of a container of ours, sorted."""
    return sorted({TAG, MARK + hostname.lower(), *more})


def split_tags(text):
    """Return the set of tags in Proxmox VE's list."""
    return {tag.lower() for tag in re.split(r"[;, ]+", str(text)) if tag}


def is_ours(row, hostname):
    """Tell whether a container is the one that psw knows as ``hostname``; without a mark its name counts."""
    tags = split_tags(row.get("tags", ""))
    marks = {tag for tag in tags if tag.startswith(MARK)}
    return TAG in tags and (MARK + hostname.lower() in marks if marks else row.get("name") == hostname)


def find(rows, hostname, vmid=None):
    """Return the row of the container that is ours under ``hostname``, or None; where a stranger is in the way, that is refused."""
    ours = [row for row in rows if is_ours(row, hostname)]
    # A copy made by hand carries the tags of its original, which keeps the name.
    named = [row for row in ours if row.get("name") == hostname]
    found = (named or ours) if len(named or ours) == 1 else []
    if ours and not found:
        numbers = ", ".join(sorted(str(row["vmid"]) for row in named or ours))
        raise ModuleRefusal(
            "ambiguous", "containers %s are all %s to go by their tags" % (numbers, hostname), "remove the tags from all but one, or destroy them"
        )
    if found and vmid and int(found[0]["vmid"]) != vmid:
        raise ModuleRefusal(
            "vmid_fixed", "%s is container %s, not %d" % (hostname, found[0]["vmid"], vmid), "a container's number cannot be changed: plan the one it has"
        )
    for row in rows:
        in_the_way = (row.get("name") == hostname and not named) or (vmid and int(row["vmid"]) == vmid and not found)
        if in_the_way and TAG not in split_tags(row.get("tags", "")):
            raise ModuleRefusal(
                "not_ours",
                "container %s (%s) is not tagged %s, so it belongs to someone else and stays untouched" % (row["vmid"], row.get("name"), TAG),
                "rename it, or choose another name or number",
            )
    return found[0] if found else None


def refuse_elsewhere(rows, hostname, node):
    """Refuse to go on without a container of ours that is on another node of the cluster: psw moves none."""
    for row in rows:
        if row.get("node") != node and is_ours(row, hostname):
            raise ModuleRefusal(
                "on_another_node",
                "%s is container %s on node %s already" % (hostname, row["vmid"], row["node"]),
                "plan it there (targets.%s.node in psw.yml), migrate it (pct migrate), or destroy it first" % hostname,
            )


def refuse_taken(rows, vmid):
    """Refuse a number that a guest somewhere in the cluster has: they share their numbers."""
    for row in rows:
        if vmid and int(row["vmid"]) == vmid:
            what = "VM" if row.get("type") == "qemu" else "container"
            raise ModuleRefusal(
                "vmid_taken",
                "number %d is taken by the %s %s on node %s" % (vmid, what, row.get("name"), row.get("node")),
                "choose another number, or leave it out and get the next free one",
            )
