# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What to do about the errors of Proxmox VE that have a cause outside psw; pure, private to the collection."""

from __future__ import annotations

import re

AGAIN = "then run this again"
# Its words, and the next step. The first that fits wins.
NEXT_STEPS = (
    (r"no quorum", "this node's cluster has no quorum, so nothing can be changed: bring its other nodes back (pvecm status), " + AGAIN),
    (r"CT is locked \(", "wait until what holds the lock is done (see the tasks of the container), %s; if nothing is at work: pct unlock NUMBER" % AGAIN),
    (r"can't lock file|got lock request timeout", "another task holds the lock: see the node's tasks, wait until it is done, " + AGAIN),
    (r"protection mode enabled", "somebody protected this container: pct set NUMBER --protection 0"),
    (r"does not (support container|allow content type)", "allow the content in Datacenter > Storage, or name another storage"),
    (r"storage '.*' (does not exist|is not (online|available))", "see pvesm status, and name a storage that is active"),
    (r"volume '.*' does not exist", "it was there a moment ago: see pveam list, " + AGAIN),
    (
        r"(?i)no space left|out of space|not enough (free )?space|insufficient|quota exceeded",
        "make room on the storage (pvesm status), or name another, " + AGAIN,
    ),
    (r"(VM|CT) \d+ already exists", "choose another number, or leave it out"),
    (r"bridge '.*' does not exist", "name a bridge that this node has: ip link show type bridge"),
    (r"startup for container", "see why: pct start NUMBER --debug"),
    (r"got timeout", "the node was too slow to answer: see what it is busy with, " + AGAIN),
)


def with_next_step(text):
    """Return Proxmox VE's words followed by what to do, where that is known."""
    step = next((step for pattern, step in NEXT_STEPS if re.search(pattern, text)), None)
    return "%s; %s" % (text, step) if step else text
