# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keep one ZFS dataset: pool, properties, quota, mount and owner; private to the collection."""

from __future__ import annotations

import json
import os

from ansible_collections.psw.ai.plugins.module_utils._disks import describe
from ansible_collections.psw.ai.plugins.module_utils._errors import ModuleRefusal, PswModuleError
from ansible_collections.psw.ai.plugins.module_utils._pve import Pve
from ansible_collections.psw.ai.plugins.module_utils._snapshots import WeeklySnapshots
from ansible_collections.psw.ai.plugins.module_utils._storages import rows as storages
from ansible_collections.psw.ai.plugins.module_utils._storages import seen
from ansible_collections.psw.ai.plugins.module_utils._zpool import choose, parse_size, read_pools, show_size, unfit

SIZES = ("recordsize", "quota", "refquota", "reservation", "refreservation", "volsize", "special_small_blocks")


class Zfs:
    """A host's ``zfs`` and ``zpool``; of ``module`` it uses get_bin_path and run_command alone."""

    def __init__(self, module):
        self.module = module

    def pools(self, rows):
        """Return the pools with what they lie on; ``rows`` are those of ``filesystems``, and without any there is no pool to ask about."""
        if not rows:
            return []
        status = json.loads(self.run("zpool", "status", "-j", "-P", "-L"))
        return read_pools(status, {row["name"]: row["available"] for row in rows}, describe)

    def filesystems(self):
        """Return name and free bytes of every filesystem."""
        lines = self.run("zfs", "list", "-Hp", "-t", "filesystem", "-o", "name,available").splitlines()
        return [{"name": name, "available": int(free)} for name, free in (line.split("\t") for line in lines)]

    def properties(self, dataset, names):
        """Return the dataset's properties; sizes are in bytes."""
        lines = self.run("zfs", "get", "-Hp", "-o", "property,value", ",".join(names), dataset).splitlines()
        return dict(line.split("\t", 1) for line in lines)

    def others(self):
        """Return a phrase on each storage of Proxmox VE that is no ZFS pool; asking takes a second, so only refusals do."""
        return seen(storages(Pve(self.module)))

    def run(self, program, *options):
        """Run ``zfs`` or ``zpool`` and return what it prints."""
        path = self.module.get_bin_path(program)
        if not path:
            raise ModuleRefusal(
                "no_pool",
                "there is no %s on this node; seen: %s" % (program, "; ".join(self.others()) or "no storage of Proxmox VE either"),
                "make a ZFS pool on local NVMe, or name a local storage to use instead (storage.models.storage in psw.yml)",
            )
        code, out, err = self.module.run_command([path, *options], environ_update={"LC_ALL": "C.UTF-8"})
        if code != 0:
            raise PswModuleError("%s %s: %s" % (program, options[0], err.strip() or out.strip()))
        return out


class Dataset:
    """A dataset described by a module's options."""

    def __init__(self, zfs, params, *, check_mode):
        self.zfs = zfs
        self.params = params
        self.check_mode = check_mode
        self.wanted = {**params["properties"], "mountpoint": params["mountpoint"]}
        self.result = {"changed": False, "created": False, "pool": None, "dataset": None, "mountpoint": params["mountpoint"], "notes": []}

    def present(self):
        """Bring the dataset to what is wanted and return the module's result."""
        rows = self.zfs.filesystems()
        self.result["dataset"] = self._there(rows)
        if self.result["dataset"]:
            self.result["pool"] = self.result["dataset"].partition("/")[0]
            self._heal(rows)
        else:
            self._create(rows)
        if not (self.check_mode and self.result["created"]):
            self._own()
        self._snapshots()
        return self.result

    def _there(self, rows):
        """Return the dataset of this name if it is there: on the named pool, or with auto on any, since models stay where they are."""
        pool, name = self.params["pool"], self.params["name"]
        found = [row["name"] for row in rows if row["name"].partition("/")[2] == name]
        here = [dataset for dataset in found if pool in {"auto", dataset.partition("/")[0]}]
        if len(here) > 1:
            raise ModuleRefusal(
                "dataset_twice", "%s is there more than once: %s" % (name, ", ".join(here)), "name the pool to use (storage.models.pool in psw.yml)"
            )
        if found and not here:
            raise ModuleRefusal(
                "dataset_elsewhere",
                "%s is on another pool (%s) than the one named, %s" % (name, ", ".join(found), pool),
                "psw moves no data: copy it with zfs send, destroy the old one and run again, or name the pool it is on",
            )
        return here[0] if here else None

    def _create(self, rows):
        need = parse_size(self.params["quota"])
        pool = choose(self.zfs.pools(rows), self.params["pool"], need, self.zfs.others)
        if unfit(pool, need):
            self.result["notes"].append("the pool %s; it is used because it was named" % unfit(pool, need))
        dataset = "%s/%s" % (pool["name"], self.params["name"])
        properties = {**self.wanted, "quota": self.params["quota"]}
        self.result.update(changed=True, created=True, pool=pool["name"], dataset=dataset, diff={"before": "", "after": _text(properties)})
        if not self.check_mode:
            options = [word for name in sorted(properties) for word in ("-o", "%s=%s" % (name, properties[name]))]
            self.zfs.run("zfs", "create", *options, dataset)

    def _heal(self, rows):
        dataset = self.result["dataset"]
        current = self.zfs.properties(dataset, [*sorted(self.wanted), "quota", "used", "mounted"])
        changes = {name: value for name, value in self.wanted.items() if not _same(name, current.get(name), value)}
        changes.update(self._quota(current, rows))
        unmounted = current["mounted"] != "yes"
        before = {name: current.get(name) for name in [*self.wanted, "quota"]}
        self.result.update(changed=bool(changes) or unmounted, diff={"before": _text(before), "after": _text({**before, **changes})})
        if self.check_mode:
            return
        if changes:
            self.zfs.run("zfs", "set", *["%s=%s" % (name, changes[name]) for name in sorted(changes)], dataset)
        # A new mountpoint or canmount may have mounted it already.
        if unmounted and (not changes or self.zfs.properties(dataset, ["mounted"])["mounted"] != "yes"):
            self.zfs.run("zfs", "mount", dataset)

    def _quota(self, current, rows):
        """Return the quota to set; one that is lower than what is used would only make every write fail."""
        wanted, used = parse_size(self.params["quota"]), int(current["used"])
        if used > wanted:
            self.result["notes"].append("the quota stays, because %s of the wanted %s are used" % (show_size(used), self.params["quota"]))
            return {}
        if _same("quota", current["quota"], self.params["quota"]):
            return {}
        free = next(row["available"] for row in rows if row["name"] == self.result["pool"])
        if wanted - used > free:
            self.result["notes"].append("the quota of %s is more than there is: the pool has %s free" % (self.params["quota"], show_size(free)))
        return {"quota": self.params["quota"]}

    def _own(self):
        """Give the mounted directory to the container's root."""
        wanted = (self.params["uid"], self.params["gid"])
        path = self.params["mountpoint"]
        found = os.stat(path) if os.path.isdir(path) else None
        if found is None or (found.st_uid, found.st_gid) != wanted:
            self.result["changed"] = True
            if not self.check_mode:
                os.chown(path, *wanted)

    def _snapshots(self):
        """Have the snapshots of the dataset that are wanted; each holds on to models that were deleted since."""
        weekly = WeeklySnapshots(self.zfs, self.params["name"], self.result["dataset"])
        diffs = weekly.keep(self.params["weekly_snapshots"], check_mode=self.check_mode)
        if diffs:
            self.result.update(changed=True, diff=[self.result["diff"], *diffs])


def _same(name, current, wanted):
    """Tell whether a property has the wanted value; sizes come in bytes."""
    if name in SIZES and wanted not in {"none", "0"}:
        return current is not None and current.isdigit() and int(current) == parse_size(wanted)
    return current == wanted


def _text(properties):
    return "".join("%s: %s\n" % (name, _shown(name, properties[name])) for name in sorted(properties))


def _shown(name, value):
    return str(parse_size(value)) if name in SIZES and value and value not in {"none", "-"} else value
