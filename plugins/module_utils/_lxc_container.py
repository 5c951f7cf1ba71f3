# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keep one container of ours: find, create, change, restart once, wait for it; private to the collection."""

from __future__ import annotations

from ansible_collections.psw.ai.plugins.module_utils import _lxc_guest as guests
from ansible_collections.psw.ai.plugins.module_utils._errors import ModuleRefusal, PswModuleError
from ansible_collections.psw.ai.plugins.module_utils._lxc_config import MOUNT_KEY, devices_in, parse_properties, views, waiting, will_wait
from ansible_collections.psw.ai.plugins.module_utils._lxc_creation import Creation, refuse_unready
from ansible_collections.psw.ai.plugins.module_utils._lxc_devices import refuse_missing, set_options, with_numbers, with_present_numbers
from ansible_collections.psw.ai.plugins.module_utils._lxc_journal import Journal
from ansible_collections.psw.ai.plugins.module_utils._lxc_mounts import grown, growths
from ansible_collections.psw.ai.plugins.module_utils._lxc_network import has_another, reached_by, readdressed
from ansible_collections.psw.ai.plugins.module_utils._lxc_owner import find, refuse_elsewhere
from ansible_collections.psw.ai.plugins.module_utils._lxc_plan import plan, refuse_unconfined
from ansible_collections.psw.ai.plugins.module_utils._programs import both

STOP_SECONDS = 60
UNKNOWN_GROUPS = {"video": 0, "render": 0}  # while there is no container to ask


class Container:
    """A container that psw owns, described by a module's options."""

    def __init__(self, pve, params, *, check_mode):
        self.pve = pve
        self.params = params
        self.check_mode = check_mode
        self.notes = []
        self.devices = params["devices"]  # with the numbers of groups in the container, as far as they are known yet
        self.result = {
            "changed": False,
            "created": False,
            "restarted": False,
            "restart_required": False,
            "waiting": [],
            "vmid": None,
            "storage": None,
            "address": None,
            "host_keys": [],
            "groups": {},
            "devices": {},
        }

    def present(self):
        """Bring the container to what is wanted and return the module's result."""
        row = self._find()
        running = row is not None and row["status"] == "running"
        guest = None
        if row is None:
            self._create()
        else:
            vmid = self.result["vmid"] = int(row["vmid"])
            # A running container is asked first, so that everything that needs a restart is known before the one that there is. Each question takes
            # Proxmox VE half a second or more.
            guest, config = both(lambda: guests.look(self.pve, vmid, self.params["mounts"]) if running else None, lambda: self._config(vmid))
            self._change(row, guest, config)
        if running:
            self._restart()
        elif self.params["started"]:
            running = self._start()
        if running:
            self._settle(self._meet(guest), known=guest is not None)
        return self.result

    def absent(self):
        """Stop and destroy the container with its volumes; directories mounted into it stay on the node."""
        row = self._find()
        if row is None:
            refuse_elsewhere(self.pve.get("/cluster/resources", type="vm"), self.params["hostname"], self.pve.node)
            return self.result
        vmid = int(row["vmid"])
        _running, planned = self._config(vmid)
        self.result.update(changed=True, vmid=vmid, diff={"before": _text(planned), "after": ""})
        self._refuse_locked(row)
        if not self.check_mode:
            if row["status"] == "running":
                self.pve.power("stop", vmid)
            self.pve.pct("destroy", vmid, "--purge", "1")
        return self.result

    def _find(self):
        journal = Journal(self.pve, self.params["hostname"])
        rows = journal.rows()
        if self.check_mode:
            rows = [row for row in rows if row not in journal.left_in(rows)]
        elif journal.finish(rows):
            rows = journal.rows()
        return find(rows, self.params["hostname"], self.params["vmid"])

    def _config(self, vmid):
        return views(self.pve.get("/nodes/{node}/lxc/%d/pending" % vmid))

    def _create(self):
        creation = Creation(self.pve, self.params)
        changes, _deletions, where = plan({}, {}, self.params, with_numbers(self.devices or [], UNKNOWN_GROUPS))
        refuse_unready(self.pve, self.params, changes, self.devices or [], foretold=self.check_mode)
        found = creation.prepare(foretold=self.check_mode)
        self.notes += creation.notes
        after = {**changes, "unprivileged": "1", "rootfs": "%s:%d" % (found[0], self.params["rootfs_gib"])}
        self.result.update(changed=True, created=True, storage=found[0], devices=where, diff={"before": "", "after": _text(after)})
        if not self.check_mode:
            self.devices = with_present_numbers(self.devices or [], [])
            changes, _deletions, where = plan({}, {}, self.params, self.devices)
            self.result["vmid"] = creation.create(changes, *found)

    def _change(self, row, guest, config):
        vmid, is_running = self.result["vmid"], guest is not None or row["status"] == "running"
        running, planned = config
        refuse_unconfined(planned, self.pve.raw_settings(vmid), vmid, self.params["hostname"])
        self._note_storage(planned.get("rootfs", "").partition(":")[0])
        if self.devices is not None:
            self.devices = self._numbered(row, guest, planned)
        changes, deletions, where = plan(running, planned, self.params, self.devices)
        sizes = growths(planned, self.params)
        after = {key: value for key, value in {**planned, **changes}.items() if key not in deletions}
        waits = will_wait(running, after)  # before disks grow, which they do at once
        after.update({key: grown(after[key], size) for key, size in sizes.items()})
        changed = bool(changes or deletions or sizes)
        self.result.update(changed=self.result["changed"] or changed, devices=where, diff={"before": _text(planned), "after": _text(after)})
        inside = self._waiting_inside(guest, running, planned, after) if is_running else []
        self._note_waiting(inside + waits if is_running else [])
        starts = bool(self.result["waiting"]) or (self.params["started"] and not is_running)
        if changed or starts:
            self._refuse_locked(row)
            # A container starts only with every one of its devices, and once stopped for a restart it would stay down.
            needed = [device for device in self.devices or [] if starts or where.get(device["path"]) in changes]
            refuse_unready(self.pve, self.params, changes, needed, foretold=self.check_mode)
        if not changed or self.check_mode:
            return
        if changes or deletions:
            self.pve.pct("set", vmid, *set_options(changes, deletions))
        for key, size in sizes.items():
            self.pve.pct("resize", vmid, key, size)
        if is_running:
            self._note_waiting(inside + waiting(*self._config(vmid)))

    def _numbered(self, row, guest, planned):
        """Return the devices with the numbers that their groups have in a running container, or as long as none runs those they have now."""
        if guest is not None:
            if self._lacking(guest["groups"]):
                self._refuse_locked(row)
                refuse_missing(self.params["devices"])
            return with_numbers(self.params["devices"], self._groups(guest["groups"]))
        return with_present_numbers(self.params["devices"], devices_in(planned).values())

    def _waiting_inside(self, guest, running, planned, after):
        """Return what a running container does not show of its configuration: mounts made anew on the node, and its address."""
        wrong = readdressed(planned.get("net0", ""), after["net0"]) or (guest and has_another(guest["addresses"], self.params["network"]))
        # A mount that is new, or waits itself, is not there yet for another reason.
        there = {parse_properties(text, "volume").get("mp") for key, text in after.items() if MOUNT_KEY.match(key) and running.get(key) == text}
        stale = [mount for mount in guests.stale_mounts(self.params["mounts"], guest) if mount["target"] in there] if guest else []
        for mount in stale:
            self.result["diff"]["before"] += "%s: another directory than %s is now\n" % (mount["target"], mount["source"])
            self.result["diff"]["after"] += "%s: %s\n" % (mount["target"], mount["source"])
        return (["net0"] if wrong else []) + [mount["target"] for mount in stale] + (self.params["waiting"] or [])

    def _note_storage(self, storage):
        """Say so when the root disk is elsewhere than wished: data is never moved."""
        self.result["storage"] = storage
        name, wanted = self.params["hostname"], self.params["storage"]
        if wanted not in {"auto", storage}:
            vmid = self.result["vmid"]
            move = "pct shutdown %s && pct move-volume %s rootfs %s && pct start %s" % (vmid, vmid, wanted, vmid)
            self.notes = ["the root disk of %s is on %s, and psw moves no data; to have it on %s: %s" % (name, storage, wanted, move)]

    def _note_waiting(self, keys):
        self.result.update(waiting=sorted(set(keys)), restart_required=bool(keys))

    def _refuse_locked(self, row):
        if row.get("lock"):
            raise ModuleRefusal(
                "container_locked",
                "container %s (%s) is locked (%s), so nothing about it can be changed now" % (row["vmid"], row.get("name"), row["lock"]),
                "wait until that is done and run this again; if nothing is at work on it: pct unlock %s" % row["vmid"],
            )

    def _start(self):
        """Start a stopped container; return whether it runs now."""
        self.result["changed"] = True
        if not self.check_mode:
            self.pve.power("start", self.result["vmid"])
        return not self.check_mode

    def _restart(self):
        """Restart a running container whose changes wait for it, if it may be; there is one restart in a run and no second."""
        if not self.result["restart_required"] or not self.params["restart"] or self.result["restarted"]:
            return
        self.result.update(changed=True, restarted=True, restart_required=False)
        if not self.check_mode:
            self.pve.power("shutdown", self.result["vmid"], "--forceStop", "1", "--timeout", STOP_SECONDS)
            self.pve.power("start", self.result["vmid"])

    def _meet(self, guest):
        """Return what the running container says about itself when it can be reached, and let in who may log in."""
        network, now = self.params["network"], self.check_mode or self.result["restart_required"]
        if guest is None or (not now and (self.result["changed"] or guests.lacks(guest, network))):
            guest = guests.wait_for_guest(self.pve, self.result["vmid"], self.params["mounts"], network, self.params["wait_timeout"])
        stale = guests.stale_mounts(self.params["mounts"], guest)
        if stale and self.result["restarted"] and not self.check_mode:
            raise PswModuleError("container %s was restarted and still does not show %s of the node" % (self.result["vmid"], stale[0]["source"]))
        missing = [key for key in self.params["authorized_keys"] or guests.node_keys() if key not in guest["logins"]]
        if missing:
            self.result["changed"] = True
            if not self.check_mode:
                guests.admit(self.pve, self.result["vmid"], missing)
        address = reached_by(guest["addresses"], network) or next(iter(guest["addresses"]), None)
        self.result.update(address=address, host_keys=guest["host_keys"], groups={**guest["groups"], **self.result["groups"]})
        return guest

    def _groups(self, found):
        """Return the numbers of the container's groups; one that a device is to belong to and that is missing is created."""
        for name in self._lacking(found):
            self.result["changed"] = True
            found = {**UNKNOWN_GROUPS, **found} if self.check_mode else guests.make_group(self.pve, self.result["vmid"], name)
        self.result["groups"] = found
        return found

    def _lacking(self, found):
        return sorted({device["group"] for device in self.params["devices"] or [] if device.get("group")} - set(found))

    def _settle(self, guest, *, known):
        """Give devices to groups whose numbers only the container tells that has just been started: new entries at once, others by a restart."""
        if known or self.params["devices"] is None:
            return
        if with_numbers(self.params["devices"], self._groups(guest["groups"])) == self.devices:
            return
        before = self.result["diff"]["before"]
        row = {"vmid": self.result["vmid"], "status": "running"}
        self._change(row, guest, self._config(self.result["vmid"]))
        self.result["diff"]["before"] = before
        self._restart()
        if self.result["restarted"] and not self.check_mode:
            self._meet(None)


def _text(config):
    return "".join("%s: %s\n" % (key, str(config[key]).strip()) for key in sorted(config) if key != "digest")
