# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Weekly snapshots of a dataset: a timer of psw's own that takes one and keeps the newest few; private to the collection."""

from __future__ import annotations

import contextlib
import os

from ansible_collections.psw.ai.plugins.module_utils import _desired_files as files
from ansible_collections.psw.ai.plugins.module_utils._host import plan_host
from ansible_collections.psw.ai.plugins.module_utils._host_state import gather, perform
from ansible_collections.psw.ai.plugins.module_utils._one_at_a_time import one_at_a_time

PREFIX = "psw-weekly-"
SCRIPT = "/usr/local/lib/psw/weekly-snapshot"
UNITS = "/etc/systemd/system"

_SCRIPT = """\
#!/bin/sh
# Kept by psw. Takes a snapshot of a dataset and removes all but the newest of those taken here; no other snapshot is touched.
set -eu
dataset=$1 keep=$2
zfs snapshot "$dataset@psw-weekly-$(date -u +%Y%m%dT%H%M%SZ)"
zfs list -H -t snapshot -d 1 -o name -S name "$dataset" | while read -r snapshot; do
  case $snapshot in
    "$dataset@psw-weekly-"*) keep=$((keep - 1)); [ "$keep" -ge 0 ] || zfs destroy "$snapshot" ;;
  esac
done
"""
_SERVICE = """\
# Kept by psw.
[Unit]
Description=Weekly snapshot of {dataset}
After=zfs.target

[Service]
Type=oneshot
ExecStart={script} {dataset} {keep}
"""
_TIMER = """\
# Kept by psw.
[Unit]
Description=Weekly snapshot of {dataset}

[Timer]
OnCalendar=weekly
RandomizedDelaySec=1h
Persistent=true

[Install]
WantedBy=timers.target
"""


class WeeklySnapshots:
    """The snapshots of one dataset; ``name`` is the dataset's name without its pool, which its units are called by."""

    def __init__(self, zfs, name, dataset):
        self.zfs = zfs
        self.dataset = dataset
        self.unit = "%s-snapshots" % name.replace("/", "-")
        self.timer = "%s/%s.timer" % (UNITS, self.unit)
        self.service = "%s/%s.service" % (UNITS, self.unit)

    def keep(self, number, *, check_mode):
        """Have the newest ``number`` kept from here on, none for 0; return the diffs of what changed."""
        return self._have(number, check_mode=check_mode) if number else self._have_none(check_mode=check_mode)

    def _have(self, number, *, check_mode):
        details = {"dataset": self.dataset, "keep": number, "script": SCRIPT}
        owner = {"owner": "0", "group": "0"}
        wishes = [
            files.wish("file", SCRIPT, content=_SCRIPT, mode="0755", **owner),
            files.wish("file", self.service, content=_SERVICE.format(**details), mode="0644", **owner),
            files.wish("file", self.timer, content=_TIMER.format(**details), mode="0644", **owner),
        ]
        return _bring(wishes, self._switched(on=True), check_mode=check_mode)

    def _have_none(self, *, check_mode):
        # The timer's file goes last, so that a killed run is known by it. Without one there is nothing to ask anybody.
        if not os.path.exists(self.timer):
            return []
        diffs = _bring([], self._switched(on=False), check_mode=check_mode)
        for snapshot in self._taken():
            diffs.append({"before": "%s\n" % snapshot, "after": "", "before_header": "snapshot", "after_header": "snapshot"})
            if not check_mode:
                self.zfs.run("zfs", "destroy", snapshot)
        gone = [files.wish("absent", path) for path in (self.service, self.timer)]
        return diffs + _bring(gone, [], check_mode=check_mode)

    def _taken(self):
        names = self.zfs.run("zfs", "list", "-H", "-t", "snapshot", "-o", "name").splitlines()
        return [name for name in names if name.startswith("%s@%s" % (self.dataset, PREFIX))]

    def _switched(self, *, on):
        return [{"name": self.unit + ".timer", "enabled": on, "state": "started" if on else "stopped", "masked": None}]


def _bring(wishes, units, *, check_mode):
    wish = {"packages": [], "recommends": False, "paths": wishes, "restarts": {}, "units": units}
    with contextlib.nullcontext() if check_mode else one_at_a_time("host"):
        steps = plan_host(wish, gather(wish))
        if not check_mode:
            perform(steps)
    return [step.diff for step in steps if step.diff]
