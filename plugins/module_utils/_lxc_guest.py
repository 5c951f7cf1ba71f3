# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a running container says about itself: address, SSH host keys, groups, who may log in; private to the collection."""

from __future__ import annotations

import os
import time

from ansible_collections.psw.ai.plugins.module_utils._errors import ModuleRefusal, PswModuleError
from ansible_collections.psw.ai.plugins.module_utils._lxc_mounts import directories
from ansible_collections.psw.ai.plugins.module_utils._lxc_network import fixed, reached_by

PAUSE = 1
NODE_KEYS = "/root/.ssh/authorized_keys"
# One program for everything, because each call into a container costs half a second on a node. Only eth0: podman's bridges have addresses too.
# Whether SSH listens is asked inside, because the node need not have an address in the container's network.
PROBE = r"""
ip -o addr show dev eth0 scope global | while read -r _ _ _ address rest; do
  case $rest in *temporary*|*deprecated*|*tentative*) ;; *) echo "address ${address%%/*}" ;; esac
done
for file in /etc/ssh/ssh_host_*_key.pub; do [ -f "$file" ] && read -r kind key _ <"$file" && echo "host_key $kind $key"; done
getent group video render | while IFS=: read -r name _ gid _; do echo "group $name $gid"; done
for path in "$@"; do stat -c "mount %d:%i %n" "$path"; done 2>/dev/null
grep -qsE '^ *[0-9]+: [0-9A-F]+:0016 [0-9A-F]+:0000 0A' /proc/net/tcp /proc/net/tcp6 && echo "ssh listens"
[ -f /root/.ssh/authorized_keys ] && sed 's/^/login /' /root/.ssh/authorized_keys
exit 0
"""
ADMIT = "umask 077; mkdir -p /root/.ssh && cat >>/root/.ssh/authorized_keys"


def node_keys(path=NODE_KEYS):
    """Return the public keys that may log in to this node."""
    try:
        with open(path, encoding="utf-8") as file:
            keys = key_lines(file.read())
    except OSError:
        keys = []
    if not keys:
        raise ModuleRefusal(
            "no_keys", "%s has no key, so nobody could log in to the container" % path, "log in to the node with a key first, or give authorized_keys"
        )
    return keys


def key_lines(text):
    """Return the lines of an authorized_keys file that are keys."""
    return [line.strip() for line in text.splitlines() if line.strip() and not line.strip().startswith("#")]


def parse_probe(text):
    """Return what PROBE printed as a dict of addresses, host_keys, groups, mounts, ssh and logins."""
    found = {"addresses": [], "host_keys": [], "groups": {}, "mounts": {}, "ssh": False, "logins": []}
    for line in text.splitlines():
        kind, _space, value = line.partition(" ")
        if kind == "address":
            found["addresses"].append(value)
        elif kind == "ssh":
            found["ssh"] = True
        elif kind == "host_key":
            found["host_keys"].append(value)
        elif kind == "group":
            name, _space, gid = value.partition(" ")
            found["groups"][name] = int(gid)
        elif kind == "mount":
            identity, _space, path = value.partition(" ")
            found["mounts"][path] = identity
        elif kind == "login":
            found["logins"].append(value.strip())
    found["host_keys"].sort()
    return found


def make_group(pve, vmid, name):
    """Create a system group in a running container, whose template may lack it; return the numbers of those that devices belong to."""
    pve.pct("exec", vmid, "--", "groupadd", "--system", "--force", name)
    return groups_of(pve, vmid)


def groups_of(pve, vmid):
    """Return the numbers of the groups in a running container that device nodes belong to."""
    return parse_probe(pve.pct("exec", vmid, "--", "sh", "-c", PROBE, "probe"))["groups"]


def look(pve, vmid, mounts):
    """Return what the container says about itself; None when it does not answer yet."""
    try:
        return _ask(pve, vmid, mounts)
    except PswModuleError:
        return None


def lacks(guest, network):
    """Return what a container lacks to be reached, None when there is nothing."""
    if not reached_by(guest["addresses"], network):
        ip, kind = (network["ip"], "IPv4") if network["ip"] is not None else (network["ip6"], "IPv6")
        if fixed(ip):
            return "%s instead of %s on eth0" % (", ".join(guest["addresses"]) or "no address", ip.partition("/")[0])
        who = "DHCP" if ip == "dhcp" else "a router that announces a prefix"
        return "no %s address on eth0 (is there %s on its bridge%s?)" % (kind, who, " and in VLAN %s" % network["vlan"] if network["vlan"] else "")
    if not guest["host_keys"]:
        return "no SSH host keys"
    return None if guest["ssh"] else "no SSH server on port 22"


def wait_for_guest(pve, vmid, mounts, network, seconds):
    """Return what the container says about itself once it can be reached."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            guest = _ask(pve, vmid, mounts)
            missing = lacks(guest, network)
        except PswModuleError as exc:
            # Its init may not be there yet.
            missing = "not answered (%s)" % exc
        if not missing:
            return guest
        if time.monotonic() > deadline:
            raise PswModuleError("container %s runs but has %s after %d s; look inside with: pct enter %s" % (vmid, missing, seconds, vmid))
        time.sleep(PAUSE)


def stale_mounts(mounts, guest):
    """Return the mounts that show something else than the node's directory, as after the dataset there was mounted anew."""
    return [mount for mount in directories(mounts) if guest["mounts"].get(mount["target"]) != _identity(mount["source"])]


def admit(pve, vmid, keys):
    """Let these keys log in to the container as root."""
    pve.pct("exec", vmid, "--", "sh", "-c", ADMIT, data="".join(key + "\n" for key in keys))


def _ask(pve, vmid, mounts):
    paths = [mount["target"] for mount in directories(mounts)]
    return parse_probe(pve.pct("exec", vmid, "--", "sh", "-c", PROBE, "probe", *paths))


def _identity(path):
    try:
        found = os.stat(path)
    except OSError:
        return None
    return "%d:%d" % (found.st_dev, found.st_ino)
