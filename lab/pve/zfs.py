"""`zfs`: datasets over real directories, with OpenZFS 2.3's options, checks and words."""

import sys
from collections.abc import Callable

from .zfsargs import door, last, operand, parse
from .zfschange import create, destroy, inherit, mount, set_, snapshot, unmount
from .zfsstate import opened
from .zfsview import ALL, SNAPSHOT_ONLY, as_json, check_names, columns, printed, select

LIST_COLUMNS = "name,used,available,referenced,mountpoint"
HEADERS = {
    "available": "AVAIL",
    "referenced": "REFER",
    "compressratio": "RATIO",
    "recordsize": "RECSIZE",
    "compression": "COMPRESS",
    "refreservation": "REFRESERV",
}


def list_(words: list[str]) -> None:
    """`zfs list [-Hprj] [-d depth] [-o columns] [-t types] [-s|-S column] [dataset…]`."""
    options, names = parse(words, "Hprjd:o:t:s:S:", ("json-int",))
    flags = {option for option, _ in options}
    keys = check_names(last(options, "-o", LIST_COLUMNS).split(","), "list")
    depth = int(last(options, "-d", "0")) if "-r" not in flags else None
    types = last(options, "-t", "filesystem,volume").split(",")
    with opened() as store:
        shown = select(store, names, types, depth if names else None)
        for option, key in reversed(options):
            if option in {"-s", "-S"}:
                numeric = [printed(store, name, key, exact=True)[0] for name in shown]
                order = sorted(range(len(shown)), key=lambda at: (not numeric[at].isdigit(), int(numeric[at]) if numeric[at].isdigit() else 0, numeric[at]))
                shown = [shown[at] for at in (order if option == "-s" else reversed(order))]
        exact, scripted = "-p" in flags, "-H" in flags
        if "-j" in flags:
            print(as_json(store, "zfs list", shown, lambda _name: keys, exact=exact, numbers="--json-int" in flags))
            return
        rows = [[printed(store, name, key, exact=exact)[0] for key in keys] for name in shown]
    if not rows and not scripted:
        print("no datasets available", file=sys.stderr)
        return
    head = [] if scripted else [[HEADERS.get(key, key.upper()) for key in keys]]
    sys.stdout.write(columns([*head, *rows], scripted=scripted, right=[at for at, key in enumerate(keys) if key in {"used", "available", "referenced"}]))


def get(words: list[str]) -> None:
    """`zfs get [-Hprj] [-d depth] [-o fields] [-s sources] [-t types] all|property,… [dataset…]`."""
    options, operands = parse(words, "Hprjd:o:s:t:", ("json-int",))
    flags = {option for option, _ in options}
    asked = operand(operands, "property")
    keys = None if asked == "all" else check_names(asked.split(","), "get")
    fields = last(options, "-o", "name,property,value,source").replace("all", "name,property,value,received,source").split(",")
    sources = set(last(options, "-s", "local,default,inherited,temporary,received,none").split(","))
    types = last(options, "-t", "all").split(",")
    depth = int(last(options, "-d", "0")) if "-r" not in flags else None
    exact = "-p" in flags
    with opened() as store:
        shown = select(store, operands[1:], types, depth)

        def keys_of(name: str) -> list[str]:
            own = [*SNAPSHOT_ONLY[:-1]] if "@" in name else ALL
            return keys if keys is not None else [*own, *store.names_of_user_properties(name)]

        if "-j" in flags:
            print(as_json(store, "zfs get", shown, keys_of, exact=exact, numbers="--json-int" in flags))
            return
        rows = []
        for name in shown:
            for key in keys_of(name):
                value, source = printed(store, name, key, exact=exact)
                if {"-": "none"}.get(source, source.split()[0]) in sources:
                    cells = {"name": name, "property": key, "value": value, "received": "-", "source": source}
                    rows.append([cells[field] for field in fields])
    head = [] if "-H" in flags else [[field.upper() for field in fields]]
    sys.stdout.write(columns([*head, *rows], scripted="-H" in flags))


def version(_words: list[str]) -> None:
    """`zfs version`."""
    print("zfs-2.3.4-pve1\nzfs-kmod-2.3.4-pve1")


COMMANDS: dict[str, Callable[[list[str]], None]] = {
    "create": create, "destroy": destroy, "snapshot": snapshot, "snap": snapshot, "set": set_, "inherit": inherit, "list": list_, "get": get, "mount": mount,
    "unmount": unmount, "umount": unmount, "version": version, "--version": version, "-V": version,
}  # fmt: skip


def main(argv: list[str]) -> int:
    """Run `zfs`."""
    return door(COMMANDS, "zfs", argv)
