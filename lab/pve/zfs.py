"""`zfs`: datasets over real directories, with OpenZFS 2.3's options, checks and words."""

import getopt
import os
import shutil
import sys
from collections.abc import Callable

from .zfsprops import PROPERTIES, READONLY, ZfsError, canonical, check, check_name, is_user
from .zfsstate import Store, new_dataset, opened
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


def parse(words: list[str], short: str, long: tuple[str, ...] = ()) -> tuple[list[tuple[str, str]], list[str]]:
    """Return options and operands as getopt reads them."""
    try:
        return getopt.gnu_getopt(words, short, list(long))
    except getopt.GetoptError as error:
        raise ZfsError(f"invalid option '{error.opt}'\nusage: run `zfs help`", 2) from error


def _last(options: list[tuple[str, str]], key: str, default: str) -> str:
    return next((value for option, value in reversed(options) if option == key), default)


def _operand(operands: list[str], what: str) -> str:
    if not operands:
        raise ZfsError(f"missing {what} argument\nusage: run `zfs help`", 2)
    return operands[0]


def _assignments(pairs: list[str], what: str, *, creating: bool) -> dict[str, str]:
    found: dict[str, str] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals:
            raise ZfsError(f"missing '=' for property=value argument\nusage: {pair}", 2)
        key = canonical(key)
        if key in found:
            raise ZfsError(f"property '{key}' specified multiple times", 2)
        found[key] = check(key, value, what, creating=creating)
    return found


def _fits(store: Store, name: str, changes: dict[str, str], what: str) -> None:
    quota = int(changes.get("quota", 0))
    if quota and quota < store.used(name):
        raise ZfsError(f"{what}: size is less than current used or reserved space")


def create(words: list[str]) -> None:
    """`zfs create [-pu] [-o property=value]… filesystem`."""
    options, operands = parse(words, "pPnuvo:s:b:V:")
    name = _operand(operands, "filesystem")
    flags = {option for option, _ in options}
    if "-V" in flags:
        raise ZfsError("the lab has no volumes, only file systems")
    what = f"cannot create '{name}'"
    local = _assignments([value for option, value in options if option == "-o"], what, creating=True)
    check_name(name, what)
    with opened(write="-n" not in flags) as store:
        pool = name.partition("/")[0]
        if pool not in store.pools:
            raise ZfsError(f"{what}: no such pool '{pool}'")
        if name in store.datasets:
            if "-p" in flags:
                return
            raise ZfsError(f"{what}: dataset already exists")
        missing = []
        parent = name.rpartition("/")[0]
        while parent and parent not in store.datasets:
            missing.append(parent)
            parent = parent.rpartition("/")[0]
        if missing and "-p" not in flags:
            raise ZfsError(f"{what}: parent does not exist")
        for made in [*reversed(missing), name]:
            store.datasets[made] = new_dataset(made, local if made == name else {}, store.next_txg())
            if not flags & {"-u", "-n"}:
                store.mount(made)


def destroy(words: list[str]) -> None:
    """`zfs destroy [-fnprRv] filesystem|snapshot`."""
    options, operands = parse(words, "fnprRvd")
    name = _operand(operands, "dataset")
    flags = {option for option, _ in options}
    with opened(write="-n" not in flags) as store:
        store.need(name)
        if name in store.pools:
            raise ZfsError(f"cannot destroy '{name}': operation does not apply to pools\nuse 'zfs destroy -r {name}' to destroy all datasets in the pool\n"
                           f"use 'zpool destroy {name}' to destroy the pool itself")  # fmt: skip
        below = [] if "@" in name else [*store.snapshots(name), *[one for child in store.children(name) for one in (child, *store.snapshots(child))]]
        if below and not flags & {"-r", "-R"}:
            raise ZfsError(f"cannot destroy '{name}': filesystem has children\nuse '-r' to destroy the following datasets:\n" + "\n".join(below))
        if "-n" in flags:
            return
        for gone in [*sorted(below, reverse=True), name]:
            store.unmount(gone)
            if "@" not in gone:
                place = store.value(gone, "mountpoint")[0]
                shutil.rmtree(store.source_directory(gone), ignore_errors=True)
                if place.startswith("/") and os.path.isdir(place) and not os.listdir(place):  # noqa: PTH208, PTH112 - a plain look
                    os.rmdir(place)  # noqa: PTH106 - as above
            del store.datasets[gone]


def snapshot(words: list[str]) -> None:
    """`zfs snapshot [-r] [-o property=value]… filesystem@name…`."""
    options, operands = parse(words, "ro:")
    _operand(operands, "snapshot")
    local = _assignments([value for option, value in options if option == "-o"], "cannot create snapshot", creating=True)
    with opened(write=True) as store:
        for full in operands:
            base, at, label = full.partition("@")
            if not at or not label:
                raise ZfsError(f"cannot create snapshot '{full}': missing '@' delimiter in snapshot name, did you mean to use -r?", 2)
            store.need(base)
            for name in [base, *(store.children(base) if ("-r", "") in options else [])]:
                if f"{name}@{label}" in store.datasets:
                    raise ZfsError(f"cannot create snapshot '{name}@{label}': dataset already exists\nno snapshots were created")
                store.datasets[f"{name}@{label}"] = new_dataset(f"{name}@{label}", dict(local), store.next_txg())


def set_(words: list[str]) -> None:
    """`zfs set [-u] property=value… dataset…`."""
    options, operands = parse(words, "u")
    pairs = [word for word in operands if "=" in word]
    names = [word for word in operands if "=" not in word]
    if not pairs or not names:
        raise ZfsError(f"missing {'property=value' if not pairs else 'dataset'} argument(s)\nusage: run `zfs help`", 2)
    with opened(write=True) as store:
        for name in names:
            store.need(name)
            what = f"cannot set property for '{name}'"
            changes = _assignments(pairs, what, creating=False)
            _fits(store, name, changes, what)
            moves = [one for one in (name, *store.children(name)) if store.is_mounted(one)] if "mountpoint" in changes else []
            for one in reversed(moves):
                store.unmount(one)
            store.datasets[name]["local"].update(changes)
            if {"mountpoint", "canmount"} & set(changes) and ("-u", "") not in options:
                for one in moves or [name]:
                    store.mount(one)


def inherit(words: list[str]) -> None:
    """`zfs inherit [-rS] property dataset…`."""
    _, operands = parse(words, "rS")
    key, *names = operands or [""]
    key = canonical(key)
    if key not in PROPERTIES and not is_user(key):
        raise ZfsError(f"invalid property '{key}'" if key not in READONLY else f"'{key}' property cannot be inherited", 2)
    if key in PROPERTIES and not PROPERTIES[key].inherits:
        raise ZfsError(f"'{key}' property cannot be inherited\nuse 'zfs set {key}=none' to clear", 2)
    with opened(write=True) as store:
        for name in names:
            store.need(name)["local"].pop(key, None)


def list_(words: list[str]) -> None:
    """`zfs list [-Hprj] [-d depth] [-o columns] [-t types] [-s|-S column] [dataset…]`."""
    options, names = parse(words, "Hprjd:o:t:s:S:", ("json-int",))
    flags = {option for option, _ in options}
    keys = check_names(_last(options, "-o", LIST_COLUMNS).split(","), "list")
    depth = int(_last(options, "-d", "0")) if "-r" not in flags else None
    types = _last(options, "-t", "filesystem,volume").split(",")
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
    asked = _operand(operands, "property")
    keys = None if asked == "all" else check_names(asked.split(","), "get")
    fields = _last(options, "-o", "name,property,value,source").replace("all", "name,property,value,received,source").split(",")
    sources = set(_last(options, "-s", "local,default,inherited,temporary,received,none").split(","))
    types = _last(options, "-t", "all").split(",")
    depth = int(_last(options, "-d", "0")) if "-r" not in flags else None
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


def mount(words: list[str]) -> None:
    """`zfs mount [-a | filesystem]`."""
    options, names = parse(words, "aflvOR")
    with opened() as store:
        if ("-a", "") in options:
            for name in sorted(name for name in store.datasets if "@" not in name):
                store.mount(name)
        elif names:
            store.need(names[0])
            if store.is_mounted(names[0]):
                raise ZfsError(f"cannot mount '{names[0]}': filesystem already mounted")
            store.mount(names[0])
        else:
            mounted = [name for name in sorted(store.datasets) if "@" not in name and store.is_mounted(name)]
            sys.stdout.write("".join(f"{name:<30}  {store.value(name, 'mountpoint')[0]}\n" for name in mounted))


def unmount(words: list[str]) -> None:
    """`zfs unmount [-f] filesystem|mountpoint`."""
    _, names = parse(words, "aflu")
    with opened() as store:
        for name in names:
            real = next((one for one in store.datasets if "@" not in one and store.value(one, "mountpoint")[0] == name), name)
            store.need(real)
            if not store.is_mounted(real):
                raise ZfsError(f"cannot unmount '{name}': not currently mounted")
            store.unmount(real)


def version(_words: list[str]) -> None:
    """`zfs version`."""
    print("zfs-2.3.4-pve1\nzfs-kmod-2.3.4-pve1")


COMMANDS: dict[str, Callable[[list[str]], None]] = {
    "create": create, "destroy": destroy, "snapshot": snapshot, "snap": snapshot, "set": set_, "inherit": inherit, "list": list_, "get": get, "mount": mount,
    "unmount": unmount, "umount": unmount, "version": version, "--version": version, "-V": version,
}  # fmt: skip


def door(commands: dict[str, Callable[[list[str]], None]], program: str, argv: list[str]) -> int:
    """Run a command and turn its refusal into text and exit code."""
    if not argv or argv[0] not in commands:
        print(f"unrecognized command '{argv[0]}'" if argv else f"missing command\nusage: {program} command args ...", file=sys.stderr)
        return 2
    try:
        commands[argv[0]](argv[1:])
    except ZfsError as error:
        print(error, file=sys.stderr)
        return error.code
    return 0


def main(argv: list[str]) -> int:
    """Run `zfs`."""
    return door(COMMANDS, "zfs", argv)
