# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Container configuration as Proxmox VE writes it: property strings, devN entries and pending changes; pure, private to the collection."""

from __future__ import annotations

import re

from ansible_collections.psw.ai.plugins.module_utils._errors import PswModuleError

# What Proxmox VE assumes for a device entry that does not say it.
DEVICE_DEFAULTS = {"uid": 0, "gid": 0, "mode": "0660", "deny_write": False}
LAST_DEVICE = 255
DEVICE_KEY = re.compile(r"^dev(\d+)$")
MOUNT_KEY = re.compile(r"^mp(\d+)$")
# A running container gets these as soon as they are set, when the entry is new; anything else waits for a restart.
ADDED_LIVE = re.compile(r"^(dev|mp)\d+$")
# And these whether they are new or changed.
CHANGED_LIVE = re.compile(r"^(net\d+|cores|memory|swap|description|onboot|startup|tags|hostname|rootfs)$")


def parse_properties(text, default_key):
    """Return the dict in a property string such as ``/dev/kfd,gid=993``; a part without a name belongs to ``default_key``."""
    properties = {}
    for part in str(text).split(","):
        name, equals, value = part.partition("=")
        if equals:
            properties[name] = value
        elif part:
            properties[default_key] = part
    return properties


def render_properties(properties, default_key):
    """Return the property string of a dict, the default key first and bare; the inverse of parse_properties."""
    head = [str(properties[default_key])] if default_key in properties else []
    return ",".join(head + ["%s=%s" % (name, value) for name, value in properties.items() if name != default_key])


def parse_device(text):
    """Return a devN entry as a dict with every option filled in."""
    found = parse_properties(text, "path")
    return {
        "path": found.get("path", ""),
        "uid": int(found.get("uid", 0)),
        "gid": int(found.get("gid", 0)),
        "mode": found.get("mode", DEVICE_DEFAULTS["mode"]),
        "deny_write": found.get("deny-write", "0") == "1",
    }


def render_device(device):
    """Return the devN entry of a device; what Proxmox VE assumes anyway is left out. The ids are those inside the container."""
    properties = {"path": device["path"]}
    for name in ("gid", "uid", "mode"):
        if device[name] != DEVICE_DEFAULTS[name]:
            properties[name] = device[name]
    if device["deny_write"]:
        properties["deny-write"] = 1
    return render_properties(properties, "path")


def check_devices(devices):
    """Return the wanted devices with defaults filled in, or say which one Proxmox VE would not take and why."""
    checked = {}
    for device in devices:
        known = {name: value for name, value in device.items() if value is not None and name != "card"}
        whole = {**DEVICE_DEFAULTS, **known}
        path = whole["path"]
        if not path.startswith("/dev/") or "/./" in path or "/../" in path:
            raise PswModuleError("device %r: a path below /dev/ without '.' and '..' is needed" % path)
        if not re.match(r"^0[0-7]{3}$", str(whole["mode"])):
            raise PswModuleError(
                'device %s: mode %r is not four octal digits starting with 0; in YAML it needs quotes, as in mode: "0660"' % (path, whole["mode"])
            )
        for name in ("uid", "gid"):
            if whole[name] < 0:
                raise PswModuleError("device %s: %s %s is negative; it has to be an id inside the container" % (path, name, whole[name]))
        if path in checked:
            raise PswModuleError("device %s is listed twice" % path)
        checked[path] = whole
    return list(checked.values())


def views(rows):
    """Return what the container runs with and what it will run with after its next start, from the rows of Proxmox VE's ``pending`` call."""
    running, planned = {}, {}
    for row in rows:
        key = row["key"]
        if "value" in row:
            running[key] = str(row["value"])
        if "pending" in row:
            planned[key] = str(row["pending"])
        elif "value" in row and not row.get("delete"):
            planned[key] = str(row["value"])
    return running, planned


def waiting(running, planned):
    """Return the keys whose change waits for a restart, sorted."""
    return sorted(key for key in {**running, **planned} if running.get(key) != planned.get(key))


def will_wait(running, after):
    """Return the keys that a running container would take up only with a restart, on its way from what it runs with to what is wanted."""
    return [key for key in waiting(running, after) if not CHANGED_LIVE.match(key) and (key in running or not ADDED_LIVE.match(key))]


def devices_of(config):
    """Return the device entries of a configuration alone, as text."""
    return {key: config[key] for key in sorted(config) if DEVICE_KEY.match(key)}


def devices_in(config):
    """Return the device entries of a configuration, key to parsed dict, in the order of their numbers."""
    keys = sorted((key for key in config if DEVICE_KEY.match(key)), key=lambda key: int(key[3:]))
    return {key: parse_device(config[key]) for key in keys}


def plan_devices(running, planned, wanted, state="present", *, exclusive=False):
    """Return (changes, deletions, where): entries to set, keys to delete, and path to key of the wanted devices afterwards.

    Entries are matched by path, so neither order nor numbers matter; entries of other paths stay unless ``exclusive``.
    """
    current = devices_in(planned)
    paths = {device["path"] for device in wanted}
    if state == "absent":
        return {}, [key for key, device in current.items() if device["path"] in paths], {}
    leaving = {device["path"]: key for key, device in devices_in(running).items() if key not in planned}
    taken = {key for key in {**running, **planned} if DEVICE_KEY.match(key)}
    changes, where = {}, {}
    for device in wanted:
        same = [key for key, other in current.items() if other["path"] == device["path"]]
        # An entry that waits for its removal is taken back rather than added a second time.
        key = next((key for key in same if current[key] == device), None) or next(iter(same), None) or leaving.get(device["path"]) or _free(taken)
        taken.add(key)
        where[device["path"]] = key
        if current.get(key) != device:
            changes[key] = render_device(device)
    kept = set(where.values())
    deletions = [key for key, device in current.items() if key not in kept and (exclusive or device["path"] in paths)]
    return changes, deletions, where


def _free(taken):
    for number in range(LAST_DEVICE + 1):
        if "dev%d" % number not in taken:
            return "dev%d" % number
    raise PswModuleError("the container has no free device entry left: dev0 to dev%d are in use" % LAST_DEVICE)
