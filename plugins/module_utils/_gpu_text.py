# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values out of a node's files, which may hold anything: pure functions, text in, a value or None out."""

from __future__ import annotations

import re

_MIB = 1024 * 1024
_EFI_NON_VOLATILE = 1
_LONGEST = 80


def printable(text):
    """Return text that may stand in a message: one line of moderate length without control characters."""
    shown = "".join(char if char.isprintable() else "?" for char in " ".join(text.split()))
    return shown if len(shown) <= _LONGEST else f"{shown[: _LONGEST - 1]}…"


def hex_number(text):
    """Return the four hex digits of a sysfs id such as 0x10de, or None for anything else."""
    found = re.match(r"(?:0x)?([0-9a-fA-F]{4})\Z", text or "")
    return found.group(1).lower() if found else None


def number(text):
    """Return a decimal number that the kernel could have written, or None: int() takes more than digits, and str.isdigit() more than int()."""
    return int(text) if re.match(r"[0-9]{1,19}\Z", text or "") else None


def mib(text):
    """Return a count of bytes in MiB, or None for what is no number."""
    count = number(text)
    return None if count is None else count // _MIB


def parse_loaded(text):
    """Return (version, flavour) of the loaded module from /proc/driver/nvidia/version; (None, None) when none is loaded."""
    found = re.search(r"^NVRM version: (.*)  (\d+(?:\.\d+)+)  ", text or "", re.MULTILINE)
    if not found:
        return None, None
    return found.group(2), "open" if "Open Kernel Module" in found.group(1) else "proprietary"


def secure_boot_state(efi, variable, shim=None):
    """Return enabled, disabled, unsupported (BIOS boot) or unknown.

    An EFI variable is four bytes of attributes and its value. The kernel takes a shim that was told not to validate for secure boot turned
    off, unless the variable that says so could have been written by anyone (it would be non-volatile).
    """
    if not efi:
        return "unsupported"
    state = {b"\x00": "disabled", b"\x01": "enabled"}.get((variable or b"")[4:5], "unknown")
    if state == "enabled" and shim and shim[4:5] == b"\x01" and not shim[0] & _EFI_NON_VOLATILE:
        return "disabled"
    return state


def gfx_name(version):
    """Return the target's name in a KFD gfx_target_version: 90010 is gfx90a, 110501 is gfx1151."""
    major, rest = divmod(version, 10000)
    minor, step = divmod(rest, 100)
    return f"gfx{major}{minor:x}{step:x}"


def kfd_gfx(nodes):
    """Return the gfx target by PCI address, from the compute topology; CPUs have none."""
    found = {}
    for text in nodes:
        properties = {name: number(value) or 0 for name, value in re.findall(r"^(\w+) ([0-9]+)$", text, re.MULTILINE)}
        version = properties.get("gfx_target_version", 0)
        if version:
            place, domain = properties.get("location_id", 0), properties.get("domain", 0)
            found[f"{domain:04x}:{place >> 8 & 0xFF:02x}:{place >> 3 & 0x1F:02x}.{place & 7}"] = gfx_name(version)
    return found


SMI_FIELDS = ("pci.bus_id", "name", "memory.total", "driver_version")
_SMI_ADDRESS = re.compile(r"(?:[0-9A-Fa-f]{4})?([0-9A-Fa-f]{4}(?::[0-9A-Fa-f]{2}){2}\.[0-7])\Z")


def without_maker(name):
    """Return a card's name as the table writes it."""
    return re.sub(r"^NVIDIA ", "", printable(name))


def parse_smi(text):
    """Return what nvidia-smi says about each card, by PCI address in sysfs's form: its answer has a domain of eight digits.

    A part that shares the CPU's memory has none of its own to tell ([N/A]).
    """
    cards = {}
    for line in (text or "").splitlines():
        values = [value.strip() for value in line.split(",")]
        found = _SMI_ADDRESS.match(values[0])
        if found and len(values) == len(SMI_FIELDS):
            size = values[2]
            shared = size.strip("[]") in ("N/A", "Not Supported")
            cards[found.group(1).lower()] = {"name": without_maker(values[1]), "vram_mib": number(size), "shared": shared}
    return cards


def field(text, name):
    """Return a field of what /proc/driver/nvidia says about a card, or None."""
    found = re.search(rf"^{name}:[ \t]*(\S.*)$", text or "", re.MULTILINE)
    return found.group(1).strip() if found else None
