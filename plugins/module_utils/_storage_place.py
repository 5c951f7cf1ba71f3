# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A place for large files on a storage of Proxmox VE that is no ZFS pool; private to the collection."""

from __future__ import annotations

import os

from ansible_collections.psw.ai.plugins.module_utils._disks import describe, under_volumes
from ansible_collections.psw.ai.plugins.module_utils._errors import ModuleRefusal
from ansible_collections.psw.ai.plugins.module_utils._near_names import meant
from ansible_collections.psw.ai.plugins.module_utils._storages import DIRECTORY, FORMS, NETWORK_FILESYSTEMS, ZFS, filesystem, seen, unusable
from ansible_collections.psw.ai.plugins.module_utils._zpool import GIB, parse_size, show_size

OTHERWISE = "name another storage (storage.models.storage in psw.yml)"
MOUNTS = "/proc/self/mounts"


class Place:
    """What a container mounts of a storage: a directory that is kept here, or a volume that Proxmox VE makes with the container."""

    def __init__(self, pve, params, *, check_mode):
        self.pve = pve
        self.params = params
        self.check_mode = check_mode
        self.need = parse_size(params["size"])
        self.result = {"changed": False, "form": None, "mount": None, "loses": []}

    def present(self):
        """Bring the place to what is wanted, as far as it is made here, and return the module's result."""
        row = self._row()
        config = self.pve.get("/storage/%s" % row["storage"])
        self.result["form"] = FORMS[row["type"]]
        if self.result["form"] == DIRECTORY:
            self._directory(row, os.path.realpath(config["path"]))
        else:
            self._volume(row, config)
        return self.result

    def _row(self):
        """Return what the node says of the storage, if models may lie on it."""
        rows = self.pve.get("/nodes/{node}/storage")
        wanted = self.params["storage"]
        row = next((row for row in rows if row["storage"] == wanted), None)
        if row is None:
            raise ModuleRefusal(
                "storage_unfit",
                "there is no storage %s on this node; seen: %s" % (wanted, "; ".join(seen(rows)) or "none but ZFS pools"),
                meant(wanted, [row["storage"] for row in rows]) + "name one that is there (storage.models.storage in psw.yml)",
            )
        if row["type"] == ZFS:
            pool = self.pve.get("/storage/%s" % wanted)["pool"].partition("/")[0]
            raise ModuleRefusal(
                "storage_unfit",
                "storage %s is the ZFS pool %s, where a dataset of its own is better kept" % (wanted, pool),
                "name the pool instead: storage: {models: {pool: %s}} in psw.yml" % pool,
            )
        if unusable(row):
            raise self._refusal("(%s) %s" % (row["type"], unusable(row)))
        return row

    def _directory(self, row, path):
        place = os.path.join(path, self.params["name"])
        kind, source = _mounted_at(path)
        if kind in NETWORK_FILESYSTEMS:
            raise self._refusal("(%s) lies on the network: %s is %s from %s" % (row["type"], path, kind, source))
        if kind == "zfs":
            pool = source.partition("/")[0]
            raise ModuleRefusal(
                "storage_unfit",
                "storage %s is a directory on the ZFS pool %s, where a dataset of its own is better kept" % (self.params["storage"], pool),
                "name the pool instead: storage: {models: {pool: %s}} in psw.yml" % pool,
            )
        disk = self._local(describe(source)) if source.startswith("/dev/") else None
        if not os.path.isdir(place):
            self._refuse_full(row)
        self._keep(place)
        shared = "no quota: models and whatever else is in %s (%s%s) can fill it" % (path, kind, " on " + _shown(disk) if disk else "")
        self.result["mount"] = {"source": place}
        self.result["loses"] = [shared, *([] if kind == "btrfs" else ["no checksums"]), "no snapshots", "no properties for large files"]

    def _keep(self, place):
        """Have the directory, owned by the container's root; what is in it is the container's."""
        wanted = (self.params["uid"], self.params["gid"])
        found = os.stat(place) if os.path.isdir(place) else None
        if found and (found.st_uid, found.st_gid) == wanted:
            return
        self.result["changed"] = True
        before = "owner: %d:%d\n" % (found.st_uid, found.st_gid) if found else ""
        self.result["diff"] = {"before": before, "after": "owner: %d:%d\n" % wanted, "before_header": place, "after_header": place}
        if not self.check_mode:
            os.makedirs(place, mode=0o755, exist_ok=True)
            os.chown(place, *wanted)

    def _volume(self, row, config):
        if "rootdir" not in config.get("content", "").split(","):
            raise ModuleRefusal(
                "storage_unfit",
                "storage %s takes no containers (content %s)" % (row["storage"], config.get("content")),
                "allow it: pvesm set %s --content %s" % (row["storage"], ",".join(filter(None, [config.get("content"), "rootdir"]))),
            )
        disk = under_volumes(config["vgname"], config.get("thinpool"))
        if disk:
            self._local(disk)
        if int(row.get("avail", 0)) < self.need and not self._has_volume(row["storage"]):
            self._refuse_full(row)
        self.result["mount"] = {"storage": row["storage"], "size_gib": -(-self.need // GIB)}
        where = "it is destroyed together with the container" + (", on " + _shown(disk) if disk else "")
        self.result["loses"] = [where, "its size only ever grows, and no second container can share it", "no checksums", "no properties for large files"]

    def _has_volume(self, storage):
        """Tell whether the container has its volume already, and needs no room for it any more."""
        for row in self.pve.get("/nodes/{node}/lxc"):
            if row.get("name") == self.params["hostname"]:
                config = self.pve.get("/nodes/{node}/lxc/%s/config" % row["vmid"])
                return any(key.startswith("mp") and str(value).startswith(storage + ":") for key, value in config.items())
        return False

    def _refuse_full(self, row):
        free = int(row.get("avail", 0))
        if free < self.need:
            raise ModuleRefusal(
                "storage_unfit",
                "storage %s has %s free of the %s needed" % (row["storage"], show_size(free), show_size(self.need)),
                OTHERWISE + ", or ask for less (storage.models.quota)",
            )

    def _local(self, disk):
        if disk["kind"] == "network":
            raise self._refusal("lies on network storage (%s)" % disk["name"])
        return disk

    def _refusal(self, reason):
        return ModuleRefusal("storage_unfit", "storage %s %s, and models are never kept there" % (self.params["storage"], reason), OTHERWISE)


def _mounted_at(path):
    with open(MOUNTS, encoding="utf-8", errors="surrogateescape") as file:
        return filesystem(path, file.read())


def _shown(disk):
    return "%s (%s)" % (disk["name"], disk["kind"])
