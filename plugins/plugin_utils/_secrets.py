# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The project's secrets: ``secrets/apps.yml``, which only ever stands encrypted on disk."""

from __future__ import annotations

import os
import secrets
import string
import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ansible_collections.psw.ai.plugins.plugin_utils import _schema, _sops, _yaml
from ansible_collections.psw.ai.plugins.plugin_utils._errors import SecretsError
from ansible_collections.psw.ai.plugins.plugin_utils._files import not_written, shown, sync_directory, write_atomic
from ansible_collections.psw.ai.plugins.plugin_utils._lock import mutex
from ansible_collections.psw.ai.plugins.plugin_utils._near import unknown

if TYPE_CHECKING:
    from ansible_collections.psw.ai.plugins.plugin_utils._catalog import Catalog
    from ansible_collections.psw.ai.plugins.plugin_utils._project import Project

# Letters and digits only: no program, URL or shell reads anything into them.
ALPHABET = string.ascii_letters + string.digits
GENERATORS: dict[str, Callable[[int], str]] = {
    "password": lambda length: "".join(secrets.choice(ALPHABET) for _character in range(length)),
    "hex": lambda length: secrets.token_hex(length)[:length],
}
Wanted = Mapping[str, Mapping[str, Mapping[str, Any]]]


class Secrets:
    """Read and change the secrets of a project."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.file = project.path / "secrets" / "apps.yml"

    def read(self) -> dict[str, dict[str, str]]:
        """Return every secret as ``{app: {name: value}}``; empty when there are none yet."""
        if not self.file.exists():
            return {}
        document = _yaml.load(self.file, SecretsError)
        if "sops" not in document.data:
            raise SecretsError(
                f"{shown(self.file)} is not encrypted: its secrets can be read by anyone who sees the file",
                "encrypt it with: sops encrypt -i secrets/apps.yml; if it was ever committed, change these secrets",
            )
        if "mac" not in (document.data["sops"] or {}):
            raise SecretsError(f"{shown(self.file)} is not whole: what sops wrote at its end is missing", "restore it from git")
        _schema.validate(document, "secrets", SecretsError)
        apps = _sops.decrypt(self.file)["apps"] or {}
        return {app: {name: str(value) for name, value in (values or {}).items()} for app, values in apps.items()}

    def get(self, app: str, name: str) -> str:
        """Return one secret; one that is not there is an error that names it."""
        apps = self.read()
        if name not in apps.get(app, {}):
            known = [f"{other}.{secret}" for other, values in apps.items() for secret in values]
            raise SecretsError(f"{shown(self.file)}: {unknown('secret', f'{app}.{name}', known)}")
        return apps[app][name]

    def ensure(self, wanted: Wanted) -> bool:
        """Make the secrets that are missing (``{app: {name: {kind, length}}}``); what is there is never changed."""
        with mutex(self.project.path, "secrets"):
            there = self.read()
            new = {
                (app, name): GENERATORS[spec["kind"]](int(spec["length"]))
                for app, specs in wanted.items()
                for name, spec in specs.items()
                if spec["kind"] in GENERATORS and name not in there.get(app, {})
            }
            return self._write(new)

    def missing(self, wanted: Wanted) -> list[str]:
        """Name the secrets that ``ensure`` would make."""
        there = self.read()
        return [
            f"{app}.{name}" for app, specs in wanted.items() for name, spec in specs.items() if spec["kind"] in GENERATORS and name not in there.get(app, {})
        ]

    def set(self, app: str, name: str, value: str) -> bool:
        """Store one secret; False when it was there with this value."""
        with mutex(self.project.path, "secrets"):
            if self.read().get(app, {}).get(name) == value:
                return False
            return self._write({(app, name): value})

    def remove(self, app: str, name: str | None = None) -> bool:
        """Forget one secret, or without a name all that the app has; False when there was nothing to forget."""
        with mutex(self.project.path, "secrets"):
            there = self.read()
            if app not in there or (name is not None and name not in there[app]):
                return False
            whole = name is None or list(there[app]) == [name]
            keys = ["apps", app] if whole else ["apps", app, str(name)]
            self._on_a_copy(lambda copy: _sops.unset_value(copy, keys, self.file))
            return True

    def _write(self, values: Mapping[tuple[str, str], str]) -> bool:
        if not values:
            return False
        if not self.file.exists():
            tree: dict[str, Any] = {"schema": 1, "apps": {}}
            for (app, name), value in values.items():
                tree["apps"].setdefault(app, {})[name] = value
            self._make_directory()
            write_atomic(self.file, _sops.encrypt(self.file, tree), mode=0o600)
            return True

        def change(copy: Path) -> None:
            for (app, name), value in values.items():
                _sops.set_value(copy, ["apps", app, name], value, self.file)

        self._on_a_copy(change)
        return True

    def _on_a_copy(self, change: Callable[[Path], None]) -> None:
        """Let sops work on an encrypted copy, then put it in place in one step: sops itself writes over the file."""
        text = self.file.read_text(encoding="utf-8")
        try:
            for left in self.file.parent.glob(".apps.*.tmp"):
                left.unlink()  # by a psw that was killed: no other one is here now
            handle, name = tempfile.mkstemp(dir=self.file.parent, prefix=".apps.", suffix=".tmp")
        except OSError as exc:
            raise not_written(self.file, exc) from exc
        copy = Path(name)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as stream:
                stream.write(text)
            change(copy)
            with copy.open("rb") as stream_done:
                os.fsync(stream_done.fileno())
            _sops.decrypt(copy)  # a disk that filled up under sops shows here, before anything is replaced
            copy.replace(self.file)
            sync_directory(self.file.parent)
        except OSError as exc:
            raise not_written(self.file, exc) from exc
        finally:
            copy.unlink(missing_ok=True)

    def _make_directory(self) -> None:
        try:
            self.file.parent.mkdir(mode=0o700, exist_ok=True)
        except OSError as exc:
            raise not_written(self.file.parent, exc) from exc


def wanted_secrets(catalog: Catalog, apps: Iterable[str]) -> dict[str, dict[str, dict[str, Any]]]:
    """Return the secrets that the catalogue lists for these apps."""
    return {app: catalog.app(app)["secrets"] for app in sorted(apps) if catalog.app(app).get("secrets")}
