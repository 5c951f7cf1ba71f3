"""A lab's network: a bridge on this machine, the node's network namespace behind it, and the way out."""

from pathlib import Path

from lab.host import run
from lab.podman import in_namespace
from lab.state import Lab

_FORWARD = Path("/proc/sys/net/ipv4/ip_forward")


def _exists(link: str) -> bool:
    return run("ip", "link", "show", link, check=False).returncode == 0


def _mtu() -> str:
    """Return the MTU of this machine's way out; a larger one inside would lose packets."""
    words = run("ip", "-4", "route", "show", "default").stdout.split()
    if "dev" not in words:
        return "1500"
    link = run("ip", "-o", "link", "show", words[words.index("dev") + 1]).stdout.split()
    return link[link.index("mtu") + 1]


def _rules(lab: Lab) -> list[list[str]]:
    net = f"{lab.address(0)}/24"
    mark = ["-m", "comment", "--comment", lab.container]
    return [
        ["nat", "POSTROUTING", "-s", net, "!", "-d", net, *mark, "-j", "MASQUERADE"],
        ["filter", "FORWARD", "-i", lab.bridge, *mark, "-j", "ACCEPT"],
        ["filter", "FORWARD", "-o", lab.bridge, *mark, "-j", "ACCEPT"],
    ]


def up(lab: Lab) -> None:
    """Make what is missing of the lab's network."""
    mtu = _mtu()
    if not _exists(lab.bridge):
        run("ip", "link", "add", lab.bridge, "mtu", mtu, "type", "bridge")
        run("ip", "addr", "add", f"{lab.gateway}/24", "dev", lab.bridge)
        run("ip", "link", "set", lab.bridge, "up")
    if lab.container not in in_namespace("ip", "netns", "list").stdout.split():
        in_namespace("ip", "netns", "add", lab.container)
    inside = ("ip", "-n", lab.container)
    if in_namespace(*inside, "link", "show", "vmbr0", check=False).returncode != 0:
        port = f"{lab.bridge}p"
        if _exists(port):
            run("ip", "link", "del", port)
        in_namespace("ip", "link", "add", port, "mtu", mtu, "type", "veth", "peer", "name", "eth0", "mtu", mtu, "netns", lab.container)
        run("ip", "link", "set", port, "master", lab.bridge, "up")
        in_namespace(*inside, "link", "set", "lo", "up")
        # As on a Proxmox VE node, whose network card is a port of vmbr0.
        in_namespace(*inside, "link", "add", "vmbr0", "mtu", mtu, "type", "bridge")
        in_namespace(*inside, "link", "set", "eth0", "master", "vmbr0", "up")
        in_namespace(*inside, "addr", "add", f"{lab.node_address}/24", "dev", "vmbr0")
        in_namespace(*inside, "link", "set", "vmbr0", "up")
        in_namespace(*inside, "route", "add", "default", "via", lab.gateway)
    if _FORWARD.read_text(encoding="ascii").strip() != "1":
        _FORWARD.write_text("1\n", encoding="ascii")
    for table, *rule in _rules(lab):
        if run("iptables", "-w", "-t", table, "-C", *rule, check=False).returncode != 0:
            run("iptables", "-w", "-t", table, "-I", *rule)


def down(lab: Lab) -> None:
    """Take the lab's network away."""
    for table, *rule in _rules(lab):
        run("iptables", "-w", "-t", table, "-D", *rule, check=False)
    in_namespace("ip", "netns", "del", lab.container, check=False)
    for link in (f"{lab.bridge}p", lab.bridge):
        run("ip", "link", "del", link, check=False)
