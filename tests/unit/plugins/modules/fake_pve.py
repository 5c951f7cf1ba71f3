# SPDX-License-Identifier: GPL-3.0-or-later
"""A node's pvesh, pct and pveam for unit tests, as functions of a state.

Only what the modules use, with Proxmox VE's rules for what a running container takes at once and what it leaves pending.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

LIVE = re.compile(r"^(net\d+|cores|memory|swap|description|onboot|startup|tags|hostname)$")


class FakeError(Exception):
    """What the program would say before it ends with an error."""


def fail(message):
    raise FakeError(message)


def options_of(argv):
    """Return the options after a command, with a leading dash or two, as a dict."""
    found, words = {}, iter(argv)
    for word in words:
        found[word.lstrip("-")] = next(words)
    return found


def container(state, vmid):
    return state["cts"].get(vmid) or fail(f"Configuration file 'nodes/{state['node']}/lxc/{vmid}.conf' does not exist")


# --- pvesh get -----------------------------------------------------------------------------------------------------
def next_id(state, _found, _options):
    taken = {int(vmid) for vmid in state["cts"]}
    return str(next(number for number in range(state.get("next", 100), 1000) if number not in taken))


def list_containers(state, _found, _options):
    rows = []
    for vmid, ct in state["cts"].items():
        row = {"vmid": int(vmid), "name": ct["config"].get("hostname", "CT" + vmid), "status": ct["status"]}
        rows.append({**row, **{key: ct["config"][key] for key in ("tags", "lock") if key in ct["config"]}})
    return rows


def list_pending(state, found, _options):
    ct = container(state, found["vmid"])
    rows = []
    for key in sorted({**ct["config"], **ct["pending"]}):
        row = {"key": key, **({"value": ct["config"][key]} if key in ct["config"] else {})}
        if key in ct["pending"]:
            row.update({"delete": 1} if ct["pending"][key] is None else {"pending": ct["pending"][key]})
        rows.append(row)
    return rows


READS = [
    (r"/cluster/nextid", next_id),
    (r"/cluster/resources", lambda state, _found, _: state["resources"]),
    (r"/nodes/(?P<node>[^/]+)/lxc", list_containers),
    (r"/nodes/(?P<node>[^/]+)/lxc/(?P<vmid>\d+)/pending", list_pending),
    (r"/nodes/(?P<node>[^/]+)/lxc/(?P<vmid>\d+)/status/current", lambda state, found, _: {"status": container(state, found["vmid"])["status"]}),
    (r"/nodes/(?P<node>[^/]+)/storage", lambda state, _found, _: state["storages"]),
    (
        r"/nodes/(?P<node>[^/]+)/storage/(?P<storage>[^/]+)/content",
        lambda state, found, _: [{"volid": volid} for volid in state["volumes"] if volid.startswith(found["storage"] + ":")],
    ),
    (r"/nodes/(?P<node>[^/]+)/aplinfo", lambda state, _found, _: [{"template": name} for name in state["offered"]]),
    (r"/nodes/(?P<node>[^/]+)/tasks", lambda state, _found, options: state["tasks"].pop(0) if state["tasks"] and options["source"] == "active" else []),
]


def pvesh(state, argv):
    for pattern, answer in READS:
        found = re.fullmatch(pattern, argv[1])
        if found and found.groupdict().get("node", state["node"]) == state["node"]:
            return json.dumps(answer(state, found.groupdict(), options_of(argv[2:])))
    return fail("no such resource: " + argv[1])


# --- pct -----------------------------------------------------------------------------------------------------------
def create(state, vmid, _template, *words):
    if vmid in state["cts"]:
        fail(f"unable to create CT {vmid} - CT {vmid} already exists on node '{state['node']}'")
    options = options_of(words)
    keys = Path(options.pop("ssh-public-keys")).read_text(encoding="utf-8")
    storage, _colon, size = options["rootfs"].partition(":")
    options["rootfs"] = f"{storage}:subvol-{vmid}-disk-0,size={size}G"
    options.update({key: allocated(vmid, key, value) for key, value in options.items() if key.startswith("mp")})
    options.update({key: value + ",hwaddr=BC:24:11:00:00:01" for key, value in options.items() if key.startswith("net")})
    state["cts"][vmid] = {"status": "stopped", "config": {**options, "ostype": "debian"}, "pending": {}, "logins": keys}


def allocated(vmid, key, text):
    """Return a mount's entry with a volume for ``storage:size``."""
    found = re.match(r"^([^:/,]+):(\d+),(.*)$", text)
    return f"{found[1]}:vm-{vmid}-disk-{int(key[2:]) + 1},{found[3]},size={found[2]}G" if found else text


def change(state, vmid, *words):
    options = {key: allocated(vmid, key, value) if key.startswith("mp") else value for key, value in options_of(words).items()}
    changes = {**{key: None for key in options.pop("delete", "").split(",") if key}, **options}
    ct = container(state, vmid)
    config, pending = ct["config"], ct["pending"]
    for key, value in changes.items():
        pending.pop(key, None)
        added = key not in config and re.match(r"^(dev|mp)\d+$", key)
        if value == config.get(key):
            continue
        if ct["status"] == "running" and not (value is not None and (added or LIVE.match(key))):
            pending[key] = value
        elif value is None:
            config.pop(key, None)
        else:
            config[key] = value


def resize(state, vmid, disk, size):
    config = container(state, vmid)["config"]
    config[disk] = re.sub(r"size=\w+", "size=" + size, config[disk])


def start(state, vmid):
    ct = container(state, vmid)
    ct["config"] = {key: value for key, value in {**ct["config"], **ct["pending"]}.items() if value is not None}
    ct.update(status="running", pending={}, stale=False)


def stop(state, vmid, *_options):
    container(state, vmid)["status"] = "stopped"


def unlock(state, vmid):
    container(state, vmid)["config"].pop("lock")


def destroy(state, vmid, *_options):
    del state["cts"][vmid]


def execute(state, vmid, *words):
    ct = container(state, vmid)
    if ct["status"] != "running":
        fail(f"container '{vmid}' not running!")
    if any("cat >>" in word for word in words):
        ct["logins"] += state["stdin"]
        return ""
    if words[1] == "groupadd":
        state["says"] += f"\ngroup {words[-1]} 999"
        return ""
    # Someone who ended a mount on the node since the start left the container with what was there before.
    mounts = {text.partition(",mp=")[2].partition(",")[0]: text.partition(",")[0] for key, text in ct["config"].items() if key.startswith("mp")}
    asked = [path for path in words[words.index("probe") + 1 :] if path in mounts and not ct.get("stale")]
    seen = [(path, Path(mounts[path]).stat()) for path in asked if Path(mounts[path]).exists()]
    found = [f"mount {what.st_dev}:{what.st_ino} {path}" for path, what in seen]
    return "\n".join([state["says"], *found, *("login " + line for line in ct["logins"].splitlines()), ""])


PCT = {"create": create, "set": change, "resize": resize, "start": start, "shutdown": stop, "stop": stop, "unlock": unlock, "destroy": destroy, "exec": execute}


def pct(state, argv):
    return PCT[argv[0]](state, *argv[1:])


# --- pveam ---------------------------------------------------------------------------------------------------------
def pveam(state, argv):
    if argv[0] == "update":
        state["offered"] = state.get("index", [])
    elif argv[0] == "download":
        state["volumes"].append(f"{argv[1]}:vztmpl/{argv[2]}")


PROGRAMS = {"pvesh": pvesh, "pct": pct, "pveam": pveam}


def timed(state, argv, data=""):
    """Run ``timeout -k SECONDS SECONDS PROGRAM…``: what hangs is ended."""
    line = " ".join([argv[4].rpartition("/")[2], *argv[5:]])
    if any(words in line for words in state.get("hangs", [])):
        return 124, "", ""
    return run(state, [argv[4].rpartition("/")[2], *argv[5:]], data)


def run(state, argv, data=""):
    """Run one of the programs on the state; return what a process would: exit status, output, errors."""
    state["calls"].append(argv)
    state["stdin"] = data
    line = " ".join(argv)
    failure = next((one for one in state["failures"] if one["when"] in line and one.setdefault("times", 1) > 0), None)
    if failure:
        failure["times"] -= 1
        state.update(failure.get("then", {}))
        return 255, "", failure["says"]
    try:
        return 0, PROGRAMS[argv[0]](state, argv[1:]) or "", ""
    except FakeError as exc:
        return 255, "", str(exc)
