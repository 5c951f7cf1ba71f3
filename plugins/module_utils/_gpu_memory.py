# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How much memory of a machine's GPUs is in use, in the words of their driver and not of the engine; private to the collection."""

from __future__ import annotations

import glob
import os
import re
import subprocess

_SMI = ["nvidia-smi", "--query-gpu=pci.bus_id,memory.used", "--format=csv,noheader,nounits"]
_PATIENCE = 20  # seconds: a card that fell off the bus keeps whoever asks it waiting
_REGIONS = ("vram", "local")  # a card's own memory, as amdgpu and xe (vram0) and i915 (local0) call it


def in_use(vendor, addresses, needed_mib, root="/"):
    """Return {source, mib} of the cards with these addresses, or of all that are here; None where nothing tells it.

    Slots may have been numbered anew, so addresses that are not here are passed over. ``needed_mib`` is what is looked for: a card with less
    memory of its own than that, as an APU has, lends from main memory.
    """
    if vendor == "nvidia":
        return _told("nvidia-smi", parse_smi(_smi()), addresses)
    if vendor == "amd":
        return _told("sysfs", _amdgpu(root, needed_mib), addresses)
    clients = _clients(root)
    return {"source": "fdinfo", "mib": sum(clients.values()) >> 10} if clients else None


def _told(source, cards, addresses):
    mine = [cards[address] for address in addresses or [] if address in cards] or list(cards.values())
    return {"source": source, "mib": sum(mine)} if mine and None not in mine else None


def _smi():
    try:
        done = subprocess.run(_SMI, capture_output=True, text=True, timeout=_PATIENCE, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout if done.returncode == 0 else ""


def parse_smi(text):
    """Return the used MiB of each card; None for one that shares main memory, which says [N/A]."""
    lines = re.findall(r"^[0-9A-F]{4}([0-9A-F]{4}:[0-9A-F:.]+), *(\S+)", text, re.MULTILINE)
    return {address.lower(): int(used) if used.isdigit() else None for address, used in lines}


def _number(path):
    try:
        with open(path, encoding="ascii") as file:
            return int(file.read())
    except (OSError, ValueError):
        return 0


def _amdgpu(root, needed_mib):
    cards = {}
    for path in glob.glob(os.path.join(root, "sys/bus/pci/devices/*/mem_info_vram_used")):
        home = os.path.dirname(path)
        is_small = _number(os.path.join(home, "mem_info_vram_total")) >> 20 < needed_mib
        lent = _number(os.path.join(home, "mem_info_gtt_used")) if is_small else 0
        cards[os.path.basename(home)] = (_number(path) + lent) >> 20
    return cards


def _clients(root):
    """Return the KiB of its own memory that a card holds for each of its clients here; drivers tell it with each open file."""
    clients = {}
    for path in glob.glob(os.path.join(root, "proc/[0-9]*/fdinfo/*")):
        try:
            with open(path, encoding="utf-8", errors="replace") as file:
                client, held = parse_fdinfo(file.read())
        except OSError:
            continue  # the process has just ended
        if client:
            clients[client] = max(held, clients.get(client, 0))  # a client that has the card open twice is one
    return clients


def parse_fdinfo(text):
    """Return a client of a card and the KiB that it holds there, (None, 0) for any other open file."""
    fields = {key: value.strip() for key, _colon, value in (line.partition(":") for line in text.splitlines())}
    if "drm-client-id" not in fields:
        return None, 0
    held = 0
    for key, value in fields.items():
        if key.startswith(tuple(f"drm-resident-{region}" for region in _REGIONS)):
            amount, _space, unit = value.partition(" ")
            held += int(amount) * {"KiB": 1, "MiB": 1024}.get(unit, 0) if unit else int(amount) >> 10
    return (fields.get("drm-pdev"), fields["drm-client-id"]), held
