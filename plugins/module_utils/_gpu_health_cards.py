# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What became of the recorded cards. Pure comparisons; private to the collection."""

from __future__ import annotations

from ansible_collections.psw.ai.plugins.module_utils._finding import finding
from ansible_collections.psw.ai.plugins.module_utils._gpu_words import refusal

# Where one of these holds, nothing more can be asked of the driver.
LOST = {"card_gone", "card_replaced", "card_given_away"}


def label(gpu):
    """Return how people call a card."""
    return f"{gpu.get('name') or gpu.get('id') or 'the GPU'} ({gpu['address']})"


def is_same(known, now):
    """Tell whether a card that was found is of the recorded kind; a record without an id fits any."""
    return known.get("id") in (None, now["id"])


def own_devices(record, gpus):
    """Return {address: (recorded, present)} device nodes of the cards that the kernel calls otherwise than recorded."""
    there = {gpu["address"]: gpu for gpu in gpus}
    found = {}
    for known in record["gpus"]:
        now = there.get(known["address"])
        if now and is_same(known, now) and known.get("devices") and now.get("devices") and sorted(known["devices"]) != sorted(now["devices"]):
            found[known["address"]] = (known["devices"], now["devices"])
    return found


def renamed(record, gpus, heal):
    """Return the cards that the kernel calls otherwise than recorded."""
    names = {gpu["address"]: label(gpu) for gpu in record["gpus"]}
    return [
        finding(
            "card_renamed",
            f"{names[address]} is {', '.join(now)} now, and {', '.join(known)} is recorded; after recording that, run: psw deploy converge",
            heal,
        )
        for address, (known, now) in own_devices(record, gpus).items()
    ]


def _is_taken(gpu):
    return gpu["vms"] or gpu["vfio"]


def _of_one(known, now, strangers, heal):
    """Return what became of one recorded card; a stranger of its kind is taken for it."""
    if now and is_same(known, now):
        return finding("card_given_away", " ".join(refusal({**now, "reason": "vfio_bound"}, 0)), heal) if _is_taken(now) else None
    moved = next((gpu for gpu in strangers if known.get("id") == gpu["id"]), None)
    if moved:
        strangers.remove(moved)
        return finding("card_moved", f"{label(known)} is at {moved['address']} now; after recording that, run: psw deploy converge", heal)
    if now:
        return finding("card_replaced", f"where {label(known)} was recorded, there is {now['name']} ({now['id']}) now", heal)
    advice = "Look whether it is seated and powered, and whether lspci shows it; if it was taken out on purpose, set the node up again"
    return finding("card_gone", f"{label(known)} is no longer on the PCI bus. {advice}", heal)


def cards(record, gpus, heal):
    """Return what became of the recorded cards, and cards of their kind that no app uses."""
    there, recorded = {gpu["address"]: gpu for gpu in gpus}, {gpu["address"] for gpu in record["gpus"]}
    strangers = [gpu for gpu in gpus if gpu["address"] not in recorded and gpu["vendor"] == record["vendor"]]
    found = [_of_one(known, there.get(known["address"]), strangers, heal) for known in record["gpus"]]
    idle = [gpu for gpu in strangers if not _is_taken(gpu) and any(known.get("id") == gpu["id"] for known in record["gpus"])]
    found += [finding("card_unused", f"{label(gpu)} is of the recorded kind, but not recorded, so no app uses it", heal) for gpu in idle]
    return [each for each in found if each]
