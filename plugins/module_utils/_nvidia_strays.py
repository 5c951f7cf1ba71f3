# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Libraries of another driver that lie beside the wished ones: ldconfig prefers the newest, whoever put it there; private to the collection."""

from __future__ import annotations

import os
import platform
import re

from ansible_collections.psw.ai.plugins.module_utils._errors import ModuleRefusal, PswModuleError
from ansible_collections.psw.ai.plugins.module_utils._gpu_sysfs import read_text
from ansible_collections.psw.ai.plugins.module_utils._nvidia import LIBRARY, REPOSITORY, RUN, look
from ansible_collections.psw.ai.plugins.module_utils._programs import run

_DIRECTORY = os.path.dirname(LIBRARY)
_INSTALLED = "var/lib/nvidia/log"  # where NVIDIA's installer keeps what it has installed: the version, then files
_OF_A_DRIVER = re.compile(r"^lib.*(?:cuda|nvidia|nvcuvid|nvoptix).*\.so\.(\d{3,}(?:\.\d+)+)$")  # the toolkit's libraries have smaller numbers
_OWNED = re.compile(r"^([^:,\s]+)(?::\w+)?: (/\S+)$", re.MULTILINE)
_NAMED = 3


def _number(version):
    return [int(part) for part in version.split(".")]


def newer(version, root="/"):
    """Return {path: version} of a driver's libraries that ldconfig would prefer to those of this version."""
    try:
        names = sorted(os.listdir(os.path.join(root, _DIRECTORY)))
    except OSError:
        return {}
    found = {f"/{_DIRECTORY}/{match.group()}": match.group(1) for match in map(_OF_A_DRIVER.match, names) if match}
    return {path: its for path, its in found.items() if _number(its) > _number(version)}


def owners(paths):
    """Return {path: package} of those files that belong to a package."""
    said = run(["dpkg-query", "--search", *paths], check=False).out if paths else ""
    return {path: package for package, path in _OWNED.findall(said)}


def strays(libraries, packages, installed, found, sources):
    """Return {path: version} of the libraries that stay although the driver of these sources is removed or replaced.

    ``packages`` are the owners of files, ``installed`` is what NVIDIA's installer has written down.
    """

    def goes(path, its):
        of_installer = path in installed or installed.partition("\n")[0] == its
        return (RUN in sources and of_installer) or (REPOSITORY in sources and packages.get(path) in found["packages"])

    return {path: its for path, its in libraries.items() if not goes(path, its)}


def refuse_strays(machine, libraries, packages, version):
    """Raise for libraries that win over the wished ones, with the very files and the name of the machine."""
    if not libraries:
        return
    paths = list(libraries)
    more = f" and {len(paths) - _NAMED} more" if len(paths) > _NAMED else ""
    purge = sorted({packages[path] for path in paths if path in packages})
    patterns = sorted({f"/{_DIRECTORY}/lib*.so.{its}" for path, its in libraries.items() if path not in packages})
    ways = ([f"apt-get purge {' '.join(purge)}"] if purge else []) + ([f"rm {' '.join(patterns)}"] if patterns else [])
    raise ModuleRefusal(
        "other_driver_libraries",
        f"On {machine}, libraries of a newer driver lie where those of {version} belong, and programs load the newest: {', '.join(paths[:_NAMED])}{more}.",
        f"Remove them there: {' && '.join([*ways, 'ldconfig'])}. Then run this again.",
    )


def refuse(params, found, todo):
    """Raise when libraries of a newer driver would win over those that are wished for, again after every run."""
    if found["userspace"] == params["version"]:
        return
    libraries = newer(params["version"])
    packages = owners(libraries)
    refuse_strays(
        platform.node(),
        strays(libraries, packages, read_text(f"/{_INSTALLED}") or "", found, (params["source"], todo["leave"])),
        packages,
        params["version"],
    )


def link(version):
    """Point programs at the newest libraries again; where they are gone although their package is there, say how to get them back."""
    run(["ldconfig"], doing="pointing programs at the driver's libraries (ldconfig)")
    if look()["userspace"] != version:
        raise PswModuleError(
            f"/{_DIRECTORY}/libcuda.so.{version} is gone although its package is installed; "
            f"get it back on {platform.node()} with: apt-get install --reinstall libcuda1"
        )
