# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""CDI, through which containers get a GPU: the files that describe it, read the way their readers choose between them; private to the collection."""

from __future__ import annotations

import os
import re

from ansible_collections.psw.ai.plugins.module_utils._gpu_sysfs import read_text

KIND = "nvidia.com/gpu"
# The later directory wins for the same device; .yml is read by nobody.
DIRECTORIES = ("etc/cdi", "run/cdi")
_SUFFIXES = (".json", ".yaml")
_KEY = r"""(?:^|[{,])\s*["']?%s["']?\s*:\s*"""  # at the top of YAML, or anywhere in JSON
_KIND = re.compile(_KEY % "kind" + r"""["']?([^"',\s}]+)""", re.MULTILINE)
_TOP = [re.compile(_KEY % key, re.MULTILINE) for key in ("cdiVersion", "devices")]
_HOST_PATH = re.compile(r"""["']?hostPath["']?\s*:\s*["']?([^"',\s}]+)""")
_NODE = re.compile(r"""["']?path["']?\s*:\s*["']?(/dev/[^"',\s}]+)""")
_VERSION = re.compile(r"/lib(?:cuda|nvidia-ml)\.so\.(\d+(?:\.\d+)+)$")


def read_specs(root="/"):
    """Return the text of every file in which a reader of CDI looks, by its path on the machine."""
    specs = {}
    for directory in DIRECTORIES:
        try:
            names = sorted(os.listdir(os.path.join(root, directory)))
        except OSError:
            continue
        for name in names:
            if name.endswith(_SUFFIXES):
                specs[f"/{directory}/{name}"] = read_text(os.path.join(root, directory, name)) or ""
    return specs


def kind_of(text):
    """Return what a specification describes, such as nvidia.com/gpu, or None."""
    found = _KIND.search(text)
    return found.group(1) if found else None


def is_whole(text):
    """Tell whether a text has what every specification has; what its devices look like is for its reader to say."""
    return kind_of(text) == KIND and all(key.search(text) for key in _TOP)


def rivals(specs, ours):
    """Return the other files that describe the same GPUs: a later directory wins, and in one directory both are worth nothing."""
    return [path for path, text in specs.items() if path != ours and kind_of(text) == KIND]


def needs(text):
    """Return (paths that must be there, driver versions in the names of libraries) of a specification."""
    mounts, nodes = _HOST_PATH.findall(text), _NODE.findall(text)
    versions = sorted({found.group(1) for found in map(_VERSION.search, mounts) if found})
    return sorted(set(mounts + nodes)), versions


def absent(text, root="/"):
    """Return the paths that a specification needs and that are not there: no container with the GPU starts without them."""
    return [path for path in needs(text)[0] if not os.path.exists(os.path.join(root, path.lstrip("/")))]
