# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A container's network interface: what net0 has to be, and by which address the container is reached; pure, private to the collection."""

from __future__ import annotations

import ipaddress

from ansible_collections.psw.ai.plugins.module_utils._errors import ModuleRefusal
from ansible_collections.psw.ai.plugins.module_utils._lxc_config import parse_properties

# Words instead of an address; ``none`` is no address at all.
WORDS = {4: ("dhcp", "none"), 6: ("auto", "dhcp", "none")}
EXAMPLES = {4: "192.0.2.5/24", 6: "2001:db8::5/64"}
LAST_VLAN = 4094
ADDRESSING = ("ip", "gw", "ip6", "gw6")


def check_network(wanted):
    """Return the wanted network with everything filled in, or say what is wrong with it."""
    whole = {name: None if value in ("", "none") else value for name, value in wanted.items()}
    for version, ip, gateway in ((4, "ip", "gateway"), (6, "ip6", "gateway6")):
        if whole[ip] is not None and whole[ip] not in WORDS[version]:
            _refuse_wrong(ip, whole[ip], version, ipaddress.ip_interface)
            if "/" not in whole[ip]:
                raise _refusal("%s %s has no prefix length" % (ip, whole[ip]), "write it as in %s" % EXAMPLES[version])
            if whole[gateway]:
                _refuse_wrong(gateway, whole[gateway], version, ipaddress.ip_address)
    if whole["ip"] is None and whole["ip6"] is None:
        raise _refusal("there is neither an IPv4 nor an IPv6 address", "give one of ip and ip6")
    if whole["vlan"] is not None and not 1 <= whole["vlan"] <= LAST_VLAN:
        raise _refusal("vlan %d is no VLAN tag" % whole["vlan"], "it is a number from 1 to %d" % LAST_VLAN)
    return whole


def fixed(ip):
    """Tell whether this is an address and not a word for how to get one."""
    return ip is not None and ip not in WORDS[6]


def _refuse_wrong(name, text, version, parse):
    try:
        right = parse(text).version == version
    except ValueError:
        right = False
    if not right:
        words = " or ".join(WORDS[version])
        raise _refusal("%s %s is no IPv%d address" % (name, text, version), "give an address" + ("" if "gateway" in name else ", or %s" % words))


def _refusal(message, hint):
    return ModuleRefusal("bad_network", message, hint)


def network(current, wanted):
    """Return net0 with what is wanted; what Proxmox VE chose itself, such as the hardware address, stays."""
    properties = {"name": "eth0", **parse_properties(current, "name"), "bridge": wanted["bridge"]}
    values = {
        "ip": wanted["ip"],
        # A gateway belongs to a fixed address: with another one it comes along.
        "gw": wanted["gateway"] if fixed(wanted["ip"]) else None,
        "ip6": wanted["ip6"],
        "gw6": wanted["gateway6"] if fixed(wanted["ip6"]) else None,
        "tag": wanted["vlan"],
    }
    for name, value in values.items():
        if value is None:
            properties.pop(name, None)
        else:
            properties[name] = value
    if wanted["firewall"] is not None:
        properties["firewall"] = int(wanted["firewall"])
    properties.setdefault("type", "veth")
    return ",".join("%s=%s" % item for item in properties.items())


def readdressed(before, after):
    """Tell whether the interface gets its addresses in another way, which a running container takes up with its next start."""
    old, new = parse_properties(before, "name"), parse_properties(after, "name")
    return any(old.get(name) != new.get(name) for name in ADDRESSING)


def reached_by(addresses, wanted):
    """Return the address by which the container is to be reached, if it has it: IPv4 before IPv6, and a fixed one exactly."""
    ip, version = (wanted["ip"], 4) if wanted["ip"] is not None else (wanted["ip6"], 6)
    if fixed(ip):
        exact = ipaddress.ip_interface(ip).ip
        return next((address for address in addresses if ipaddress.ip_address(address) == exact), None)
    return next((address for address in addresses if ipaddress.ip_address(address).version == version), None)


def has_another(addresses, wanted):
    """Tell whether a running container uses another address than its fixed one; one that is still starting has none."""
    ip, version = (wanted["ip"], 4) if wanted["ip"] is not None else (wanted["ip6"], 6)
    same_kind = [address for address in addresses if ipaddress.ip_address(address).version == version]
    return fixed(ip) and bool(same_kind) and reached_by(addresses, wanted) is None
