# SPDX-License-Identifier: GPL-3.0-or-later
"""A node's pvesh, pct and pveam for unit tests: one program under three names, state and calls in a JSON file.

Only what the modules use, with Proxmox VE's rules for what a running container takes at once and what it leaves pending.
"""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path

STATE = Path(os.environ.get("FAKE_PVE", "/nonexistent"))
LIVE = re.compile(r"^(net\d+|cores|memory|swap|description|onboot|startup|tags|hostname)$")


def fail(message):
    print(message, file=sys.stderr)
    sys.exit(255)


def options_of(argv):
    """Return the options after a command, with a leading dash or two, as a dict."""
    found, words = {}, iter(argv)
    for word in words:
        found[word.lstrip("-")] = next(words)
    return found


def apply(ct, key, value):
    config, pending = ct["config"], ct.setdefault("pending", {})
    live = ct["status"] != "running" or LIVE.match(key) or (key not in config and re.match(r"^(dev|mp)\d+$", key) and value is not None)
    pending.pop(key, None)
    if value == config.get(key):
        return
    if not live:
        pending[key] = value
    elif value is None:
        config.pop(key, None)
    else:
        config[key] = value


def pvesh(state, argv):
    path, options = argv[1], options_of(argv[2:])
    node = "/nodes/%s" % state["node"]
    parts = path[len(node) + 1 :].split("/")
    if path == "/cluster/nextid":
        taken = {int(vmid) for vmid in state["cts"]}
        return str(next(number for number in range(state.get("next", 100), 1000) if number not in taken))
    if not path.startswith(node + "/"):
        fail("no such resource: " + path)
    if parts == ["lxc"]:
        rows = []
        for vmid, ct in state["cts"].items():
            row = {"vmid": int(vmid), "name": ct["config"].get("hostname", "CT" + vmid), "status": ct["status"]}
            rows.append({**row, **{key: ct["config"][key] for key in ("tags", "lock") if key in ct["config"]}})
        return rows
    if parts[0] == "lxc":
        ct = state["cts"].get(parts[1]) or fail("Configuration file 'nodes/%s/lxc/%s.conf' does not exist" % (state["node"], parts[1]))
        if parts[2:] == ["status", "current"]:
            return {"status": ct["status"]}
        assert parts[2] == "pending", path
        rows = []
        for key in sorted({**ct["config"], **ct.get("pending", {})}):
            row = {"key": key}
            if key in ct["config"]:
                row["value"] = ct["config"][key]
            if key in ct.get("pending", {}):
                value = ct["pending"][key]
                row.update({"delete": 1} if value is None else {"pending": value})
            rows.append(row)
        return rows
    if parts == ["storage"]:
        return state["storages"]
    if parts[0] == "storage":
        return [{"volid": volid} for volid in state["volumes"] if volid.startswith(parts[1] + ":")]
    if parts == ["aplinfo"]:
        return [{"template": name} for name in state["offered"]]
    if parts == ["tasks"]:
        return state["tasks"].pop(0) if state.get("tasks") and options.get("source") == "active" else []
    return fail("no such resource: " + path)


def pct(state, argv):
    verb, vmid = argv[0], argv[1]
    ct = state["cts"].get(vmid)
    if verb == "create":
        if ct:
            fail("unable to create CT %s - CT %s already exists on node '%s'" % (vmid, vmid, state["node"]))
        options = options_of(argv[3:])
        keys = Path(options.pop("ssh-public-keys")).read_text(encoding="utf-8")
        storage, _colon, size = options.pop("rootfs").partition(":")
        options["rootfs"] = "%s:subvol-%s-disk-0,size=%sG" % (storage, vmid, size)
        for key, value in options.items():
            if key.startswith("net"):
                options[key] = value + ",hwaddr=BC:24:11:00:00:01"
        state["cts"][vmid] = {"status": "stopped", "config": {**options, "ostype": "debian"}, "pending": {}, "logins": keys}
        return
    if not ct:
        fail("Configuration file 'nodes/%s/lxc/%s.conf' does not exist" % (state["node"], vmid))
    if verb == "set":
        options = options_of(argv[2:])
        for key in options.pop("delete", "").split(","):
            if key:
                apply(ct, key, None)
        for key, value in options.items():
            apply(ct, key, value)
    elif verb == "resize":
        ct["config"]["rootfs"] = re.sub(r"size=\w+", "size=" + argv[3], ct["config"]["rootfs"])
    elif verb == "start":
        ct["config"] = {key: value for key, value in {**ct["config"], **ct.get("pending", {})}.items() if value is not None}
        ct.update(status="running", pending={})
    elif verb in {"shutdown", "stop"}:
        ct["status"] = "stopped"
    elif verb == "unlock":
        ct["config"].pop("lock", None)
    elif verb == "destroy":
        del state["cts"][vmid]
    elif verb == "exec":
        if ct["status"] != "running":
            fail("container '%s' not running!" % vmid)
        if "cat >>" in argv[-1]:
            ct["logins"] += sys.stdin.read()
        else:
            print(ct.get("says", state["says"]))
            for line in ct.get("logins", "").splitlines():
                print("login " + line)
    else:
        fail("unknown command 'pct %s'" % verb)


def pveam(state, argv):
    if argv[0] == "update":
        state["offered"] = state.get("index", [])
    elif argv[0] == "download":
        state["volumes"].append("%s:vztmpl/%s" % (argv[1], argv[2]))


def main():
    program, argv = Path(sys.argv[0]).name, sys.argv[1:]
    state = json.loads(STATE.read_text(encoding="utf-8"))
    state["calls"].append([program, *argv])
    STATE.write_text(json.dumps(state), encoding="utf-8")
    for failure in state.get("failures", []):
        if failure["when"] in " ".join([program, *argv]) and failure.setdefault("times", 1) > 0:
            failure["times"] -= 1
            state.update(failure.get("then", {}))
            STATE.write_text(json.dumps(state), encoding="utf-8")
            fail(failure["says"])
    answer = {"pvesh": pvesh, "pct": pct, "pveam": pveam}[program](state, argv)
    STATE.write_text(json.dumps(state), encoding="utf-8")
    if program == "pvesh":
        print(json.dumps(answer))


if __name__ == "__main__":
    main()
