# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make a container of ours; private to the collection."""

from __future__ import annotations

import tempfile

from ansible_collections.psw.ai.plugins.module_utils import _lxc_guest as guests
from ansible_collections.psw.ai.plugins.module_utils._errors import PswModuleError
from ansible_collections.psw.ai.plugins.module_utils._lxc_devices import refuse_missing, set_options
from ansible_collections.psw.ai.plugins.module_utils._lxc_journal import ALREADY, Journal
from ansible_collections.psw.ai.plugins.module_utils._lxc_mounts import new_volumes, refuse_unmountable
from ansible_collections.psw.ai.plugins.module_utils._lxc_owner import refuse_elsewhere, refuse_taken
from ansible_collections.psw.ai.plugins.module_utils._pve_storage import VOLUMES, choose_storage, of_root_disk, resolve_template, usable_storages

ID_TRIES = 5


def refuse_unready(pve, params, changes, devices, *, foretold):
    """Refuse before anything changes what Proxmox VE would refuse half-way: devices, directories and volumes that cannot be."""
    refuse_missing(devices)
    refuse_unmountable(params["mounts"], foretold=foretold)
    volumes = new_volumes(changes)
    if volumes:
        storages = pve.get("/nodes/{node}/storage")
        for storage, gib in volumes:
            choose_storage(storages, "rootdir", VOLUMES, storage, gib)


class Creation:
    """A container that is not there yet, with what it needs from its node."""

    def __init__(self, pve, params):
        self.pve = pve
        self.params = params
        self.notes = []  # what the user may want to know of the choices made

    def prepare(self, *, foretold):
        """Refuse what cannot be, and find storage, template and keys; with ``foretold`` nothing is downloaded for it."""
        resources = self.pve.get("/cluster/resources", type="vm")
        refuse_elsewhere(resources, self.params["hostname"], self.pve.node)
        refuse_taken(resources, self.params["vmid"])
        storages = self.pve.get("/nodes/{node}/storage")
        name, gib, wanted = self.params["hostname"], self.params["rootfs_gib"], self.params["storage"]
        rootfs = choose_storage(storages, "rootdir", of_root_disk(name), wanted, gib)
        others = [storage for storage in usable_storages(storages, "rootdir", gib) if storage != rootfs]
        if wanted == "auto" and others:
            choice = (name, rootfs, " or ".join(others), of_root_disk(name))
            self.notes.append("the root disk of %s goes to %s; to have it on %s, name that (%s)" % choice)
        keys = self.params["authorized_keys"] or guests.node_keys()
        template = resolve_template(self.pve, storages, self.params["template"], self.params["template_storage"], foretold=foretold)
        return rootfs, template, keys

    def create(self, changes, rootfs, template, keys):
        """Create the container and return its number."""
        with tempfile.NamedTemporaryFile("w", encoding="utf-8", prefix="psw-keys-") as file:
            file.write("".join(key + "\n" for key in keys))
            file.flush()
            options = ["--unprivileged", "1", "--rootfs", "%s:%d" % (rootfs, self.params["rootfs_gib"]), "--ssh-public-keys", file.name]
            return self._create_somewhere(template, options + set_options(changes, []))

    def _create_somewhere(self, template, options):
        journal = Journal(self.pve, self.params["hostname"])
        for left in reversed(range(ID_TRIES)):
            vmid = self.params["vmid"] or int(self.pve.get("/cluster/nextid"))
            try:
                with journal.creating(vmid):
                    self.pve.pct("create", vmid, template, *options)
            except PswModuleError as exc:
                # Someone else took the number between asking for it and using it.
                if ALREADY not in str(exc) or self.params["vmid"] or not left:
                    raise
            else:
                return vmid
        return None
