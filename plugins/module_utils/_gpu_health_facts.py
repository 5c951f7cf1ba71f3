# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What psw doctor looks at, on a node or in a target: all the reading, none of the judging, and nothing that could change something."""

from __future__ import annotations

import os
import re
import stat

from ansible_collections.psw.ai.plugins.module_utils import _cdi, _gpu, _gpu_sysfs, _gpu_text, _nvidia, _packages
from ansible_collections.psw.ai.plugins.module_utils._errors import PswModuleError
from ansible_collections.psw.ai.plugins.module_utils._gpu_record import devices_of
from ansible_collections.psw.ai.plugins.module_utils._programs import run

TOOLKIT = "nvidia-container-toolkit-base"
GROUPS = ("render", "video")
# Where proxmox-boot-tool keeps the kernel that was pinned, for the next boot or for all.
_PINS = ("etc/kernel/next-boot-pin", "etc/kernel/proxmox-boot-pin")
_A_CARDS_OWN = re.compile(r"^/dev/(nvidia\d+|dri/renderD\d+)$")  # what the kernel may call otherwise at another boot
_PATIENCE = 5  # seconds: a card that fell off the bus keeps nvidia-smi waiting for ever


def device(root, path):
    """Return {number, gid, mode} of a device node as major:minor, or None where there is none."""
    try:
        found = os.stat(os.path.join(root, path.lstrip("/")))
    except OSError:
        return None
    if not stat.S_ISCHR(found.st_mode):
        return None
    return {"number": f"{os.major(found.st_rdev)}:{os.minor(found.st_rdev)}", "gid": found.st_gid, "mode": stat.S_IMODE(found.st_mode)}


def parse_groups(text):
    """Return {group: gid} of the groups that GPUs belong to, from /etc/group."""
    return {name: int(gid) for name, gid in re.findall(r"^(\w+):[^:]*:(\d+):", text or "", re.MULTILINE) if name in GROUPS}


def uvm_major(text):
    """Return the number that the kernel gives nvidia-uvm, from /proc/devices; None where it lists none."""
    found = re.search(r"^ *(\d+) nvidia-uvm$", text or "", re.MULTILINE)
    return int(found.group(1)) if found else None


def _in_order(kernel):
    return [int(number) for number in re.findall(r"\d+", kernel)]


def next_kernel(root, running):
    """Return the kernel of the next boot: the pinned one, else the newest that is really there; headers alone are no kernel."""
    directory = os.path.join(root, "lib/modules")
    try:
        names = [name for name in os.listdir(directory) if os.path.isdir(os.path.join(directory, name, "kernel"))]
    except OSError:
        names = []
    pinned = [_gpu_sysfs.read_text(os.path.join(root, pin)) for pin in _PINS]
    chosen = next((pin for pin in pinned if pin in names), None)
    ours = [name for name in names if name.endswith("-pve")]
    return chosen or max(ours, key=_in_order, default=running)


def _answer(argv):
    try:
        done = run(argv, check=False, timeout=_PATIENCE)
    except PswModuleError:
        return None
    return done.out if done.rc == 0 else None


def _specs(root, record):
    """Return what there is to know about CDI: the files, those of the paths they need that are missing, and what their reader makes of them."""
    specs = _cdi.read_specs(root)
    listed = _answer(["nvidia-ctk", "cdi", "list"]) if root == "/" else None
    return {
        "specs": specs,
        "absent": _cdi.absent(specs.get(record.get("cdi_spec"), ""), root),
        "listed": listed.split() if listed is not None else None,
    }


def _toolkit():
    said = _answer(_packages.query_command([TOOLKIT]))
    return _packages.parse_query(said or "").get(TOOLKIT)


def _devices(root, record, addresses=None):
    return {path: device(root, path) for path in devices_of(record, addresses)}


def target_facts(record, root="/", addresses=None):
    """Return what a target has of its node's GPU: of the cards with these addresses, by default of all."""
    own = record[record["vendor"]]
    devices = _devices(root, record, addresses)
    facts = {
        "devices": devices,
        "others": [path for path in _gpu_sysfs.read_nodes(root) if _A_CARDS_OWN.match(path) and path not in devices],
        "groups": parse_groups(_gpu_sysfs.read_text(os.path.join(root, "etc/group"))),
    }
    if record["vendor"] == "nvidia":
        library = os.path.realpath(os.path.join(root, _nvidia.LIBRARY))
        facts["loaded"] = _gpu_text.parse_loaded(_gpu_sysfs.read_text(os.path.join(root, "proc/driver/nvidia/version")))[0]
        facts["userspace"] = _nvidia.library_version(library) if os.path.exists(library) else None
        facts["uvm_major"] = uvm_major(_gpu_sysfs.read_text(os.path.join(root, "proc/devices")))
        facts["toolkit"] = _toolkit()
        facts["cdi"] = _specs(root, own)
    return facts


def node_facts(record, root="/"):
    """Return what a node has: its cards, and what stands between them and the targets."""
    machine = _gpu_sysfs.read_machine(root)
    own = record[record["vendor"]]
    facts = {
        "gpus": [{**gpu, "devices": _gpu.own_nodes(machine, gpu)} for gpu in _gpu.find_gpus(machine)],
        "secure_boot": _gpu_text.secure_boot_state(machine["efi"], machine["secure_boot"], machine["shim_state"]),
        "devices": _devices(root, record),
        "groups": parse_groups(_gpu_sysfs.read_text(os.path.join(root, "etc/group"))),
        "kfd": _gpu_text.kfd_gfx(machine["kfd"]),
    }
    if record["vendor"] == "nvidia":
        driver = _nvidia.look(root)
        facts["driver"] = driver
        facts["next_kernel"] = next_kernel(root, driver["kernel"])
        facts["toolkit"] = _toolkit()
        facts["cdi"] = _specs(root, own)
        # Only where nothing is missing: it would make device nodes, and load modules, that are not there.
        complete = driver["loaded"] and driver["loaded"] == driver["userspace"] and all(facts["devices"].values())
        facts["silent"] = bool(complete) and root == "/" and _answer(["nvidia-smi", "-L"]) is None
    return facts
