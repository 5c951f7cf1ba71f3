# Written by psw. Changes made here are lost.
"""Keeps each of psw's containers with its own GPU when the kernel numbers cards anew; runs at boot, before guests start.

Proxmox VE passes devices through by path, and the kernel hands out /dev/nvidia0 and /dev/dri/renderD128 in the order in which drivers find
cards. A card is known by its PCI address, or, when slots were numbered anew, by its kind and its place among those of its kind.
"""

import json
import os
import re
import subprocess
import sys
import time

STATE = "var/lib/psw/gpu-cards.json"
CONFIGS = "etc/pve/lxc"
KINDS = ("nvidia", "render")
PATIENCE = 60  # seconds: without a quorum, which other nodes may still have to bring, no configuration can be written


def read(path):
    """Return a file's text; an empty one when there is no reading it."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return ""


def names(directory):
    """Return the names in a directory, sorted."""
    try:
        return sorted(os.listdir(directory))
    except OSError:
        return []


def cards(root):
    """Return what each card's own device nodes are called now: {address: {id, nvidia, render}}."""
    found = {}
    bus = os.path.join(root, "sys/bus/pci/devices")
    for address in names(bus):
        place = os.path.join(bus, address)
        if not read(os.path.join(place, "class")).startswith(("0x03", "0x12")):
            continue
        card = {"id": ":".join(read(os.path.join(place, name))[2:] for name in ("vendor", "device"))}
        minor = re.search(r"^Device Minor:\s*(\d+)", read(os.path.join(root, "proc/driver/nvidia/gpus", address, "information")), re.MULTILINE)
        if minor:
            card["nvidia"] = "/dev/nvidia" + minor.group(1)
        for name in names(os.path.join(place, "drm")):
            if name.startswith("renderD"):
                card["render"] = "/dev/dri/" + name
        if len(card) > 1:
            found[address] = card
    return found


def places(before, now):
    """Return where each card is now: {address before: address now}. Cards of one kind that all moved keep their order."""
    where = {address: address for address, card in before.items() if now.get(address, {}).get("id") == card["id"]}
    for kind in sorted({card["id"] for card in before.values()}):
        lost = sorted(address for address, card in before.items() if card["id"] == kind and address not in where)
        new = sorted(address for address, card in now.items() if card["id"] == kind and address not in where)
        if len(lost) == len(new):
            where.update(zip(lost, new))
    return where


def renames(before, now):
    """Return {path: path now} of the nodes that are called otherwise; None for a path that another card has now, whose own card is gone."""
    where, taken = places(before, now), {card[kind] for card in now.values() for kind in KINDS if kind in card}
    found = {}
    for address, card in before.items():
        here = now.get(where.get(address), {})
        for kind in KINDS:
            path, current = card.get(kind), here.get(kind)
            if path and path != current and (current or path in taken):
                found[path] = current
    return found


def remembered(before, now):
    """Return the cards to know at the next boot: those that are there, and those that are gone and whose names nobody has taken."""
    found, where = dict(now), places(before, now)
    taken = {card[kind] for card in now.values() for kind in KINDS if kind in card}
    for address, card in before.items():
        if address not in where and address not in found and not taken & {card.get(kind) for kind in KINDS}:
            found[address] = card
    return found


def entries(config):
    """Return a container's devN entries as they will be at its next start, {} for a container that is not psw's."""
    current, pending = {}, {}
    section = current
    for line in config.splitlines():
        if line.startswith("["):
            section = pending if line.strip() == "[pve:pending]" else {}
        key, _colon, value = line.partition(":")
        section[key.strip()] = value.strip()
    if "psw" not in re.split(r"[;, ]+", current.get("tags", "")):
        return {}
    leaving = re.split(r"[,;!\s]+", pending.get("delete", ""))  # such as dev0,!net1; the mark says that it goes by force
    return {key: text for key, text in {**current, **pending}.items() if re.match(r"dev\d+$", key) and key not in leaving}


def changes(config, moved, owed):
    """Return {devN: [text, text to be]}; None is an entry that goes. What an earlier boot still owes is taken for done."""
    found = {}
    for key, text in entries(config).items():
        had, wanted = owed.get(key, [text, text])
        target = wanted if had == text else text
        path = re.search(r"(?:^|,)(?:path=)?(/[^,]+)", target or "")
        if path and path.group(1) in moved:
            new = moved[path.group(1)]
            target = target.replace(path.group(1), new) if new else None
        if target != text:
            found[key] = [text, target]
    return found


def command(vmid, changed):
    """Return the one command that changes a container's entries."""
    options = [word for key, (_had, text) in sorted(changed.items()) if text for word in ("--" + key, text)]
    gone = sorted(key for key, (_had, text) in changed.items() if not text)
    return ["pct", "set", vmid, *options, *(["--delete", ",".join(gone)] if gone else [])]


def save(root, state):
    """Write down what is known and owed, whole or not at all."""
    path = os.path.join(root, STATE)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path + ".part", "w", encoding="utf-8") as file:
        json.dump(state, file, indent=1, sort_keys=True)
        file.flush()
        os.fsync(file.fileno())
    os.replace(path + ".part", path)


def carry_out(vmid, changed, deadline):
    """Change a container's entries; return whether that worked."""
    while True:
        done = subprocess.run(command(vmid, changed), check=False, capture_output=True, text=True)
        if done.returncode == 0:
            for key, (had, text) in sorted(changed.items()):
                print(f"psw: container {vmid}: {key} was {had}, is {text or 'removed, as its card is gone and another has that name'}")
            return True
        if time.monotonic() > deadline:
            print(f"psw: container {vmid} may start with another card than its own: {done.stderr.strip()}", file=sys.stderr)
            return False
        time.sleep(3)


def main(root="/"):
    """Compare with the last boot, write down first what follows from that, and do it."""
    try:
        state = json.loads(read(os.path.join(root, STATE)) or "{}")
    except ValueError:
        state = {}
    before, owed, now = state.get("cards", {}), state.get("owed", {}), cards(root)
    moved, configs = renames(before, now), os.path.join(root, CONFIGS)
    todo = {}
    for name in names(configs):
        vmid = name.partition(".")[0]
        changed = changes(read(os.path.join(configs, name)), moved, owed.get(vmid, {}))
        if changed:
            todo[vmid] = changed
    state = {"cards": remembered(before, now), "owed": dict(todo)}
    save(root, state)
    deadline = time.monotonic() + PATIENCE
    for vmid, changed in todo.items():
        if carry_out(vmid, changed, deadline):
            del state["owed"][vmid]
            save(root, state)
    return 1 if state["owed"] else 0


if __name__ == "__main__":
    sys.exit(main())
