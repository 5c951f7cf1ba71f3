# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Getting and running NVIDIA's installer; private to the collection."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import os
import re

from ansible_collections.psw.ai.plugins.module_utils._errors import PswModuleError
from ansible_collections.psw.ai.plugins.module_utils._nvidia import NO_MODULES
from ansible_collections.psw.ai.plugins.module_utils._programs import last_lines, run
from ansible_collections.psw.ai.plugins.module_utils._web import download as _open

LOG = "/var/log/nvidia-installer.log"
_BLOCK = 1 << 20
_QUIET = ["--silent", "--no-opengl-files", "--no-install-compat32-libs", "--no-x-check", "--no-check-for-alternate-installs"]
_HOST = ["--dkms", "--no-rebuild-initramfs"]
# A container has no kernel: no modules, no helper that loads them, and nouveau is the host's business.
_CONTAINER = ["--no-kernel-modules", "--no-nvidia-modprobe", "--no-nouveau-check", "--no-systemd"]


def file_name(version):
    """Return the name NVIDIA gives a version's installer."""
    return f"NVIDIA-Linux-x86_64-{version}.run"


def wanted_checksum(url):
    """Return the SHA-256 that the vendor publishes beside the file."""
    with _open(f"{url}.sha256sum") as answer:
        text = answer.read().decode("utf-8", "replace")
    found = re.match(r"^([0-9a-f]{64})\b", text)
    if not found:
        raise PswModuleError(f"{url}.sha256sum holds no SHA-256 checksum, so the driver cannot be checked")
    return found.group(1)


def checksum(path):
    """Return a file's SHA-256, or None when there is no such file."""
    digest = hashlib.sha256()
    try:
        with open(path, "rb") as file:
            for block in iter(lambda: file.read(_BLOCK), b""):
                digest.update(block)
    except FileNotFoundError:
        return None
    return digest.hexdigest()


def download(url, directory):
    """Return the path of the checked installer; one that was downloaded before and still fits is used again."""
    wanted = wanted_checksum(url)
    path = os.path.join(directory, url.rsplit("/", 1)[1])
    if checksum(path) == wanted:
        return path
    os.makedirs(directory, mode=0o700, exist_ok=True)
    part = f"{path}.part"
    try:
        with _open(url) as answer, open(part, "wb") as file:
            file.writelines(iter(lambda: answer.read(_BLOCK), b""))
    except (OSError, http.client.HTTPException) as exc:
        remove(part)
        raise PswModuleError(f"cannot download {url} to {directory}: {exc}") from exc
    got = checksum(part)
    if got != wanted:
        remove(part)
        raise PswModuleError(f"{url} is damaged or was cut off: its SHA-256 is {got}, the vendor says {wanted}. Run this again")
    os.rename(part, path)
    return path


def remove(path):
    """Remove a file that may be gone already."""
    with contextlib.suppress(FileNotFoundError):
        os.remove(path)


def options(kernel_modules, running, directory):
    """Return the installer's options."""
    chosen = [*_QUIET, f"--tmpdir={directory}", f"--log-file-name={LOG}"]
    if kernel_modules == NO_MODULES:
        return chosen + _CONTAINER
    return [*chosen, *_HOST, f"--kernel-module-type={kernel_modules}", *(["--allow-installation-with-running-driver"] if running else [])]


def install(path, chosen):
    """Run the installer; a failure quotes its own words and says where the logs are."""
    done = run(["sh", path, *chosen], check=False)
    if done.rc == 0:
        return
    errors = re.findall(r"^ERROR: (.+)$", done.out + done.err, re.MULTILINE)
    said = errors[0] if errors else last_lines(done.err or done.out)
    makes = re.search(r"/var/lib/dkms/\S+/make\.log", done.out + done.err)
    logs = f"{LOG} and {makes.group(0)}" if makes else LOG
    raise PswModuleError(f"NVIDIA's installer failed: {said} (logs: {logs})")


def build(version, kernel):
    """Build and install the module for one more kernel."""
    where = f"/var/lib/dkms/nvidia/{version}/build/make.log"
    run(["dkms", "install", "-m", "nvidia", "-v", version, "-k", kernel, "--force"], doing=f"building the NVIDIA module for kernel {kernel} (log: {where})")


def load():
    """Load the modules that CUDA needs."""
    run(["modprobe", "-a", "nvidia", "nvidia-uvm"], doing="loading the NVIDIA module")
