# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask and tell a Proxmox VE node through its own commands, as root on that node; private to the collection."""

from __future__ import annotations

import itertools
import json
import os
import re
import time

from ansible_collections.psw.ai.plugins.module_utils._errors import PswModuleError
from ansible_collections.psw.ai.plugins.module_utils._pve_words import with_next_step

CONFIG = "/etc/pve/lxc/%s.conf"
LOCK_TRIES = 5
LOCK_PAUSE = 3
LOCK_HELD = re.compile(r"can't lock file .* - got timeout")
# Seconds that a command may take, by its verb. A storage that went away would keep it for ever.
LIMITS = {"create": 1800, "destroy": 900, "set": 300, "resize": 300, "start": 300, "shutdown": 300, "stop": 300, "download": 3600, "update": 300}
LIMIT = 120
KILL_AFTER = 10
TIMED_OUT = (124, 137)  # timeout's own exit status, and that of a program that it had to kill


class Pve:
    """A node's ``pvesh``, ``pct`` and ``pveam``.

    Of ``module`` it uses get_bin_path and run_command alone, so that tests can pass a look-alike.
    """

    def __init__(self, module, node=None):
        self.module = module
        self.node = node or os.uname().nodename.partition(".")[0]

    def get(self, path, **options):
        """Return the answer to an API read; ``{node}`` in the path stands for this node."""
        argv = ["pvesh", "get", path.format(node=self.node)]
        for name, value in options.items():
            argv += ["--" + name, str(value)]
        text = self._run([*argv, "--output-format", "json"])
        try:
            return json.loads(text)
        except ValueError as exc:
            raise PswModuleError("pvesh get %s did not answer in JSON: %r" % (argv[2], text[:200])) from exc

    def raw_settings(self, vmid):
        """Return the lines for LXC itself in a container's file: the API neither sets nor lists them. Those of its snapshots do nothing."""
        try:
            with open(CONFIG % vmid, encoding="utf-8") as file:
                current = itertools.takewhile(lambda line: not line.startswith("["), file)
                return [line.strip() for line in current if line.startswith("lxc.")]
        except FileNotFoundError:
            return []

    def pct(self, verb, vmid, *options, data=None):
        """Run ``pct`` on a container and return what it prints; a configuration that someone else is just writing is waited for."""
        for left in reversed(range(LOCK_TRIES)):
            try:
                return self._run(["pct", verb, str(vmid), *[str(option) for option in options]], data)
            except PswModuleError as exc:
                if not LOCK_HELD.search(str(exc)) or not left:
                    raise
                time.sleep(LOCK_PAUSE)
        return None

    def power(self, verb, vmid, *options):
        """Start or stop a container; one that another task has just started or stopped will do."""
        try:
            self.pct(verb, vmid, *options)
        except PswModuleError as exc:
            if not re.search(r"(CT|VM) \d+ (already|not) running$", str(exc)):
                raise

    def pveam(self, *options):
        """Run ``pveam``, the template manager."""
        return self._run(["pveam", *options])

    def _run(self, argv, data=None):
        program = self.module.get_bin_path(argv[0])
        if not program:
            raise PswModuleError("there is no %s here: this task has to run on a Proxmox VE node, as root" % argv[0])
        limit = LIMITS.get(argv[1], LIMIT)
        timer = self.module.get_bin_path("timeout")
        timed = [timer, "-k", str(KILL_AFTER), str(limit)] if timer else []
        code, out, err = self.module.run_command([*timed, program, *argv[1:]], data=data, binary_data=True, environ_update={"LC_ALL": "C.UTF-8"})
        what = " ".join(argv[:3])
        if timed and code in TIMED_OUT:
            raise PswModuleError("%s did not end within %d s; see the node's tasks and storages (pvesm status), then run this again" % (what, limit))
        if code != 0:
            raise PswModuleError(with_next_step("%s: %s" % (what, _reason(err) or _reason(out) or "exit status %s" % code)))
        return out


def _reason(text):
    """Return Proxmox VE's own words for what went wrong: its last lines, without progress, and without the usage that follows bad parameters."""
    lines = [line.strip() for line in text.splitlines()]
    usage = next((number for number, line in enumerate(lines) if re.match(r"^(pct|pvesh|pveam) \S+ .*[<\[]", line)), len(lines))
    return "; ".join([line for line in lines[:usage] if line][-3:])
