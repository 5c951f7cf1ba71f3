# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images from a registry: one that stops coming is asked for again, and one that does not come is explained; private to the collection."""

from __future__ import annotations

import contextlib
import glob
import os
import re
import shutil
import subprocess
import time

from ansible_collections.psw.ai.plugins.module_utils import _progress as progress
from ansible_collections.psw.ai.plugins.module_utils._errors import PswModuleError
from ansible_collections.psw.ai.plugins.module_utils._programs import Done, finish, last_lines, start

ATTEMPTS = 3  # podman itself takes up a broken connection again; these are for one that stays open and brings nothing
STALL = 180  # seconds
_LAYERS = "/var/tmp"  # noqa: S108 - podman's own choice: containers-common(5), image_copy_tmp_dir
_LOOK = 2  # seconds between two looks
_NOISE = 65536  # bytes between two looks that are no progress: what a waiting program reads and writes to stay awake

_AGAIN = "Run again: layers that arrived are kept."
_MIRROR = "or name a mirror of it (registries.mirrors in psw.yml, or the role's container_host_mirrors)"
# What podman says, and what to do about it: the first that fits.
_ADVICE = {
    r"no space left|disk quota exceeded": f"The target's disk is full: look at podman system df, and make room or give it a larger root disk. {_AGAIN}",
    r"toomanyrequests|too many requests|rate limit": f"{{registry}} gives no more for now: wait, {_MIRROR}. {_AGAIN}",
    r"x509|certificate|server gave HTTP response": "Whoever answers for {registry} shows no certificate this target trusts; a mirror may need insecure: true.",
    r"manifest unknown|name unknown|not found": "{registry} has no such image: correct its name or tag. A mirror may lack it too.",
    r"unauthorized|denied|authentication required|forbidden": (
        "{registry} has no such image, or not for everybody: correct its name, or log in on the target with podman login {registry}."
    ),
    r"short-name": "Give the image its full name, with the registry first.",
    r"": f"{{registry}} cannot be reached from the target, or broke off: look at its network and DNS, {_MIRROR}. {_AGAIN}",
}


def registry_of(reference):
    """Return the registry in the full name of an image."""
    return reference.partition("/")[0]


def advice(reference, said):
    """Return what to do about a pull that ended with these words."""
    text = next(text for pattern, text in _ADVICE.items() if re.search(pattern, said, re.IGNORECASE))
    return text.format(registry=registry_of(reference))


def _moved(pid):
    """Return how many bytes a process has read and written so far, over the network or not."""
    try:
        with open(f"/proc/{pid}/io", encoding="ascii") as stream:
            return sum(int(line.split()[1]) for line in stream if line.startswith(("rchar", "wchar")))
    except OSError:
        return 0


def _folders():
    """Return where podman keeps compressed layers until all of an image are there; one that was killed leaves its folder behind."""
    return set(glob.glob(os.path.join(_LAYERS, "container_images_storage*")))


def _arrived(before):
    """Return how many bytes podman has got so far, in folders that were not there before."""
    found = 0
    for folder in _folders() - before:
        for path in glob.glob(os.path.join(folder, "*")):
            with contextlib.suppress(OSError):
                found += os.stat(path).st_size
    return found


def _watch(process, stall, tell):
    """Wait for a program; end it when it moved nothing for ``stall`` seconds, and return whether that was so."""
    moved, since = 0, time.monotonic()
    while True:
        try:
            process.wait(_LOOK)
        except subprocess.TimeoutExpired:
            now = _moved(process.pid)
            if now - moved > _NOISE:
                since = time.monotonic()
            moved = now
            tell()
            if time.monotonic() - since < stall:
                continue
            process.kill()
            return True
        return False


def _pull_once(reference, stall):
    before = _folders()
    process = start(["podman", "pull", "--quiet", reference])
    with progress.told() as tell:
        stalled = _watch(process, stall, lambda: tell(f"{reference}: {progress.size(_arrived(before))} so far"))
    done = finish(process)
    if not stalled:
        return done
    for folder in _folders() - before:
        shutil.rmtree(folder, ignore_errors=True)
    return Done(124, "", f"nothing came for {stall} s")


def pull(reference, *, attempts=ATTEMPTS, stall=STALL):
    """Get an image; layers that are already there are not fetched again, so a broken pull goes on where it was."""
    for _attempt in range(attempts):
        done = _pull_once(reference, stall)
        if done.rc == 0:
            return
        if done.rc != 124:  # noqa: PLR2004 - how a time limit ends
            break
    raise PswModuleError(f"image {reference} cannot be pulled: {last_lines(done.err, 4)}\nNothing else was changed. {advice(reference, done.err)}")
