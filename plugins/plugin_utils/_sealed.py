# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The file of secrets as it stands on disk: only ever encrypted, changed on a copy, replaced in one step."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ansible_collections.psw.ai.plugins.plugin_utils import _age, _schema, _sops, _yaml
from ansible_collections.psw.ai.plugins.plugin_utils._errors import SecretsError
from ansible_collections.psw.ai.plugins.plugin_utils._files import forget_unfinished, not_written, shown, sync_directory, write_atomic

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Apps = dict[str, dict[str, str]]
ONE_SIDE = "take one side whole, since sops seals the file as one: git checkout --ours (or --theirs) secrets/apps.yml"


class SealedFile:
    """``secrets/apps.yml``; whoever writes it holds the project's mutex for secrets."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> Apps:
        """Return every secret as ``{app: {name: value}}``; empty when there is no file yet."""
        if not self.path.exists():
            return {}
        document = self._document()
        if "sops" not in document.data:
            raise SecretsError(
                f"{shown(self.path)} is not encrypted: its secrets can be read by anyone who sees the file",
                "encrypt it with: psw secrets rekey; if it was ever committed, change these secrets",
            )
        if "mac" not in (document.data["sops"] or {}):
            raise SecretsError(f"{shown(self.path)} is not whole: what sops wrote at its end is missing", "restore it from git")
        _schema.validate(document, "secrets", SecretsError)
        return _apps_of(_sops.decrypt(self.path))

    def names(self) -> list[str]:
        """Return the name of every secret as ``app.name``; names are in clear, so nothing is decrypted."""
        apps = (self._document().data.get("apps") if self.path.exists() else None) or {}
        return [f"{app}.{name}" for app, values in apps.items() for name in values or {}]

    def recipients(self) -> list[str]:
        """Return the age public keys whose owners can open the file."""
        sealed = self._document().data.get("sops") if self.path.exists() else None
        return [entry["recipient"] for entry in (sealed or {}).get("age") or []]

    def replace(self, there: Apps, wanted: Apps) -> None:
        """Turn what is there into what is wanted; what stays keeps its ciphertext."""
        if self.path.exists():
            self.on_a_copy(lambda copy: self._apply(copy, there, wanted), wanted)
        else:
            self.put(_sops.encrypt(self.path, json.dumps({"schema": 1, "apps": wanted})), wanted)

    def encrypt_anew(self) -> None:
        """Encrypt everything with a new data key for those whom ``.sops.yaml`` names now; a file in clear is encrypted."""
        if "sops" in self._document().data:
            expected = self.read()
            self.put(_sops.encrypt_anew(self.path), expected)
        else:
            self.put(_sops.encrypt(self.path, self.path.read_text(encoding="utf-8"), "yaml"), None)

    def put(self, sealed: str, expected: Apps | None) -> None:
        """Replace the whole file, if this user can read the new one and it holds what it should."""
        try:
            tree = _sops.decrypt_text(self.path, sealed)
        except SecretsError as exc:
            own = _age.recipients()
            if not own:
                raise
            raise SecretsError(f".sops.yaml does not let you read {shown(self.path)}", f"add your public key to it: {own[0]}") from exc
        self._must_hold(tree, expected)
        try:
            self.path.parent.mkdir(mode=0o700, exist_ok=True)
            forget_unfinished(self.path)
        except OSError as exc:
            raise not_written(self.path.parent, exc) from exc
        write_atomic(self.path, sealed, mode=0o600)

    def on_a_copy(self, change: Callable[[Path], None], expected: Apps) -> None:
        """Let sops work on an encrypted copy, then put it in place in one step: sops itself writes over the file."""
        text = self.path.read_text(encoding="utf-8")
        try:
            forget_unfinished(self.path)
            handle, name = tempfile.mkstemp(dir=self.path.parent, prefix=".apps.", suffix=".tmp")
        except OSError as exc:
            raise not_written(self.path, exc) from exc
        copy = Path(name)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as stream:
                stream.write(text)
            change(copy)
            with copy.open("rb") as stream_done:
                os.fsync(stream_done.fileno())
            # A disk that filled up under sops shows here, before anything is replaced.
            self._must_hold(_sops.decrypt(copy), expected)
            copy.replace(self.path)
            sync_directory(self.path.parent)
        except OSError as exc:
            raise not_written(self.path, exc) from exc
        finally:
            copy.unlink(missing_ok=True)

    def _apply(self, copy: Path, there: Apps, wanted: Apps) -> None:
        """Say each change to sops by itself, so that the comments a user made stay."""
        for app, old in there.items():
            new = wanted.get(app, {})
            for keys in [[app]] if not new else [[app, name] for name in old if name not in new]:
                _sops.unset_value(copy, ["apps", *keys], self.path)
        for app, new in wanted.items():
            changed = {name: value for name, value in new.items() if there.get(app, {}).get(name) != value}
            if changed and app not in there:
                _sops.set_value(copy, ["apps", app], changed, self.path)
                continue
            for name, value in changed.items():
                _sops.set_value(copy, ["apps", app, name], value, self.path)

    def _must_hold(self, tree: Mapping[str, Any], expected: Apps | None) -> None:
        if expected is not None and _apps_of(tree) != expected:
            raise SecretsError(f"sops did not write what it was given; {shown(self.path)} is as it was", "please report this: it is a bug")

    def _document(self) -> _yaml.Document:
        return _yaml.load(self.path, SecretsError, merge_hint=ONE_SIDE)


def _apps_of(tree: Mapping[str, Any]) -> Apps:
    """Return the secrets of a decrypted tree; what a user stored as a number or a switch is the text of it."""
    return {
        app: {name: value if isinstance(value, str) else json.dumps(value) for name, value in values.items()}
        for app, values in (tree.get("apps") or {}).items()
        if values
    }
