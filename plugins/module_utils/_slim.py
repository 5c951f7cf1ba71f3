# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a module of this collection uses of ``ansible.module_utils.basic``, for programs that are sent in one piece; private to the collection.

Ansible's own takes a quarter of a second of a machine's time before a module's first line. Here the controller has checked the options
before it sent them, and removes secrets from what comes back.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys

REQUEST = {}  # set by _program.py: params, check_mode, diff

# Where Ansible looks besides PATH, which is short in a shell that nobody logged in to.
_SBIN = ("/sbin", "/usr/sbin", "/usr/local/sbin")


class AnsibleModule:
    """The options and modes of one call, and the ways to end it."""

    def __init__(self, **_told):  # options and their constraints were checked on the controller
        self.params = REQUEST["params"]
        self.check_mode = REQUEST["check_mode"]
        self._diff = REQUEST["diff"]
        self._warnings = []

    def warn(self, warning):
        """Show a warning to the user at the end."""
        self._warnings.append(warning)

    def get_bin_path(self, arg, required=False, opt_dirs=None):  # noqa: FBT002 - the signature of Ansible's own
        """Return the path of a program, None when there is none; with ``required`` that ends the module."""
        import shutil  # noqa: PLC0415 - loads compressors, and most calls look for no program

        places = os.pathsep.join([*(opt_dirs or []), os.environ.get("PATH", os.defpath), *_SBIN])
        path = shutil.which(arg, path=places)
        if path is None and required:
            self.fail_json(msg=f"Failed to find required executable {arg!r} in paths: {places}")
        return path

    def run_command(self, args, data=None, binary_data=False, environ_update=None):  # noqa: FBT002 - as above
        """Run a program and return its exit code, output and error output."""
        if isinstance(data, str):
            data = (data if binary_data else data + "\n").encode("utf-8", "surrogateescape")
        environment = {**os.environ, "LC_ALL": "C.UTF-8", "LANGUAGE": "", **(environ_update or {})}
        try:
            done = subprocess.run(args, input=data, stdin=None if data is not None else subprocess.DEVNULL, capture_output=True, env=environment, check=False)
        except OSError as exc:
            return exc.errno, "", f"{args[0]}: {exc.strerror}"
        return done.returncode, done.stdout.decode("utf-8", "surrogateescape"), done.stderr.decode("utf-8", "surrogateescape")

    def exit_json(self, **result):
        """End the module with its result."""
        result.setdefault("changed", False)
        if self._warnings:
            result["warnings"] = [*result.get("warnings", []), *self._warnings]
        sys.stdout.write("\n" + json.dumps(result) + "\n")
        raise SystemExit

    def fail_json(self, msg, **result):
        """End the module with a failure."""
        self.exit_json(**dict(result, msg=msg, failed=True))
