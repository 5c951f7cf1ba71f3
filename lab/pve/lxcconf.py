"""From Proxmox VE's container config to LXC's: pure text."""

import re
from collections.abc import Mapping
from typing import Any

from .conf import properties

ROOT_ID = 100000
ID_COUNT = 65536
LXC = "/var/lib/lxc"
VOLUMES = f"{LXC}/.volumes"


def numbered(config: Mapping[str, Any], kind: str) -> list[tuple[int, str]]:
    """Return the (number, value) pairs of keys like net0, dev3 or mp1, in order."""
    return sorted((int(key.removeprefix(kind)), str(config[key])) for key in config if re.fullmatch(rf"{kind}\d+", key))


def volume_path(volume: str) -> str:
    """Return the directory behind a mount point's volume: a bind mount's own path, or the stand-in for the storage's."""
    return volume if volume.startswith("/") else f"{VOLUMES}/{volume.partition(':')[2].replace('/', '_')}"


def mount_options(mount: Mapping[str, str]) -> str:
    """Return LXC's mount options for a mount point."""
    options = ["rbind" if mount["volume"].startswith("/") else "bind", "create=dir"]
    if mount.get("ro") in {"1", "yes", "on", "true"}:
        options.append("ro")
    options += [option for option in mount.get("mountoptions", "").split(";") if option]
    return ",".join(options)


def network_lines(vmid: int, number: int, net: Mapping[str, str], mtu: str | None = None) -> list[str]:
    """Return the lines of one network card."""
    lines = [
        f"lxc.net.{number}.type = veth",
        f"lxc.net.{number}.veth.pair = veth{vmid}i{number}",
        f"lxc.net.{number}.name = {net.get('name', f'eth{number}')}",
        f"lxc.net.{number}.hwaddr = {net['hwaddr']}",
        f"lxc.net.{number}.flags = up",
    ]
    if net.get("bridge"):
        lines.append(f"lxc.net.{number}.link = {net['bridge']}")
    if net.get("mtu") or mtu:
        lines.append(f"lxc.net.{number}.mtu = {net.get('mtu') or mtu}")
    return lines


def render(vmid: int, config: Mapping[str, Any], raw: list[tuple[str, str]], mtu: str | None = None) -> str:
    """Return LXC's config for an unprivileged container; devices are mounted from the passthrough directory."""
    nesting = properties(str(config.get("features", "")), "").get("nesting") in {"1", "yes", "on", "true"}
    includes = ["common", "userns", *(["nesting"] if nesting else [])]
    lines = [f"lxc.include = /usr/share/lxc/config/{name}.conf" for name in includes]
    lines += [
        "lxc.arch = amd64",
        f"lxc.uts.name = {config.get('hostname', f'CT{vmid}')}",
        f"lxc.rootfs.path = dir:{LXC}/{vmid}/rootfs",
        "lxc.mount.auto = sys:mixed",
        # A reboot from inside becomes a stop and a start, so that pending changes are taken up.
        "lxc.hook.post-stop = /usr/bin/python3 -I /usr/lib/psw-lab/run.py reboot",
        # No AppArmor in this kernel; Proxmox VE keeps it on.
        "lxc.apparmor.profile = unconfined",
        f"lxc.idmap = u 0 {ROOT_ID} {ID_COUNT}",
        f"lxc.idmap = g 0 {ROOT_ID} {ID_COUNT}",
        # /proc/driver is the same for every container of a real node; here it is a directory that stands in for it.
        "lxc.mount.entry = /run/psw-lab/proc/driver proc/driver none bind,optional 0 0",
        # So is what AMD's cards tell in /sys of their memory; no other machine has this directory.
        "lxc.mount.entry = /run/psw-lab/pci sys/bus/pci/devices none bind,optional 0 0",
    ]
    for _, text in numbered(config, "mp"):
        mount = properties(text, "volume")
        lines.append(f"lxc.mount.entry = {volume_path(mount['volume'])} {mount['mp'].lstrip('/')} none {mount_options(mount)} 0 0")
    for _, text in numbered(config, "dev"):
        path = properties(text, "path")["path"]
        lines.append(f"lxc.mount.entry = {LXC}/{vmid}/passthrough{path} {path.lstrip('/')} none bind,create=file 0 0")
    for number, text in numbered(config, "net"):
        lines += network_lines(vmid, number, properties(text, "name"), mtu)
    lines += [f"{key} = {value}" for key, value in raw]
    return "\n".join(lines) + "\n"


def networkd_file(net: Mapping[str, str]) -> str:
    """Return the systemd-networkd file that gives a card the addresses of its netN."""
    lines = ["[Match]", f"Name={net.get('name', 'eth0')}", "", "[Network]"]
    address = net.get("ip", "manual")
    if address == "dhcp":
        lines.append("DHCP=ipv4")
    elif "/" in address:
        lines += [f"Address={address}", *([f"Gateway={net['gw']}"] if net.get("gw") else [])]
    lines += ["LinkLocalAddressing=ipv6", "IPv6AcceptRA=no"]
    if address == "dhcp":
        # The lease follows the card, not the machine id, so that a container keeps its address.
        lines += ["", "[DHCPv4]", "ClientIdentifier=mac", "UseDNS=no", "SendRelease=no"]
    return "\n".join(lines) + "\n"
