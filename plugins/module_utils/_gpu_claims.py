# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who else wants a PCI device: VMs that list it, and settings that keep it for them. Pure functions."""

from __future__ import annotations

import re

from ansible_collections.psw.ai.plugins.module_utils._gpu_text import printable

CMDLINE = "the kernel command line"


def _expand(address):
    """Return a hostpci address as sysfs starts it: the domain may be missing, and so may the function, which means all of them."""
    address = address.strip().lower()
    return address if address.count(":") > 1 else f"0000:{address}"


def _mapped(mappings, name, hostname):
    """Return the addresses on this node behind a cluster-wide resource mapping."""
    node = (hostname or "").partition(".")[0]
    section, paths = None, []
    for line in mappings.splitlines():
        if line and not line[0].isspace():
            section = line.rpartition(":")[2].strip()
        elif section == name:
            values = dict(pair.split("=", 1) for pair in line.strip().replace("map ", "", 1).split(",") if "=" in pair)
            if not node or values.get("node") in (None, node):
                paths += values.get("path", "").split(";")
    return [path for path in paths if path.strip()]


def _in_force(text):
    """Return the sections of a VM's configuration that hold now or from its next start on; all others are snapshots."""
    current, *sections = re.split(r"^\[(.*)\]\s*$", text, flags=re.MULTILINE)
    named = dict(zip(sections[::2], sections[1::2]))
    return current, named.get("PENDING", "")


def claims(vms, mappings="", hostname=None):
    """Return [(address prefix, VM)] for every PCI device that a VM of this node lists, running or not."""
    found = []
    for vmid, text in sorted(vms.items(), key=lambda entry: (len(entry[0]), entry[0])):
        current, pending = _in_force(text)
        named = re.search(r"^name:\s*(\S+)", current, re.MULTILINE)
        vm = f"VM {vmid} ({printable(named.group(1))})" if named else f"VM {vmid}"
        for value in re.findall(r"^hostpci\d+:\s*(\S+)", f"{current}\n{pending}", re.MULTILINE):
            for key, equals, rest in (part.partition("=") for part in value.split(",")):
                if key == "mapping":
                    found += [(_expand(path), vm) for path in _mapped(mappings, rest, hostname)]
                elif key == "host" or not equals:
                    found += [(_expand(address), vm) for address in (rest if equals else key).split(";")]
    return found


def claimed_by(address, found):
    """Return the VMs that list this address."""
    return list(dict.fromkeys(vm for prefix, vm in found if address == prefix or address.startswith(f"{prefix}.")))


def reservations(modprobe, cmdline):
    """Return {vendor:device: where} for the ids that vfio-pci is told to take at boot."""
    lists = [(value, CMDLINE) for value in re.findall(r"(?:^|\s)vfio[-_]pci\.ids=(\S+)", cmdline)]
    for file, text in sorted(modprobe.items()):
        for settings in re.findall(r"^[ \t]*options[ \t]+vfio[-_]pci[ \t]+(.*)$", text, re.MULTILINE):
            lists += [(value, file) for value in re.findall(r"(?:^|\s)ids=\"?([^\s\"]+)", settings)]
    # An id may go on with those of the board: 10de:2204:1462:3884.
    return {":".join(item.lower().split(":")[:2]): printable(where) for value, where in reversed(lists) for item in value.split(",")}
