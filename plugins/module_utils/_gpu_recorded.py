# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What stops a converge before it begins, because it goes by the record and would never put it right; private to the collection.

A look at a few files, as every converge takes it: what became of a card, and what is wrong with a driver, is for psw doctor to say. The
running kernel is not held against the record, as it may change with every update.
"""

from __future__ import annotations

import os

from ansible_collections.psw.ai.plugins.module_utils._errors import ModuleRefusal
from ansible_collections.psw.ai.plugins.module_utils._gpu_sysfs import read_text
from ansible_collections.psw.ai.plugins.module_utils._gpu_text import hex_number, parse_loaded


def _refuse_card(known, node, root):
    """Raise when a recorded card is not at its address; a record without an id fits any."""
    device = os.path.join(root, "sys/bus/pci/devices", known["address"])
    ids = [hex_number(read_text(os.path.join(device, name))) for name in ("vendor", "device")]
    if None not in ids and known.get("id") in (None, ":".join(ids)):
        return
    there = "nothing" if None in ids else f"another device ({':'.join(ids)})"
    raise ModuleRefusal(
        "card_gone",
        f"where {known.get('name') or known.get('id') or 'the GPU'} ({known['address']}) is recorded for {node}, there is {there}",
        f"psw doctor says what became of it; if it was moved or changed on purpose, run: psw node setup-gpu {node}",
    )


def _refuse_driver(wanted, node, root):
    """Raise when NVIDIA's loaded module is not the recorded version; its libraries go with either flavour."""
    loaded = parse_loaded(read_text(os.path.join(root, "proc/driver/nvidia/version")))[0]
    if loaded is None:
        raise ModuleRefusal(
            "module_not_loaded",
            f"no NVIDIA driver is loaded on {node}, and {wanted} is recorded",
            f"psw doctor says what is wrong; psw node setup-gpu {node} puts the driver back",
        )
    if loaded != wanted:
        # Of another branch psw may know nothing, as of Debian's own.
        stay = f"; with --driver-version {loaded} it records the one that is there" if loaded.split(".")[0] == wanted.split(".")[0] else ""
        raise ModuleRefusal(
            "module_version",
            f"NVIDIA driver {loaded} is loaded on {node}, and {wanted} is recorded",
            f"run: psw node setup-gpu {node}, which puts the recorded one back{stay}",
        )


def refuse(record, node, root):
    """Raise for the first thing that is not as recorded."""
    for gpu in record["gpus"]:
        _refuse_card(gpu, node, root)
    if record["vendor"] == "nvidia":
        _refuse_driver(record["nvidia"]["driver_version"], node, root)
