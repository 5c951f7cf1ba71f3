# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a container's configuration has to become; pure, private to the collection."""

from __future__ import annotations

import re

from ansible_collections.psw.ai.plugins.module_utils._errors import ModuleRefusal
from ansible_collections.psw.ai.plugins.module_utils._lxc_config import MOUNT_KEY, parse_properties, plan_devices, render_properties

LAST_MOUNT = 255
UNITS = {"K": 1 / 1048576, "M": 1 / 1024, "G": 1, "T": 1024}


def find(rows, hostname, tag, vmid=None):
    """Return the row of the container that is called ``hostname`` and carries ``tag``, or None; a stranger's is refused."""
    ours = [row for row in rows if row.get("name") == hostname and tag in split_tags(row.get("tags", ""))]
    if len(ours) > 1:
        numbers = ", ".join(sorted(str(row["vmid"]) for row in ours))
        raise ModuleRefusal("ambiguous", "containers %s are all called %s and tagged %s" % (numbers, hostname, tag), "remove or rename all but one")
    if ours:
        if vmid and int(ours[0]["vmid"]) != vmid:
            raise ModuleRefusal("vmid_fixed", "%s is container %s, not %d" % (hostname, ours[0]["vmid"], vmid), "a container's number cannot be changed")
        return ours[0]
    for row in rows:
        if row.get("name") == hostname or (vmid and int(row["vmid"]) == vmid):
            raise ModuleRefusal(
                "not_ours",
                "container %s (%s) is not tagged %s, so it belongs to someone else and stays untouched" % (row["vmid"], row.get("name"), tag),
                "rename it, or choose another name or number",
            )
    return None


def split_tags(text):
    """Return the set of tags in Proxmox VE's list."""
    return {tag for tag in re.split(r"[;, ]+", str(text)) if tag}


def refuse_elsewhere(rows, hostname, tag, node):
    """Refuse a second container of ours under this name in the cluster: moving one is not what a new one is for."""
    for row in rows:
        if row.get("name") == hostname and row.get("node") != node and tag in split_tags(row.get("tags", "")):
            raise ModuleRefusal(
                "on_another_node",
                "%s is container %s on node %s already" % (hostname, row["vmid"], row["node"]),
                "plan it there, migrate it (pct migrate), or destroy it first",
            )


def refuse_unconfined(config, raw, vmid, hostname):
    """Say why a container that looks like ours cannot be kept: unprivileged is fixed at creation, and raw settings can undo any confinement."""
    if config.get("unprivileged", "0") != "1":
        raise ModuleRefusal(
            "privileged",
            "container %s (%s) is privileged, and psw keeps unprivileged ones only" % (vmid, hostname),
            "back up what is in it, destroy it and run again",
        )
    if raw:
        raise ModuleRefusal(
            "raw_settings",
            "container %s (%s) has raw LXC settings, which could undo its confinement: %s" % (vmid, hostname, "; ".join(raw)),
            "remove them from /etc/pve/lxc/%s.conf" % vmid,
        )


def plan(running, planned, params, devices):
    """Return (changes, deletions, where) that bring a configuration to what is wanted; ``where`` is path to devN of the devices."""
    wanted = simple_options(params)
    wanted["net0"] = network(planned.get("net0", ""), params["network"])
    wanted["tags"] = ";".join(sorted(split_tags(planned.get("tags", "")) | set(params["tags"])))
    wanted["startup"] = startup(planned.get("startup", ""), params["startup_order"])
    wanted.update(mounts(running, planned, params["mounts"] or []))
    changes = {key: value for key, value in wanted.items() if value is not None and not same(key, planned.get(key), value)}
    deletions, where = [], {}
    if devices is not None:
        device_changes, deletions, where = plan_devices(running, planned, devices, exclusive=True)
        changes.update(device_changes)
    return changes, deletions, where


def simple_options(params):
    """Return the options that are one value each; None means that whatever is there stays."""
    return {
        "hostname": params["hostname"],
        "cores": _text(params["cores"]),
        "memory": _text(params["memory_mib"]),
        "swap": _text(params["swap_mib"]),
        "onboot": "1" if params["onboot"] else "0",
        "features": "nesting=1",
        "description": params["description"],
    }


def same(key, current, wanted):
    """Tell whether two values of an option mean the same, however Proxmox VE prints them."""
    if current is None:
        return key == "onboot" and wanted == "0"
    if key == "tags":
        return split_tags(current) == split_tags(wanted)
    if key == "description":
        return current.strip() == wanted.strip()
    if key in {"features", "startup"} or key.startswith(("net", "mp")):
        return parse_properties(current, "volume") == parse_properties(wanted, "volume")
    return current == wanted


def network(current, wanted):
    """Return net0 with what is wanted; what Proxmox VE chose itself, such as the hardware address, stays."""
    properties = {"name": "eth0", **parse_properties(current, "name"), "bridge": wanted["bridge"], "ip": wanted["ip"]}
    for name, value in (("gw", wanted["gateway"]), ("tag", wanted["vlan"])):
        properties.pop(name, None)
        if value is not None:
            properties[name] = value
    if wanted["firewall"] is not None:
        properties["firewall"] = int(wanted["firewall"])
    properties.setdefault("type", "veth")
    return ",".join("%s=%s" % item for item in properties.items())


def startup(current, order):
    """Return the start-up entry with our order; delays that someone set stay."""
    if order is None:
        return None
    return ",".join("%s=%s" % item for item in {**parse_properties(current, "order"), "order": order}.items())


def mounts(running, planned, wanted):
    """Return the mpN entries of the wanted directories, matched by their path in the container; any other mount stays."""
    # What waits for its removal comes last: it is taken back rather than mounted a second time.
    leaving = {key: text for key, text in running.items() if key not in planned}
    current = {key: parse_properties(text, "volume") for key, text in {**planned, **leaving}.items() if MOUNT_KEY.match(key)}
    free = ("mp%d" % number for number in range(LAST_MOUNT + 1) if "mp%d" % number not in {**running, **planned})
    entries = {}
    for mount in wanted:
        # Without replicate=0 a bind mount would stop the replication of the whole container.
        properties = {"volume": mount["source"], "mp": mount["target"], "replicate": 0}
        if mount["read_only"]:
            properties["ro"] = 1
        if mount["options"]:
            properties["mountoptions"] = ";".join(sorted(mount["options"]))
        key = next((key for key, other in current.items() if other.get("mp") == mount["target"]), None) or next(free)
        entries[key] = render_properties(properties, "volume")
    return entries


def growth(rootfs, wanted_gib):
    """Return the size to grow the root disk to, or None; a root disk is never made smaller."""
    size = re.match(r"^([\d.]+)([KMGT])$", parse_properties(rootfs, "volume").get("size", ""))
    if not size or float(size.group(1)) * UNITS[size.group(2)] >= wanted_gib:
        return None
    return "%dG" % wanted_gib


def _text(number):
    return None if number is None else str(number)
