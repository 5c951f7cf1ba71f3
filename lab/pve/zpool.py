"""`zpool`: the fixture machine's pools, to look at."""

import json
import sys
from typing import Any

from .zfsargs import door, parse
from .zfsprops import ZfsError, nice
from .zfsstate import GIB, Store, guid, opened
from .zfsview import columns

LIST_COLUMNS = "name,size,allocated,free,checkpoint,expandsize,fragmentation,capacity,dedupratio,health,altroot"
ALIASES = {"alloc": "allocated", "cap": "capacity", "frag": "fragmentation", "dedup": "dedupratio"}
HEADERS = {"allocated": "ALLOC", "checkpoint": "CKPOINT", "expandsize": "EXPANDSZ", "fragmentation": "FRAG", "capacity": "CAP", "dedupratio": "DEDUP"}
DEFAULTS = {"ashift": "12", "autoexpand": "off", "autoreplace": "off", "autotrim": "off", "bootfs": "-", "cachefile": "-", "comment": "-", "delegation": "on",
            "failmode": "wait", "listsnapshots": "off", "multihost": "off", "readonly": "off", "version": "-", "feature@large_blocks": "active",
            "feature@zstd_compress": "enabled"}  # fmt: skip


def properties(store: Store, name: str, *, exact: bool) -> dict[str, str]:
    """Return a pool's properties as printed."""
    pool = store.pools[name]
    size, used = int(float(pool["size_gib"]) * GIB), store.used(name)
    sizes = {"size": size, "allocated": used, "free": size - used}
    return {
        "name": name, **{key: str(value) if exact else nice(value) for key, value in sizes.items()}, "checkpoint": "-", "expandsize": "-",
        "fragmentation": "0" if exact else "0%", "capacity": f"{100 * used // size}{'' if exact else '%'}", "dedupratio": "1.00" if exact else "1.00x",
        "health": pool["health"], "altroot": "-", "guid": guid(name), **DEFAULTS, **{key: str(value) for key, value in pool.get("properties", {}).items()},
    }  # fmt: skip


def _number(*, numbers: bool) -> Any:
    """Return what turns a number's text into what the JSON has: text, unless --json-int was given."""
    return int if numbers else str


def _leaf(device: str, state: str, *, full: bool, numbers: bool) -> dict[str, Any]:
    path = device if device.startswith("/") else f"/dev/{device}"
    number = _number(numbers=numbers)
    return {"name": path if full else device, "vdev_type": "disk", "guid": number(guid(path)), "path": path, "class": "normal", "state": state,
            "read_errors": number("0"), "write_errors": number("0"), "checksum_errors": number("0")}  # fmt: skip


def vdevs(pool: dict[str, Any], *, full: bool, numbers: bool) -> dict[str, Any]:
    """Return a pool's tree below its root: single disks, or a mirror or raidz of them."""
    state = str(pool["health"])
    leaves = [_leaf(str(device), "ONLINE" if state == "DEGRADED" and at else state, full=full, numbers=numbers) for at, device in enumerate(pool["devices"])]
    found = {leaf["name"]: leaf for leaf in leaves}
    if not pool.get("vdev"):
        return found
    top = f"{pool['vdev']}-0"
    kind = "raidz" if str(pool["vdev"]).startswith("raidz") else str(pool["vdev"])
    return {top: {"name": top, "vdev_type": kind, "guid": guid(top), "class": "normal", "state": state, "vdevs": found}}


def _wanted(store: Store, names: list[str]) -> list[str]:
    for name in names:
        if name not in store.pools:
            raise ZfsError(f"cannot open '{name}': no such pool")
    return names or sorted(store.pools)


def _head(store: Store, name: str, *, numbers: bool) -> dict[str, Any]:
    number = _number(numbers=numbers)
    return {"name": name, "type": "POOL", "state": store.pools[name]["health"], "pool_guid": number(guid(name)), "txg": number(str(store.state["txg"])),
            "spa_version": number("5000"), "zpl_version": number("5")}  # fmt: skip


def _json(command: str, pools: dict[str, Any]) -> None:
    print(json.dumps({"output_version": {"command": command, "vers_major": 0, "vers_minor": 1}, "pools": pools}))


def status(words: list[str]) -> None:
    """`zpool status [-jPLpv] [pool…]`."""
    options, names = parse(words, "DLPTcgjipstvxe", ("json-int", "json-flat-vdevs", "json-pool-key-guid", "power"))
    flags = {option for option, _ in options}
    full, numbers = "-P" in flags, "--json-int" in flags
    with opened() as store:
        shown = _wanted(store, names)
        if "-j" in flags:
            pools = {}
            for name in shown:
                root = {"name": name, "vdev_type": "root", "guid": guid(name), "class": "normal", "state": store.pools[name]["health"],
                        "vdevs": vdevs(store.pools[name], full=full, numbers=numbers)}  # fmt: skip
                pools[name] = {**_head(store, name, numbers=numbers), "vdevs": {name: root}, "error_count": 0 if numbers else "0"}
            _json("zpool status", pools)
            return
        if not shown:
            print("no pools available")
        for name in shown:
            state = store.pools[name]["health"]
            print(f"  pool: {name}\n state: {state}\nconfig:\n\n\tNAME        STATE     READ WRITE CKSUM\n\t{name:<12}{state:<9}    0     0     0")
            for top in vdevs(store.pools[name], full=full, numbers=False).values():
                print(f"\t  {top['name']:<10}{top['state']:<9}    0     0     0")
                for leaf in top.get("vdevs", {}).values():
                    print(f"\t    {leaf['name']:<8}{leaf['state']:<9}    0     0     0")
            print("\nerrors: No known data errors")


def list_(words: list[str]) -> None:
    """`zpool list [-HpvjPL] [-o columns] [pool…]`."""
    options, names = parse(words, "HLPgjpvo:T:", ("json-int", "json-pool-key-guid"))
    flags = {option for option, _ in options}
    asked = next((value for option, value in reversed(options) if option == "-o"), LIST_COLUMNS).split(",")
    keys = [ALIASES.get(key, key) for key in asked]
    exact, scripted, numbers = "-p" in flags, "-H" in flags, "--json-int" in flags
    with opened() as store:
        shown = _wanted(store, names)
        found = {name: properties(store, name, exact=exact or numbers) for name in shown}
        for key in keys:
            if key not in {*DEFAULTS, *LIST_COLUMNS.split(","), "guid"}:
                raise ZfsError(f"bad property list: invalid property '{key}'", 2)
        if "-j" in flags:
            pools = {}
            for name in shown:
                texts = {key: found[name][key] for key in keys if key != "name"}
                values = {
                    key: {"value": int(text) if numbers and text.isdigit() else text, "source": {"type": "NONE", "data": "-"}} for key, text in texts.items()
                }
                pools[name] = {**_head(store, name, numbers=numbers), "properties": values}
                if "-v" in flags:
                    pools[name]["vdevs"] = vdevs(store.pools[name], full="-P" in flags, numbers=numbers)
            _json("zpool list", pools)
            return
        rows = []
        for name in shown:
            rows.append([found[name][key] for key in keys])
            if "-v" in flags:
                for top in vdevs(store.pools[name], full="-P" in flags, numbers=False).values():
                    rows.append([("\t" if scripted else "  ") + top["name"], *["-"] * (len(keys) - 1)])
                    rows += [[("\t" if scripted else "    ") + leaf["name"], *["-"] * (len(keys) - 1)] for leaf in top.get("vdevs", {}).values()]
    if not rows:
        print("no pools available", file=sys.stderr if scripted else sys.stdout)
        return
    head = [] if scripted else [[HEADERS.get(key, key.upper()) for key in keys]]
    sys.stdout.write(columns([*head, *rows], scripted=scripted, right=range(1, len(keys))))


def get(words: list[str]) -> None:
    """`zpool get [-Hp] [-o fields] all|property,… [pool…]`."""
    options, operands = parse(words, "Hpjo:", ("json-int",))
    if not operands:
        raise ZfsError("missing property argument\nusage: run `zpool help`", 2)
    flags = {option for option, _ in options}
    fields = next((value for option, value in reversed(options) if option == "-o"), "name,property,value,source").split(",")
    with opened() as store:
        rows = []
        for name in _wanted(store, operands[1:]):
            found = properties(store, name, exact="-p" in flags)
            for key in found if operands[0] == "all" else [ALIASES.get(key, key) for key in operands[0].split(",")]:
                if key not in found:
                    raise ZfsError(f"bad property list: invalid property '{key}'", 2)
                cells = {"name": name, "property": key, "value": found[key], "source": "default" if key in DEFAULTS else "-"}
                rows.append([cells[field] for field in fields])
    head = [] if "-H" in flags else [[field.upper() for field in fields]]
    sys.stdout.write(columns([*head, *rows], scripted="-H" in flags))


def version(_words: list[str]) -> None:
    """`zpool version`."""
    print("zfs-2.3.4-pve1\nzfs-kmod-2.3.4-pve1")


def main(argv: list[str]) -> int:
    """Run `zpool`."""
    return door({"status": status, "list": list_, "get": get, "version": version, "--version": version}, "zpool", argv)
