# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What psw doctor can find: each finding has an id that stays, and belongs to a layer between the card and the apps; private to the collection."""

from __future__ import annotations

# id: layer, in the order in which one thing rests on another. docs/doctor.md explains each.
LAYERS = {
    "not_recorded": "record",
    "card_gone": "card",
    "card_moved": "card",
    "card_replaced": "card",
    "card_given_away": "card",
    "card_unused": "card",
    "card_renamed": "card",
    "secure_boot_on": "firmware",
    "module_on_disk": "kernel module",
    "module_next_kernel": "kernel module",
    "module_not_loaded": "kernel module",
    "module_version": "kernel module",
    "module_flavour": "kernel module",
    "driver_not_bound": "kernel module",
    "compute_missing": "kernel module",
    "gfx_changed": "kernel module",
    "driver_source": "userspace",
    "userspace_version": "userspace",
    "toolkit_version": "toolkit",
    "device_missing": "device node",
    "device_stale": "device node",
    "device_gid": "gid",
    "group_changed": "gid",
    "device_closed": "gid",
    "cdi_missing": "CDI",
    "cdi_shadowed": "CDI",
    "cdi_invalid": "CDI",
    "cdi_stale": "CDI",
    "driver_silent": "driver",
    "engine_down": "app",
    "model_on_cpu": "app",
    "model_unseen": "app",
    "model_split": "app",
    "answer_missing": "app",
    "proof_failed": "app",
}

# What breaks something only at the next boot or upgrade, or never: whatever is wrong now has another cause.
LATER = {"module_on_disk", "module_next_kernel", "driver_source", "card_unused"}


def finding(name, message, heal, *, there=False, inherited=False):
    """Return one finding.

    ``there``: the command that heals it belongs on the machine itself, not where psw runs. ``inherited``: a target suffers it from its
    node, which names the cause when it is asked too.
    """
    found = {"id": name, "layer": LAYERS[name], "message": message, "heal": heal, "there": there, "inherited": inherited}
    return {**found, "later": name in LATER}


def ids(findings):
    """Return the ids of findings."""
    return {found["id"] for found in findings}
