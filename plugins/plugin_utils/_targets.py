# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What psw has learned about its targets and can learn again: addresses, groups, host keys, the CA; kept in ``.psw/``."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from ansible_collections.psw.ai.plugins.plugin_utils import _yaml
from ansible_collections.psw.ai.plugins.plugin_utils._errors import ProjectError
from ansible_collections.psw.ai.plugins.plugin_utils._files import write_atomic
from ansible_collections.psw.ai.plugins.plugin_utils._lock import mutex, state_directory

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

COMMENT = "Where psw found its targets last. Safe to delete: the next converge finds them again."


def read(path: Path) -> dict[str, dict[str, Any]]:
    """Return what is known of each target; a cache that cannot be read is no cache."""
    try:
        targets = _yaml.load(path / ".psw" / "targets.yml").data["targets"]
    except (ProjectError, KeyError):
        return {}
    return {name: facts for name, facts in targets.items() if isinstance(facts, dict)} if isinstance(targets, dict) else {}


def remember(path: Path, name: str, facts: Mapping[str, Any], *, write: bool = True) -> bool:
    """Note a target's ``vmid``, ``address`` and ``groups``; False when they were known. With ``write`` off, only say so."""
    with _alone(path, write=write):
        targets = read(path)
        after = {**targets.get(name, {}), **{key: value for key, value in facts.items() if value is not None}}
        if targets.get(name) == after:
            return False
        if write:
            content = {"schema": 1, "targets": dict(sorted({**targets, name: after}.items()))}
            write_atomic(path / ".psw" / "targets.yml", _yaml.dump(content, COMMENT))
        return True


def forget(path: Path, name: str, *, write: bool = True) -> bool:
    """Forget a target and its host keys."""
    with _alone(path, write=write):
        targets = read(path)
        known = name in targets
        if known and write:
            targets.pop(name)
            write_atomic(path / ".psw" / "targets.yml", _yaml.dump({"schema": 1, "targets": targets}, COMMENT))
    return pin(path, name, [], write=write) or known


def pin(path: Path, name: str, keys: Iterable[str], *, write: bool = True) -> bool:
    """Trust exactly these host keys (``type base64``) for a target; False when it was so."""
    file = path / ".psw" / "known_hosts"
    with _alone(path, write=write):
        before = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
        wanted = sorted(f"{name} {' '.join(key.split()[:2])}" for key in keys)
        mine = [line for line in before if line.split(" ", 1)[0] == name]
        if sorted(mine) == wanted:
            return False
        if write:
            lines = [*(line for line in before if line not in mine), *wanted]
            write_atomic(file, "".join(f"{line}\n" for line in lines), mode=0o600)
        return True


def keep_ca(path: Path, certificate: str, *, write: bool = True) -> bool:
    """Keep the certificate of the house's own CA; False when it was this one."""
    file = path / ".psw" / "ca.crt"
    text = certificate.strip() + "\n"
    with _alone(path, write=write):
        if file.exists() and file.read_text(encoding="utf-8") == text:
            return False
        if write:
            write_atomic(file, text)
        return True


def _alone(path: Path, *, write: bool) -> contextlib.AbstractContextManager[None]:
    """Keep the workers of a run apart; who only looks makes no directory."""
    if not write:
        return contextlib.nullcontext()
    state_directory(path)
    return mutex(path, "targets")
