# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Leaving one way of installing NVIDIA's driver for the other: two at once break each other; private to the collection."""

from __future__ import annotations

import re

from ansible_collections.psw.ai.plugins.module_utils._errors import ModuleRefusal
from ansible_collections.psw.ai.plugins.module_utils._nvidia import RUN, of_a_driver
from ansible_collections.psw.ai.plugins.module_utils._packages import APT, NO_CACHE
from ansible_collections.psw.ai.plugins.module_utils._programs import run

_REMOVED = re.compile(r"^(?:Remv|Purg) ([^\s:]+)", re.MULTILINE)
_SWITCHES = re.compile(r"^(?:update-glx$|glx-)")  # Debian's, which choose between drivers


def fetch(names):
    """Download packages without installing them, so that a download that fails leaves the old driver alone."""
    run([*APT, "update"], check=False)  # what is missing afterwards, the download names
    run([*APT, "--no-install-recommends", "--allow-downgrades", "--download-only", "install", *names], doing="downloading the driver's packages")


def refuse_losses(simulation):
    """Raise when removing the driver's packages would take something else with them, such as a part of Proxmox VE."""
    lost = sorted({name for name in _REMOVED.findall(simulation) if not (of_a_driver(name) or _SWITCHES.match(name))})
    if lost:
        raise ModuleRefusal(
            "driver_packages_needed",
            f"Removing the driver's packages would also remove {', '.join(lost)}.",
            "See: apt-get -s purge 'nvidia-*' libcuda1; make those packages independent of the driver and run this again.",
        )


def simulate(packages):
    """Raise when apt would remove anything else together with these packages."""
    refuse_losses(run([*APT, *NO_CACHE, "--simulate", "purge", *packages], doing="asking apt what removing the driver's packages means").out)


def leave(source, packages):
    """Remove the driver that came from this source; nothing else goes, and nothing is autoremoved."""
    if source == RUN:
        run(["nvidia-uninstall", "--silent"], doing="removing the driver that NVIDIA's installer had installed (log: /var/log/nvidia-uninstall.log)")
        return
    run([*APT, "purge", *packages], doing="removing the driver's packages")
