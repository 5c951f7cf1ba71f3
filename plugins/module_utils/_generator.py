# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The quadlet generator: what it would say about unit files before they are in place; private to the collection."""

from __future__ import annotations

import os
import re
import shutil
import tempfile

from ansible_collections.psw.ai.plugins.module_utils._programs import run
from ansible_collections.psw.ai.plugins.module_utils._quadlet import FOLDER, KINDS

GENERATOR = "/usr/lib/systemd/system-generators/podman-system-generator"
_REFUSAL = re.compile(r'converting "(?P<unit>[^"]+)": (?P<why>.*)')


def parse_refusals(text):
    """Return {unit file: reason} of what the generator did not understand; its paths are of a draft folder and are left out."""
    found = (_REFUSAL.search(line) for line in text.splitlines())
    return {match.group("unit"): re.sub(r" in /\S+$", "", match.group("why")) for match in found if match}


def _present():
    try:
        names = os.listdir(FOLDER)
    except OSError:
        return []
    return [name for name in names if name.endswith(tuple("." + kind for kind in KINDS))]


def refusals(texts, gone=()):
    """Return {unit file: reason} for these unit files, laid over those already on the machine."""
    if not os.access(GENERATOR, os.X_OK):
        return {}
    with tempfile.TemporaryDirectory(prefix="psw-units-") as draft:
        for name in set(_present()) - set(gone) - set(texts):
            shutil.copyfile(os.path.join(FOLDER, name), os.path.join(draft, name))
        for name, text in texts.items():
            with open(os.path.join(draft, name), "w", encoding="utf-8") as stream:
                stream.write(text)
        said = run([GENERATOR, "--dryrun"], check=False, env={"QUADLET_UNIT_DIRS": draft}).err
    return {name: why for name, why in parse_refusals(said).items() if name in texts}
