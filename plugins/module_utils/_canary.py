# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A canary: a container that uses the GPU and ends, run before any app does, whenever something that it stands on has changed; private to the collection."""

from __future__ import annotations

import hashlib
import json
import os
import re

from ansible_collections.psw.ai.plugins.module_utils import _cdi
from ansible_collections.psw.ai.plugins.module_utils import _desired_files as files
from ansible_collections.psw.ai.plugins.module_utils._errors import PswModuleError
from ansible_collections.psw.ai.plugins.module_utils._gpu_layers import broken_nvidia
from ansible_collections.psw.ai.plugins.module_utils._programs import last_lines, run
from ansible_collections.psw.ai.plugins.module_utils._steps import Step

APP = "canary"  # under which the image is noted, so that it goes when it is no longer needed
STAMP = "/var/lib/psw/canary.json"
_PATIENCE = 120  # seconds: a card that fell off the bus keeps whoever asks it waiting
_PROGRAMS = ("usr/bin/podman", "usr/bin/crun")
_DRIVER = "proc/driver/nvidia/version"
_LOADED = re.compile(r"Kernel Module.*?\s(\d+\.\d+(?:\.\d+)?)\s")
_OPEN_EACH = 'for node; do (exec 3<>"$node") || exit 1; done'
# What a failed container says, and the layer that is wrong: the first that fits.
_LAYERS = {
    r"CDI": "CDI: podman cannot use its description of the GPU; run: systemctl restart psw-nvidia-cdi",
    r"nvidia-smi\S* (not found|.*no such file)": "CDI: the description of the GPU brings no nvidia-smi; run: systemctl restart psw-nvidia-cdi",
    r"NVML|NVIDIA-SMI|No devices were found": "userspace: the driver's libraries do not reach the card from inside; a converge installs those that match",
    r"/dev/\S+:? .*(permission denied|not permitted)": "gid: the image's user may not open the device node; a converge gives it to the right group",
    r"/dev/\S+:? .*(no such|cannot|nonexistent)": "device node: it is not there inside; a converge passes it through",
    r"crun|OCI runtime|netavark|cgroup": "crun: it cannot start a container on this target; podman info and the lines below say more",
    r"executable file|no such file|exec format": "image: it lacks what the canary runs, or was made for another kind of machine",
    r"": "image or podman: the container ended before it reached the GPU",
}


def _stat(path, *parts):
    try:
        found = os.stat(path)
    except OSError:
        return None
    return [getattr(found, part) for part in parts]


def _text(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            return stream.read()
    except OSError:
        return ""


def stands_on(image, devices, root="/"):
    """Return all that the canary's answer depends on; while it stays the same, so does the answer."""
    specs = {path: hashlib.sha256(text.encode("utf-8", "replace")).hexdigest() for path, text in _cdi.read_specs(root).items()}
    return {
        "image": image,
        "programs": {f"/{path}": _stat(os.path.join(root, path), "st_size", "st_mtime_ns") for path in _PROGRAMS},
        "driver": loaded_driver(root),
        "cdi": specs,
        "devices": {path: _stat(os.path.join(root, path.lstrip("/")), "st_rdev", "st_gid", "st_mode") for path in sorted(devices)},
    }


def loaded_driver(root="/"):
    """Return the version of the loaded NVIDIA module, None without one."""
    found = _LOADED.search(_text(os.path.join(root, _DRIVER)))
    return found.group(1) if found else None


def passed(ground):
    """Tell whether the canary has passed on this very ground."""
    try:
        return json.loads(_text(STAMP) or "{}").get("passed") == ground
    except ValueError:
        return False


def note(ground):
    """Note the ground on which it passed."""
    text = json.dumps({"schema": 1, "passed": ground}, indent=1, sort_keys=True) + "\n"
    files.write(Step("write", STAMP, files.wish("file", STAMP, content=text, mode="0644", owner="0", group="0")))


def owners(devices, root="/"):
    """Return the numbers of the groups that these device nodes belong to; root's own helps nobody."""
    found = (_stat(os.path.join(root, path.lstrip("/")), "st_gid") for path in devices)
    return sorted({gid for (gid,) in filter(None, found)} - {0})


def command(vendor, reference, devices, groups=()):
    """Return the command that uses the GPU in a container of this image; a container that a killed run left is replaced.

    As in an app's unit it is a member of the groups that the nodes belong to, for images that do not run as root.
    """
    head = ["podman", "run", "--rm", "--replace", "--name=psw-canary", "--pull=never", "--network=none", "--log-driver=none"]
    if vendor == "nvidia":
        ask = ["--query-gpu=driver_version", "--format=csv,noheader"]
        return [*head, "--device=nvidia.com/gpu=all", "--entrypoint=nvidia-smi", reference, *ask]
    given = [*(f"--device={path}" for path in devices), *(f"--group-add={group}" for group in groups)]
    return [*head, *given, "--entrypoint=/bin/sh", reference, "-c", _OPEN_EACH, "sh", *devices]


def layer(vendor, said, root="/"):
    """Return which layer is wrong, and what heals it: what can be seen from the target, else what the container said."""
    seen = broken_nvidia(root) if vendor == "nvidia" else None
    return seen or next(text for pattern, text in _LAYERS.items() if re.search(pattern, said, re.IGNORECASE))


def judge(vendor, done, driver, root="/"):
    """Raise unless the container saw the GPU, and NVIDIA's in the version that the node has loaded."""
    said = last_lines(done.err or done.out, 4)
    if done.rc != 0:
        wrong = layer(vendor, f"{done.err}\n{done.out}", root)
    elif vendor == "nvidia" and set(done.out.split()) != {driver}:
        wrong = f"userspace: the node runs NVIDIA {driver}, and a container sees {' '.join(done.out.split()) or 'none'}; a converge installs what matches"
    else:
        return
    raise PswModuleError(f"a container with the GPU does not work, so the apps were left as they are. The layer that is wrong is the {wrong}\n{said}")


def sing(vendor, reference, devices):
    """Run the canary."""
    judge(vendor, run(command(vendor, reference, devices, owners(devices)), check=False, timeout=_PATIENCE), loaded_driver())
