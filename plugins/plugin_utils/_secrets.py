# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The project's secrets: ``secrets/apps.yml``, which only ever stands encrypted on disk."""

from __future__ import annotations

import secrets
import string
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from ansible_collections.psw.ai.plugins.plugin_utils._errors import SecretsError
from ansible_collections.psw.ai.plugins.plugin_utils._files import shown
from ansible_collections.psw.ai.plugins.plugin_utils._lock import mutex
from ansible_collections.psw.ai.plugins.plugin_utils._near import unknown
from ansible_collections.psw.ai.plugins.plugin_utils._sealed import Apps, SealedFile

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

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
        self.sealed = SealedFile(self.file)

    def read(self) -> Apps:
        """Return every secret as ``{app: {name: value}}``; empty when there are none yet."""
        return self.sealed.read()

    def get(self, app: str, name: str) -> str:
        """Return one secret; one that is not there is an error that names it."""
        apps = self.read()
        if name not in apps.get(app, {}):
            known = [f"{other}.{secret}" for other, values in apps.items() for secret in values]
            raise SecretsError(f"{shown(self.file)}: {unknown('secret', f'{app}.{name}', known)}")
        return apps[app][name]

    def planned(self, app: str, name: str) -> str:
        """Return one secret or, where nothing is changed, what stands for it until the first real run makes it."""
        placeholder = f"placeholder-for-{app}-{name}-which-the-first-real-run-makes"
        return self.read().get(app, {}).get(name, placeholder)

    def ensure(self, wanted: Wanted) -> bool:
        """Make the secrets that are missing (``{app: {name: {kind, length}}}``); what is there is never changed."""
        with self._alone():
            there = self.read()
            new = {
                (app, name): GENERATORS[spec["kind"]](int(spec["length"]))
                for app, specs in wanted.items()
                for name, spec in specs.items()
                if spec["kind"] in GENERATORS and name not in there.get(app, {})
            }
            return self._write(there, new)

    def missing(self, wanted: Wanted) -> list[str]:
        """Name the secrets that ``ensure`` would make."""
        there = self.read()
        return [
            f"{app}.{name}" for app, specs in wanted.items() for name, spec in specs.items() if spec["kind"] in GENERATORS and name not in there.get(app, {})
        ]

    def set(self, app: str, name: str, value: str) -> bool:
        """Store one secret; False when it was there with this value."""
        with self._alone():
            return self._write(self.read(), {(app, name): value})

    def store(self, changes: Mapping[tuple[str, str], str | None]) -> bool:
        """Store many secrets, by (app, name), in one go, and forget those that are None; False when nothing changed."""
        if not changes:
            return False
        with self._alone():
            return self._write(self.read(), changes)

    def remove(self, app: str, name: str | None = None) -> bool:
        """Forget one secret, or without a name all that the app has; False when there was nothing to forget."""
        with self._alone():
            there = self.read()
            return self._write(there, {(app, known): None for known in there.get(app, {}) if name in (known, None)})

    def change(self, seen: Apps, wanted: Apps) -> list[str]:
        """Turn the secrets that somebody saw into those they want; return what changed, as ``app.name``.

        Other programs may have changed other secrets since; those stay.
        """
        before, after = _flat(seen), _flat(wanted)
        changes = {key: after.get(key) for key in {**before, **after} if before.get(key) != after.get(key)}
        with self._alone():
            there = self.read()
            now = _flat(there)
            for (app, name), value in changes.items():
                if now.get((app, name)) not in (before.get((app, name)), value):
                    raise SecretsError(f"{app}.{name} was changed by another program meanwhile; nothing was written", "edit again, from what is there now")
            self._write(there, changes)
        return [f"{app}.{name}" for app, name in changes]

    def rekey(self) -> None:
        """Encrypt all secrets with a new data key, for those whom ``.sops.yaml`` names now."""
        with self._alone():
            if not self.file.exists():
                raise SecretsError(f"there is no {shown(self.file)} yet", "the first converge makes it; psw secrets set does too")
            self.sealed.encrypt_anew()

    def _alone(self) -> AbstractContextManager[None]:
        return mutex(self.project.path, "secrets")

    def _write(self, there: Apps, changes: Mapping[tuple[str, str], str | None]) -> bool:
        """Bring the changes to the file (None forgets a secret); False when they change nothing."""
        wanted = {app: dict(values) for app, values in there.items()}
        for (app, name), value in changes.items():
            if value is None:
                wanted.get(app, {}).pop(name, None)
            else:
                wanted.setdefault(app, {})[name] = value
        wanted = {app: values for app, values in wanted.items() if values}
        if wanted == there:
            return False
        self.sealed.replace(there, wanted)
        return True


def _flat(apps: Apps) -> dict[tuple[str, str], str]:
    return {(app, name): value for app, values in apps.items() for name, value in values.items()}


def wanted_secrets(catalog: Catalog, apps: Iterable[str]) -> dict[str, dict[str, dict[str, Any]]]:
    """Return the secrets that the catalogue lists for these apps."""
    return {app: catalog.app(app)["secrets"] for app in sorted(apps) if catalog.app(app).get("secrets")}
