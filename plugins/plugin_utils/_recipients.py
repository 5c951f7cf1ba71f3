# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who can read the secrets: the age public keys of ``.sops.yaml``."""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING, Any

from ansible_collections.psw.ai.plugins.plugin_utils import _age, _edit, _sops, _yaml
from ansible_collections.psw.ai.plugins.plugin_utils._errors import SecretsError
from ansible_collections.psw.ai.plugins.plugin_utils._files import forget_unfinished, not_written, shown, write_atomic
from ansible_collections.psw.ai.plugins.plugin_utils._lock import mutex, state_directory
from ansible_collections.psw.ai.plugins.plugin_utils._sealed import SealedFile

if TYPE_CHECKING:
    from pathlib import Path

    from ansible_collections.psw.ai.plugins.plugin_utils._secrets import Secrets

BY_HAND = "add the key by hand, then run: psw secrets rekey"


def add_recipient(secrets: Secrets, public: str, owner: str = "") -> bool:
    """Let the owner of an age public key read the secrets; False when they can already."""
    _age.check_public(public)
    path = secrets.project.path
    rules = path / ".sops.yaml"
    with mutex(path, "secrets"):
        text = _read(rules)
        there = secrets.read()
        new = _with_key(text, public, owner, rules)
        if new == text and (not there or public in secrets.sealed.recipients()):
            return False
        sealed = _tried(path, new, secrets.sealed, public)
        forget_unfinished(rules)
        if new != text:
            write_atomic(rules, new)
        if sealed:
            secrets.sealed.put(sealed, there)
    return True


def _read(rules: Path) -> str:
    _yaml.load(rules, SecretsError)  # an unfinished merge, or what is no YAML, is named with its line
    return rules.read_bytes().decode()


def _with_key(text: str, public: str, owner: str, rules: Path) -> str:
    """Return ``.sops.yaml`` with one more key in the rule for the secrets."""

    def add(tree: Any) -> None:
        rule = next((rule for rule in tree.get("creation_rules") or [] if re.search(str(rule.get("path_regex", "")), "secrets/apps.yml")), None)
        keys = rule.get("age") if rule else None
        if not rule or not isinstance(keys, str | list):
            raise SecretsError(f"{shown(rules)} has no rule with age keys for secrets/apps.yml that psw could add to", BY_HAND)
        listed = [key.strip() for key in (keys.split(",") if isinstance(keys, str) else keys)]
        if public in listed:
            return
        if isinstance(keys, str):
            rule["age"] = ",".join([*listed, public])
        else:
            _edit.append(keys, public, owner)

    return _edit.edited(text, add, shown(rules))


def _tried(path: Path, rules: str, there: SealedFile, public: str) -> str:
    """Return the sealed file as it is under the new rules, tried out on a copy beside a copy of them; empty when there is none."""
    scratch = state_directory(path) / "recipients"
    copy = SealedFile(scratch / "secrets" / "apps.yml")
    try:
        shutil.rmtree(scratch, ignore_errors=True)  # left by a psw that was killed
        copy.path.parent.mkdir(parents=True)
        write_atomic(scratch / ".sops.yaml", rules)
        if not there.path.exists():
            _sops.encrypt(copy.path, '{"schema": 1, "apps": {}}')
            return ""
        write_atomic(copy.path, there.path.read_text(encoding="utf-8"), mode=0o600)
        _sops.follow_rules(copy.path, there.path)
        if public not in copy.recipients() or _sops.decrypt(copy.path) != _sops.decrypt(there.path):
            raise SecretsError(f"sops did not take the key from {shown(path / '.sops.yaml')}; nothing was changed", BY_HAND)
        return copy.path.read_text(encoding="utf-8")
    except OSError as exc:
        raise not_written(copy.path, exc) from exc
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
