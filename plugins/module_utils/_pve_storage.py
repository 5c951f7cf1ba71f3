# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which storage and which template a new container comes from; private to the collection."""

from __future__ import annotations

import re

from ansible_collections.psw.ai.plugins.module_utils._errors import ModuleRefusal
from ansible_collections.psw.ai.plugins.module_utils._lxc_journal import alone

GIB = 1024**3


TEMPLATES = "lxc_target_template_storage"  # where a user names their storage
VOLUMES = "storage.models.storage in psw.yml, or the role's lxc_target_mounts"


def of_root_disk(hostname):
    """Return where a user names the storage of a container's root disk."""
    return "targets.%s.storage in psw.yml, or the role's lxc_target_storage" % hostname


def usable_storages(rows, content, room_gib=0):
    """Return the names of the active storages with this content and room: those of this node before shared ones, then by name."""
    return [row["storage"] for row in sorted(rows, key=_rank) if not _unfit(row, content, room_gib)]


def choose_storage(rows, content, named_in, wanted="auto", room_gib=0):
    """Return the first of the usable storages, or the wanted one, if it is usable; ``named_in`` says where the user names it."""
    usable = usable_storages(rows, content, room_gib)
    if wanted == "auto" and usable:
        return usable[0]
    if wanted in usable:
        return wanted
    seen = ["%s (%s)" % (row["storage"], _unfit(row, content, room_gib) or "fits") for row in sorted(rows, key=_rank)]
    which, other = ("no storage", "") if wanted == "auto" else ("storage %s is not one that" % wanted, "name another storage (%s), " % named_in)
    raise ModuleRefusal(
        "no_storage",
        "%s takes %s and has %d GiB of room; seen: %s" % (which, content, room_gib, ", ".join(seen) or "none"),
        other + "make room, or allow the content in Datacenter > Storage",
    )


def _rank(row):
    return int(row.get("shared") or 0), row["storage"]


def _unfit(row, content, room_gib):
    if content not in row.get("content", "").split(","):
        return "content %s" % row.get("content")
    if not row.get("active", 1) or not row.get("enabled", 1):
        return "not active"
    if row.get("avail") is not None and int(row["avail"]) < room_gib * GIB:
        return "%d GiB free" % (int(row["avail"]) // GIB)
    return None


def newest(names, pattern):
    """Return the newest of the templates that the pattern names, such as ``debian-13-standard``; None if there is none."""
    fitting = [name for name in names if re.split(r"[:/]", name)[-1].startswith((pattern + "_", pattern + "-"))]
    return max(fitting, key=_version, default=None)


def _version(name):
    version = re.split(r"[:/]", name)[-1].partition("_")[2]
    return [int(number) for number in re.findall(r"\d+", version.partition("_")[0])], name


def resolve_template(pve, storages, pattern, wanted_storage, *, foretold):
    """Return the volume of the newest template here that fits; downloads it when there is none, or only looks whether that would work."""
    found = _here(pve, storages, pattern, wanted_storage)
    if found:
        return found
    if foretold:
        choose_storage(storages, "vztmpl", TEMPLATES, wanted_storage, 1)
        offered = _offered(pve)
        # An empty index says nothing: a real run updates it.
        if offered and not newest(offered, pattern):
            raise _no_template(pattern)
        return None
    # Several containers are often made at the same time: one downloads, the others find what it brought.
    with alone("template"):
        return _here(pve, storages, pattern, wanted_storage) or _download(pve, storages, pattern, wanted_storage)


def _here(pve, storages, pattern, wanted_storage):
    for row in storages:
        if wanted_storage in {"auto", row["storage"]} and not _unfit(row, "vztmpl", 0):
            rows = pve.get("/nodes/{node}/storage/%s/content" % row["storage"], content="vztmpl")
            found = newest([item["volid"] for item in rows], pattern)
            if found:
                return found
    return None


def _download(pve, storages, pattern, wanted_storage):
    storage = choose_storage(storages, "vztmpl", TEMPLATES, wanted_storage, 1)
    name = newest(_offered(pve), pattern)
    if not name:
        pve.pveam("update")
        name = newest(_offered(pve), pattern)
    if not name:
        raise _no_template(pattern)
    pve.pveam("download", storage, name)
    return "%s:vztmpl/%s" % (storage, name)


def _no_template(pattern):
    return ModuleRefusal("no_template", "no template %s on this node, and none offered by its template index" % pattern, "see what there is: pveam available")


def _offered(pve):
    return [row["template"] for row in pve.get("/nodes/{node}/aplinfo")]
