"""What `zfs` does to datasets: create, destroy, snapshot, set, inherit, mount."""

import os
import shutil
import sys

from .zfsargs import operand, parse
from .zfsprops import PROPERTIES, READONLY, ZfsError, canonical, check, check_name, is_user
from .zfsstate import Store, new_dataset, opened


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
    name = operand(operands, "filesystem")
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
    name = operand(operands, "dataset")
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
    operand(operands, "snapshot")
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
