# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Remember which container is being created, so that a run that was killed half-way can be finished; private to the collection."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time

from ansible_collections.psw.ai.plugins.module_utils._errors import PswModuleError
from ansible_collections.psw.ai.plugins.module_utils._lxc_owner import is_ours

DIRECTORY = "/var/lib/psw"
# The locks of what was begun and never ended: such a container can only be removed.
HALF = ("create", "destroyed")
TASK_SECONDS = 900
ALREADY = "already exists"
PAUSE = 2


@contextlib.contextmanager
def alone(what):
    """Keep other runs on this node from doing the same at the same time; the kernel ends the lock of a run that dies."""
    os.makedirs(DIRECTORY, mode=0o755, exist_ok=True)
    with open(os.path.join(DIRECTORY, what + ".lock"), "w", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


class Journal:
    """The number of the container that is being created under a name, in a file on the node.

    Until Proxmox VE has unpacked the template, a container has neither name nor tags: only its number tells whose it is.
    """

    def __init__(self, pve, hostname):
        self.pve = pve
        self.hostname = hostname
        self.path = os.path.join(DIRECTORY, "creating-%s" % hostname)

    @contextlib.contextmanager
    def creating(self, vmid):
        """Hold the number while the container is created. What a failure leaves is removed; the note stays until that is done.

        A task that goes on after its time is for the next run to wait for.
        """
        os.makedirs(DIRECTORY, mode=0o755, exist_ok=True)
        with open(self.path, "w", encoding="utf-8") as file:
            file.write("%d\n" % vmid)
            file.flush()
            os.fsync(file.fileno())
        try:
            yield
        except PswModuleError as exc:
            if ALREADY in str(exc):
                self._forget()  # someone else's, perhaps half-made too
            with contextlib.suppress(PswModuleError):  # the failure itself is what has to be told
                rows = self.rows()
                if not any(self._busy(row["vmid"]) for row in self.left_in(rows)):
                    self.finish(rows)
            raise
        self._forget()

    def rows(self):
        """Return the containers of this node."""
        return self.pve.get("/nodes/{node}/lxc")

    def left_in(self, rows):
        """Return the containers that an earlier run left locked and unusable."""
        vmid = self._vmid()
        return [row for row in rows if self._half_made(row) and (self._nameless(row, vmid) or is_ours(row, self.hostname))]

    def finish(self, rows):
        """Remove what an earlier run left; return whether the containers have to be looked at again."""
        left = self.left_in(rows)
        for row in left:
            # The killed run's task may well live on.
            if self._wait_for_task(row["vmid"]) in HALF:
                self.pve.pct("unlock", row["vmid"])
                self.pve.pct("destroy", row["vmid"], "--force", "1", "--purge", "1")
        self._forget()
        return bool(left)

    @staticmethod
    def _half_made(row):
        return row.get("lock") in HALF and row["status"] != "running"

    @staticmethod
    def _nameless(row, vmid):
        return int(row["vmid"]) == vmid and row.get("name", "") in {"", "CT%s" % vmid}

    def _wait_for_task(self, vmid):
        """Wait for the end of a creation or restore that is still under way; return the lock that is left then."""
        deadline = time.monotonic() + TASK_SECONDS
        while self._busy(vmid):
            if time.monotonic() > deadline:
                raise PswModuleError("container %s has been busy for %d s; look at its task on the node" % (vmid, TASK_SECONDS))
            time.sleep(PAUSE)
        rows = {int(row["vmid"]): row for row in self.rows()}
        return rows.get(int(vmid), {}).get("lock")

    def _busy(self, vmid):
        """Tell whether a task works on the container; the list of active tasks holds those that ended lately, too."""
        return any("endtime" not in task for task in self.pve.get("/nodes/{node}/tasks", vmid=vmid, source="active"))

    def _vmid(self):
        try:
            with open(self.path, encoding="utf-8") as file:
                return int(file.read())
        except (OSError, ValueError):
            return None

    def _forget(self):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path)
