"""What `zfs list` and `zfs get` show of a dataset, as text and as OpenZFS 2.3's JSON."""

import json
import time
from collections.abc import Callable, Sequence
from typing import Any

from .zfsprops import PROPERTIES, READONLY, SIZES, ZfsError, canonical, is_user, show
from .zfsstate import Store

ORDER = ("type", "creation", "used", "available", "referenced", "compressratio", "mounted", "quota", "reservation", "recordsize", "mountpoint")
ALL = [*ORDER, *[name for name in (*PROPERTIES, *READONLY) if name not in {*ORDER, "name"}]]
SNAPSHOT_ONLY = ("type", "creation", "used", "referenced", "compressratio", "createtxg", "guid", "name")


def kind(name: str) -> str:
    """Return a dataset's type."""
    return "snapshot" if "@" in name else "filesystem"


def raw(store: Store, name: str, key: str) -> tuple[str, str]:
    """Return a property's stored value and source; "-" where it has none."""
    key = canonical(key)
    if key in PROPERTIES or is_user(key):
        return ("-", "-") if "@" in name and key in PROPERTIES else store.value(name, key)
    data = store.datasets[name]
    snapshot = "@" in name
    sizes = {"used": store.used, "available": store.available, "referenced": store.own_used, "usedbydataset": store.own_used, "logicalused": store.used,
             "logicalreferenced": store.own_used, "written": store.own_used}  # fmt: skip
    if key in sizes:
        return ("-" if snapshot and key == "available" else str(sizes[key](name))), "-"
    values = {
        "name": name, "type": kind(name), "creation": str(data["creation"]), "createtxg": str(data["createtxg"]), "guid": data["guid"], "version": "5",
        "compressratio": "1.00", "refcompressratio": "1.00", "objsetid": str(data["createtxg"] + 40), "usedbysnapshots": "0", "usedbyrefreservation": "0",
        "usedbychildren": str(store.used(name) - store.own_used(name)) if not snapshot else "-",
        "mounted": "-" if snapshot else "yes" if store.is_mounted(name) else "no",
    }  # fmt: skip
    return values.get(key, "-"), "-"


def printed(store: Store, name: str, key: str, *, exact: bool) -> tuple[str, str]:
    """Return a property's value as it is printed, and its source."""
    value, source = raw(store, name, key)
    key = canonical(key)
    if key == "creation" and not exact:
        return time.strftime("%a %b %e %H:%M %Y", time.gmtime(int(value))), source
    if key in {"compressratio", "refcompressratio"}:
        return (value if exact else f"{value}x"), source
    return show(key, value, exact=exact), source


def check_names(names: Sequence[str], what: str) -> list[str]:
    """Return the full names of a comma-separated list's properties; an unknown one is a usage error."""
    for name in names:
        if canonical(name) not in PROPERTIES and canonical(name) not in READONLY and not is_user(name):
            raise ZfsError(f"bad property list: invalid property '{name}'\nFor more info, run: zfs help {what}", 2)
    return [canonical(name) for name in names]


def select(store: Store, names: Sequence[str], types: Sequence[str], depth: int | None) -> list[str]:
    """Return the datasets to show: the named ones with those below them to a depth, of the types asked for."""
    wanted: list[str] = []
    roots = list(names) or sorted(store.pools)
    depth = depth if names else None
    for root in roots:
        store.need(root)
        if "@" in root:
            wanted.append(root)
            continue
        for name in [root, *store.children(root)]:
            level = name.count("/") - root.count("/")
            if depth is None or level <= depth:
                wanted.append(name)
                if depth is None or level < depth or "snapshot" in types:
                    wanted += store.snapshots(name)
    allowed = {"snapshot", "filesystem"} if "all" in types else {{"snap": "snapshot", "fs": "filesystem"}.get(text, text) for text in types}
    return [name for name in dict.fromkeys(wanted) if kind(name) in allowed or ("@" in name and name in names)]


def columns(rows: Sequence[Sequence[str]], *, scripted: bool, right: Sequence[int] = ()) -> str:
    """Return rows as zfs prints them: tabs for scripts, padded columns for people."""
    if scripted:
        return "".join("\t".join(row) + "\n" for row in rows)
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))] if rows else []
    lines = []
    for row in rows:
        cells = [f"{cell:>{widths[at]}}" if at in right else f"{cell:<{widths[at]}}" for at, cell in enumerate(row)]
        lines.append("  ".join(cells).rstrip() + "\n")
    return "".join(lines)


def source_json(source: str) -> dict[str, str]:
    """Return a property's source as the JSON output has it."""
    if source.startswith("inherited from "):
        return {"type": "INHERITED", "data": source.removeprefix("inherited from ")}
    return {"type": {"-": "NONE", "local": "LOCAL", "default": "DEFAULT"}.get(source, "NONE"), "data": "-"}


def as_json(  # noqa: PLR0913 - the switches of -j
    store: Store, command: str, names: Sequence[str], keys: Callable[[str], Sequence[str]], *, exact: bool, numbers: bool
) -> str:
    """Return `-j` output; `keys` gives the properties of a dataset."""
    datasets = {}
    for name in names:
        properties: dict[str, Any] = {}
        for key in keys(name):
            if key == "name":
                continue
            value, source = printed(store, name, key, exact=exact or numbers)
            number = numbers and (key in SIZES or key in {"creation", "createtxg", "guid"}) and value.isdigit()
            properties[key] = {"value": int(value) if number else value, "source": source_json(source)}
        txg = store.datasets[name]["createtxg"]
        entry: dict[str, Any] = {
            "name": name,
            "type": kind(name).upper(),
            "pool": name.partition("/")[0].partition("@")[0],
            "createtxg": txg if numbers else str(txg),
        }
        if "@" in name:
            entry.update(dataset=name.partition("@")[0], snapshot_name=name.partition("@")[2])
        datasets[name] = {**entry, "properties": properties}
    return json.dumps({"output_version": {"command": command, "vers_major": 0, "vers_minor": 1}, "datasets": datasets})
