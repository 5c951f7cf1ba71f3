# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What psw can run: apps, stacks and image pins, read from ``catalog/``."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ansible_collections.psw.ai.plugins.plugin_utils import _yaml
from ansible_collections.psw.ai.plugins.plugin_utils._errors import CatalogError, Refusal
from ansible_collections.psw.ai.plugins.plugin_utils._near import unknown

if TYPE_CHECKING:
    from collections.abc import Iterable

ROOT = Path(__file__).parents[2] / "catalog"
WISHED = "wished"


@dataclass(frozen=True)
class Catalog:
    """All apps and stacks by name; the entries are the plain data of their files."""

    apps: dict[str, dict[str, Any]]
    stacks: dict[str, dict[str, Any]]
    root: Path = field(default=ROOT, compare=False)

    @classmethod
    def load(cls, root: Path = ROOT) -> Catalog:
        """Read the catalogue; it is part of the product, so its schemas are checked by tests and not at each start."""
        apps = {file.stem: _yaml.load(file, CatalogError).data for file in sorted((root / "apps").glob("*.yml"))}
        return cls(apps, _yaml.load(root / "stacks.yml", CatalogError).data["stacks"], root)

    def image(self, name: str) -> str:
        """Return the pinned reference of an image: ``name:tag``, with ``@digest`` once one is pinned."""
        return image(name, self.root)

    def app(self, name: str) -> dict[str, Any]:
        """Return one app's entry; a name psw does not run is an error, one that it will run later a refusal."""
        if name in self.apps:
            return self.apps[name]
        for stack, entry in self.stacks.items():
            if name in entry["apps"]:
                raise Refusal("not_built_yet", f"the app {name} (stack @{stack}) is not built yet", f"psw runs: {', '.join(sorted(self.apps))}")
        raise CatalogError(unknown("app", name, self.apps))

    def wished(self, names: Iterable[str]) -> list[str]:
        """Turn ``@stack`` names into their apps and check every name; the order stays, doubles go."""
        found: dict[str, None] = {}
        for name in names:
            if name.startswith("@"):
                found.update(dict.fromkeys(self._members(name[1:])))
            else:
                self.app(name)
                found[name] = None
        return list(found)

    def expand(self, names: Iterable[str]) -> list[tuple[str, str]]:
        """Return each app that ``names`` (apps or ``@stack``) ask for and what those need, needed ones first, with the reason."""
        wishes = self.wished(names)
        order: list[str] = []
        for name in wishes:
            self._visit(name, order, ())
        last = [name for name in order if self.apps[name].get("runs_last")]
        order = [name for name in order if name not in last] + last
        return [(name, WISHED if name in wishes else f"needed by {', '.join(self.needed_by(name, order))}") for name in order]

    def needed_by(self, name: str, among: Iterable[str]) -> list[str]:
        """Return those of ``among`` that need the app directly, in name order."""
        return sorted(other for other in among if name in self.apps[other].get("requires", []))

    def consumers(self, apps: Iterable[str]) -> list[dict[str, str]]:
        """Return who holds an Open WebUI service key when these apps run: consumer, its secret's name, its account."""
        return [
            {"consumer": consumer, "secret": key["secret"], "email": key["email"], "role": key.get("role", "user")}
            for name in sorted(apps)
            for consumer, key in sorted(self.app(name).get("service_keys", {}).items())
        ]

    def _members(self, stack: str) -> list[str]:
        if stack not in self.stacks:
            raise CatalogError(unknown("stack", f"@{stack}", [f"@{name}" for name in self.stacks]))
        entry = self.stacks[stack]
        if not entry.get("built", True):
            built = ", ".join(f"@{name}" for name, other in self.stacks.items() if other.get("built", True))
            raise Refusal("not_built_yet", f"the stack @{stack} ({entry['summary']}) is not built yet", f"psw runs: {built}")
        return [str(name) for name in entry["apps"]]

    def _visit(self, name: str, order: list[str], path: tuple[str, ...]) -> None:
        if name in path:
            raise CatalogError(f"the catalogue goes in circles: {' needs '.join([*path[path.index(name) :], name])}")
        if name in order:
            return
        for needed in self.app(name).get("requires", []):
            self._visit(needed, order, (*path, name))
        order.append(name)


def image(name: str, root: Path = ROOT) -> str:
    """Return the pinned reference of an image, for those who need nothing else of the catalogue."""
    images = _images(root)
    if name not in images:
        raise CatalogError(f"{unknown('image', name, images)} (catalog/images.yml)")
    pin = images[name]
    return f"{pin['name']}:{pin['tag']}" + (f"@{pin['digest']}" if pin.get("digest") else "")


@functools.cache
def _images(root: Path) -> dict[str, dict[str, Any]]:
    images: dict[str, dict[str, Any]] = _yaml.load(root / "images.yml", CatalogError).data["images"]
    return images
