# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Debian packages: which are there, and getting the others; private to the collection."""

from __future__ import annotations

from ansible_collections.psw.ai.plugins.module_utils._errors import PswModuleError
from ansible_collections.psw.ai.plugins.module_utils._programs import last_lines, run
from ansible_collections.psw.ai.plugins.module_utils._steps import Step, state_diff

# Another apt that runs right now (a nightly upgrade) is waited for; settings an admin changed by hand stay.
APT = ["apt-get", "-qy", "-o", "DPkg::Lock::Timeout=300", "-o", "Dpkg::Options::=--force-confdef", "-o", "Dpkg::Options::=--force-confold"]


def query_command(names):
    """Return the command that tells the versions of these packages, None for none."""
    return ["dpkg-query", "--show", "--showformat=${Package} ${db:Status-Status} ${Version}\\n"] + [split(name)[0] for name in names] if names else None


def parse_query(text):
    """Return {package: version} of those that are installed; removed ones whose settings stayed do not count."""
    rows = (line.split(" ") for line in text.splitlines() if line)
    return {row[0]: row[2] for row in rows if row[1] == "installed"}


def split(name):
    """Return (package, version) of a wish such as ``podman`` or ``nvidia-container-toolkit=1.20.0-1``; the version may be empty."""
    package, _equals, version = name.partition("=")
    return package, version


def plan(names, installed, *, recommends):
    """Return the steps that bring what is missing: all packages in one go, so that apt sees the whole of it."""
    missing, steps = [], []
    for name in names:
        package, version = split(name)
        found = installed.get(package, "")
        if not found or version not in ("", found):
            missing.append(name)
            steps.append(Step("wish for package", name, {}, state_diff(f"package {package}", found, version or "installed")))
    return [*steps, Step("install", " ".join(missing), {"names": missing, "recommends": recommends})] if missing else []


def _explain(done):
    """Return the lines that apt marks as errors, or its last ones."""
    errors = [line for line in (done.err + done.out).splitlines() if line.startswith(("E:", "Err:", "dpkg: error"))]
    return last_lines("\n".join(errors)) or last_lines(done.err or done.out)


def install(step):
    """Fetch the package lists and install packages; nobody is there to be asked anything."""
    # One repository that does not answer, such as Proxmox's enterprise one without a subscription, need not matter: the install tells.
    updated = run([*APT, "update"], check=False)
    recommends = [] if step.args["recommends"] else ["--no-install-recommends"]
    command = [*APT, *recommends, "--allow-downgrades", "install", *step.args["names"]]
    done = run(command, check=False)
    if done.rc != 0 and "dpkg was interrupted" in done.err:
        run(["dpkg", "--force-confdef", "--force-confold", "--configure", "-a"], doing="finishing what a killed dpkg left (dpkg --configure -a)")
        done = run(command, check=False)
    if done.rc != 0:
        before = f"\nBefore that, apt could not fetch all package lists: {_explain(updated)}" if updated.rc != 0 else ""
        raise PswModuleError(f"apt cannot install {step.target}: {_explain(done)}{before}")


DOERS = {"wish for package": lambda _step: None, "install": install}
