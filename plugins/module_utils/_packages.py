# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Debian packages: which are there, and getting the others; private to the collection."""

from __future__ import annotations

import os
import re

from ansible_collections.psw.ai.plugins.module_utils._errors import PswModuleError
from ansible_collections.psw.ai.plugins.module_utils._programs import last_lines, run
from ansible_collections.psw.ai.plugins.module_utils._steps import Step, state_diff

# Another apt that runs right now (a nightly upgrade) is waited for; settings an admin changed by hand stay.
APT = ["apt-get", "-qy", "-o", "DPkg::Lock::Timeout=300", "-o", "Dpkg::Options::=--force-confdef", "-o", "Dpkg::Options::=--force-confold"]


# Reading must leave nothing behind, not even what apt keeps to read faster the next time.
NO_CACHE = ["-o", "Dir::Cache::pkgcache=", "-o", "Dir::Cache::srcpkgcache="]
# Package lists of one's own. What an admin hooked to updates of the machine's lists is not meant for them.
_SCRATCH = """\
Dir::State::Lists "{place}/lists";
Dir::Cache "{place}/cache";
Dir::Cache::pkgcache "";
Dir::Cache::srcpkgcache "";
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
"""
# A new node asks Proxmox's enterprise repository, which answers with 401 until somebody has paid for a subscription.
_UNPAID = re.compile(r"enterprise\.proxmox\.com.* 401 ")
PROXMOX_SIGN = "proxmox-default-headers"  # in every release's repository, so lists without it lack that repository
_NOBODY_HAS_IT = re.compile(r"^E: (Unable to locate package|Package '.*' has no installation candidate)", re.MULTILINE)
_ADD_REPOSITORY = (
    "Add Proxmox's repository for nodes without a subscription (in the web interface: the node > Updates > Repositories > Add > No-Subscription) "
    "or enter a subscription key, then run the same command again."
)


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
    """Return the lines that apt marks as errors, or its last ones; what DKMS says of a module that does not build is their cause."""
    lines = (done.err + done.out).splitlines()
    causes = [line for line in lines if line.startswith(("Error! ", "Consult "))]
    errors = [line for line in lines if line.startswith(("E:", "Err:", "dpkg: error"))]
    return "\n".join([*causes, last_lines("\n".join(errors))]).strip() or last_lines(done.err or done.out)


def _offered(names, *options):
    """Return those packages that the package lists have."""
    rows = run(["apt-cache", *options, "madison", *names], check=False).out.splitlines()
    return {row.partition("|")[0].strip() for row in rows}


def _unpaid(updated):
    """Tell whether package lists are missing because nobody has paid for them."""
    return updated.rc != 0 and bool(_UNPAID.search(updated.err + updated.out))


def _way_out(updated):
    """Say what gives a node Proxmox's packages, of which its lists have none."""
    return _ADD_REPOSITORY if updated.rc == 0 or _unpaid(updated) else "Make apt-get update succeed on the node, then run the same command again."


def unknown(names, sign):
    """Return (the packages that no source of this machine offers, why lists could not be fetched, what to do about that); asking changes nothing.

    Where the lists on the machine do not know a package, because they are old or there are none, they are fetched anew into a scratch directory.
    There is nothing to be done about lists that have ``sign``, a package that every source of the missing ones has.
    """
    lacking = [name for name in names if name not in _offered(names, *NO_CACHE)] if names else []
    if not lacking:
        return [], "", ""
    import tempfile  # noqa: PLC0415 - takes long to load, and nearly every run has its packages

    with tempfile.TemporaryDirectory(prefix="psw-apt-") as place:
        os.chmod(place, 0o711)  # noqa: S103 - apt downloads as a user of its own, who has to get there
        for name in ("lists/partial", "cache"):
            os.makedirs(os.path.join(place, name))
        settings = os.path.join(place, "apt.conf")
        with open(settings, "w", encoding="utf-8") as file:
            file.write(_SCRATCH.format(place=place))
        updated = run(["apt-get", "-qy", "-c", settings, "update"], check=False)
        offered = _offered([*lacking, sign], "-c", settings)
    trouble = _explain(updated) if updated.rc != 0 else ""
    return [name for name in lacking if name not in offered], trouble, "" if sign in offered else _way_out(updated)


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
        unpaid = _unpaid(updated) and _NOBODY_HAS_IT.search(done.err) and PROXMOX_SIGN not in _offered([PROXMOX_SIGN])
        way_out = f"\n{_ADD_REPOSITORY}" if unpaid else ""
        raise PswModuleError(f"apt cannot install {step.target}: {_explain(done)}{before}{way_out}")


DOERS = {"wish for package": lambda _step: None, "install": install}
