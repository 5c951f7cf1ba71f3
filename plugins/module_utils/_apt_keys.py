# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys of vendors' package repositories: downloaded once, and trusted only with the pinned fingerprint; private to the collection."""

from __future__ import annotations

from ansible_collections.psw.ai.plugins.module_utils import _desired_files as files
from ansible_collections.psw.ai.plugins.module_utils._errors import PswModuleError
from ansible_collections.psw.ai.plugins.module_utils._openpgp import fingerprints
from ansible_collections.psw.ai.plugins.module_utils._steps import Step, state_diff

_LIMIT = 1 << 20  # a key has some kilobytes


def pinned(text, fingerprint):
    """Tell whether a text holds the pinned key and no other one."""
    return fingerprints(text) == [fingerprint.replace(" ", "").upper()]


def plan(keys):
    """Return a step for each key that is not on the machine as pinned."""
    steps = []
    for key in keys:
        found = files.look(key["path"])
        if found["kind"] in ("directory", "other"):
            raise PswModuleError(f"{key['path']} is in the way: a file is needed there. Move it and run again")
        if not pinned(found.get("content", ""), key["fingerprint"]):
            before = "" if found["kind"] == "absent" else "another key"
            steps.append(Step("trust key", key["path"], key, state_diff(key["path"], before, f"key {key['fingerprint']}")))
    return steps


def _download(url):
    from ansible_collections.psw.ai.plugins.module_utils._web import download  # noqa: PLC0415 - takes long to load, and nearly every run has its keys

    with download(url) as answer:
        return answer.read(_LIMIT).decode("utf-8", "replace")


def fetch(step):
    """Download one key and keep it, if it is the pinned one."""
    key = step.args
    text = _download(key["url"])
    if not pinned(text, key["fingerprint"]):
        got = ", ".join(fingerprints(text)) or "none that can be read"
        raise PswModuleError(
            f"{key['url']} does not hold the key that psw trusts: wanted is {key['fingerprint']}, found {got}. "
            "Nothing is installed from there. If the vendor says that the key has changed, set its new fingerprint (see the role's README)"
        )
    files.write(Step("write", key["path"], files.wish("file", key["path"], content=text, mode="0644", owner="0", group="0")))


DOERS = {"trust key": fetch}
