# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a container's configuration has to become; pure, private to the collection."""

from __future__ import annotations

from ansible_collections.psw.ai.plugins.module_utils._errors import ModuleRefusal
from ansible_collections.psw.ai.plugins.module_utils._lxc_config import parse_properties, plan_devices
from ansible_collections.psw.ai.plugins.module_utils._lxc_mounts import mount_entries
from ansible_collections.psw.ai.plugins.module_utils._lxc_network import network
from ansible_collections.psw.ai.plugins.module_utils._lxc_owner import split_tags


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
    wanted.update(mount_entries(running, planned, params["mounts"] or []))
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


def startup(current, order):
    """Return the start-up entry with our order; delays that someone set stay."""
    if order is None:
        return None
    return ",".join("%s=%s" % item for item in {**parse_properties(current, "order"), "order": order}.items())


def _text(number):
    return None if number is None else str(number)
