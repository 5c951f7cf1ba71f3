# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keep one container of ours: find, create, change, restart once, wait for it; private to the collection."""

from __future__ import annotations

import tempfile

from ansible_collections.psw.ai.plugins.module_utils import _lxc_guest as guests
from ansible_collections.psw.ai.plugins.module_utils._errors import ModuleRefusal, PswModuleError
from ansible_collections.psw.ai.plugins.module_utils._lxc_config import devices_in, needs_restart, views, waiting
from ansible_collections.psw.ai.plugins.module_utils._lxc_devices import refuse_missing, set_options, with_numbers, with_present_numbers
from ansible_collections.psw.ai.plugins.module_utils._lxc_journal import Journal
from ansible_collections.psw.ai.plugins.module_utils._lxc_plan import find, growth, plan, refuse_elsewhere, refuse_unconfined
from ansible_collections.psw.ai.plugins.module_utils._pve_storage import choose_storage, resolve_template

TAG = "psw"
ID_TRIES = 5
STOP_SECONDS = 60
UNKNOWN_GROUPS = {"video": 0, "render": 0}  # while there is no container to ask


class Container:
    """A container that psw owns, described by a module's options."""

    def __init__(self, pve, params, *, check_mode):
        self.pve = pve
        self.params = params
        self.check_mode = check_mode
        self.devices = params["devices"]  # with the numbers of groups in the container, as far as they are known yet
        self.result = {
            "changed": False,
            "created": False,
            "restarted": False,
            "restart_required": False,
            "vmid": None,
            "address": None,
            "host_keys": [],
            "groups": {},
            "devices": {},
        }

    def present(self):
        """Bring the container to what is wanted and return the module's result."""
        row = self._find()
        if row is None:
            self._create()
            running = False
        else:
            self.result["vmid"] = int(row["vmid"])
            running = row["status"] == "running"
            self._change(running)
        if self.params["started"]:
            running = self._start(running)
        if running and self.result["vmid"]:
            self._settle(self._meet())
        return self.result

    def absent(self):
        """Stop and destroy the container; directories mounted into it stay on the node."""
        row = self._find()
        if row is not None:
            vmid = int(row["vmid"])
            _running, planned = self._config(vmid)
            self.result.update(changed=True, vmid=vmid, diff={"before": _text(planned), "after": ""})
            if not self.check_mode:
                if row["status"] == "running":
                    self.pve.power("stop", vmid)
                self.pve.pct("destroy", vmid, "--purge", "1")
        return self.result

    def _find(self):
        rows = self._rows()
        journal = Journal(self.pve, self.params["hostname"])
        if not self.check_mode and journal.finish(rows, TAG):
            rows = self._rows()
        return find(rows, self.params["hostname"], TAG, self.params["vmid"])

    def _rows(self):
        return self.pve.get("/nodes/{node}/lxc")

    def _config(self, vmid):
        return views(self.pve.get("/nodes/{node}/lxc/%d/pending" % vmid))

    def _create(self):
        refuse_elsewhere(self.pve.get("/cluster/resources", type="vm"), self.params["hostname"], TAG, self.pve.node)
        changes, _deletions, where = plan({}, {}, self.params, with_numbers(self.devices or [], UNKNOWN_GROUPS))
        self.result.update(changed=True, created=True, devices=where, diff={"before": "", "after": _text({**changes, "unprivileged": "1"})})
        if self.check_mode:
            return
        self._refuse_unready(changes, where)
        self.devices = with_present_numbers(self.devices or [], [])
        changes, _deletions, where = plan({}, {}, self.params, self.devices)
        rootfs = choose_storage(self.pve.get("/nodes/{node}/storage"), "rootdir", self.params["storage"], self.params["rootfs_gib"])
        template = resolve_template(self.pve, self.params["template"], self.params["template_storage"])
        keys = self.params["authorized_keys"] or guests.node_keys()
        with tempfile.NamedTemporaryFile("w", encoding="utf-8", prefix="psw-keys-") as file:
            file.write("".join(key + "\n" for key in keys))
            file.flush()
            options = ["--unprivileged", "1", "--rootfs", "%s:%d" % (rootfs, self.params["rootfs_gib"]), "--ssh-public-keys", file.name]
            self.result["vmid"] = self._create_somewhere(template, options + set_options(changes, []))

    def _create_somewhere(self, template, options):
        journal = Journal(self.pve, self.params["hostname"])
        for left in reversed(range(ID_TRIES)):
            vmid = self.params["vmid"] or int(self.pve.get("/cluster/nextid"))
            with journal.creating(vmid):
                try:
                    self.pve.pct("create", vmid, template, *options)
                except PswModuleError as exc:
                    # Someone else took the number between asking for it and using it.
                    if "already exists" not in str(exc) or self.params["vmid"] or not left:
                        raise
                else:
                    return vmid
        return None

    def _change(self, is_running):
        vmid = self.result["vmid"]
        running, planned = self._config(vmid)
        refuse_unconfined(planned, self.pve.raw_settings(vmid), vmid, self.params["hostname"])
        if self.devices is not None:
            self.devices = with_present_numbers(self.devices, devices_in(planned).values())
        changes, deletions, where = plan(running, planned, self.params, self.devices)
        size = growth(planned.get("rootfs", ""), self.params["rootfs_gib"])
        after = {key: value for key, value in {**planned, **changes}.items() if key not in deletions}
        if size:
            after["rootfs"] = planned["rootfs"].rpartition("size=")[0] + "size=" + size
        self.result.update(
            changed=bool(changes or deletions or size),
            devices=where,
            restart_required=is_running and needs_restart(running, after),
            diff={"before": _text(planned), "after": _text(after)},
        )
        if self.check_mode or not self.result["changed"]:
            return
        self._refuse_unready(changes, where)
        if changes or deletions:
            self.pve.pct("set", vmid, *set_options(changes, deletions))
        if size:
            self.pve.pct("resize", vmid, "rootfs", size)
        if is_running:
            self.result["restart_required"] = bool(waiting(*self._config(vmid)))

    def _refuse_unready(self, changes, where):
        """Refuse before anything changes what Proxmox VE would refuse half-way."""
        refuse_missing(device for device in self.devices or [] if where.get(device["path"]) in changes)
        for mount in self.params["mounts"] or []:
            if not guests.has_directory(mount["source"]):
                raise ModuleRefusal(
                    "no_directory", "%s is no directory on this node, or has a link in its path" % mount["source"], "make it, or name the directory itself"
                )

    def _start(self, running):
        """Start a stopped container, restart one whose changes wait for it; return whether it runs now."""
        restart = running and self.result["restart_required"] and self.params["restart"]
        if running and not restart:
            return True
        self.result.update(changed=True, restarted=restart, restart_required=False)
        if self.check_mode:
            return running
        self._boot(after_stop=restart)
        return True

    def _boot(self, *, after_stop):
        vmid = self.result["vmid"]
        if after_stop:
            self.pve.power("shutdown", vmid, "--forceStop", "1", "--timeout", STOP_SECONDS)
        self.pve.power("start", vmid)

    def _wait(self):
        paths = [mount["target"] for mount in self.params["mounts"] or []]
        return guests.wait_for_guest(self.pve, self.result["vmid"], paths, self.params["wait_timeout"])

    def _freshen(self, guest):
        """Restart a container whose mounts show what was there on the node before; return what it says then."""
        stale = guests.stale_mounts(self.params["mounts"] or [], guest)
        if not stale or self.result["restart_required"]:
            return guest
        diff = self.result["diff"]
        for mount in stale:
            diff["before"] += "%s: another directory than %s is now\n" % (mount["target"], mount["source"])
            diff["after"] += "%s: %s\n" % (mount["target"], mount["source"])
        restart = self.params["restart"]
        self.result.update(changed=restart or self.result["changed"], restarted=restart, restart_required=not restart)
        if not restart or self.check_mode:
            return guest
        self._boot(after_stop=True)
        guest = self._wait()
        if guests.stale_mounts(stale, guest):
            raise PswModuleError("container %s was restarted and still does not show %s of the node" % (self.result["vmid"], stale[0]["source"]))
        return guest

    def _meet(self):
        vmid = self.result["vmid"]
        guest = self._freshen(self._wait())
        missing = [key for key in self.params["authorized_keys"] or guests.node_keys() if key not in guest["logins"]]
        if missing:
            self.result["changed"] = True
            if not self.check_mode:
                guests.admit(self.pve, vmid, missing)
        for name in ("address", "host_keys", "groups"):
            self.result[name] = guest[name]
        return guest

    def _groups(self, found):
        """Return the numbers of the container's groups; one that a device is to belong to and that is missing is created."""
        for name in sorted({device["group"] for device in self.params["devices"] or [] if device.get("group")} - set(found)):
            self.result["changed"] = True
            found = {**UNKNOWN_GROUPS, **found} if self.check_mode else guests.make_group(self.pve, self.result["vmid"], name)
        self.result["groups"] = found
        return found

    def _settle(self, guest):
        """Give devices to the groups of the container, whose numbers only a running one tells: new entries at once, others with a restart."""
        groups = self._groups(guest["groups"])
        devices = with_numbers(self.params["devices"] or [], groups)
        if self.params["devices"] is None or devices == self.devices:
            return
        before, self.devices = self.result, devices
        self.result = {**before}
        self._change(is_running=True)
        self.result["changed"] = self.result["changed"] or before["changed"]
        self.result["diff"]["before"] = before["diff"]["before"]
        self.result["restart_required"] = self.result["restart_required"] or before["restart_required"]
        if self._start(running=True) and self.result["restarted"] and not self.check_mode:
            self._wait()
        self.result["restarted"] = self.result["restarted"] or before["restarted"]


def _text(config):
    return "".join("%s: %s\n" % (key, str(config[key]).strip()) for key in sorted(config) if key != "digest")
