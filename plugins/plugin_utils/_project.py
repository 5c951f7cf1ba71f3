# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The user's project directory: wishes, records, plan and overrides, read with care and written whole."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from ansible_collections.psw.ai.plugins.plugin_utils import _edit, _schema, _yaml
from ansible_collections.psw.ai.plugins.plugin_utils._catalog import Catalog
from ansible_collections.psw.ai.plugins.plugin_utils._errors import ProjectError, Refusal
from ansible_collections.psw.ai.plugins.plugin_utils._files import located, shown, write_atomic
from ansible_collections.psw.ai.plugins.plugin_utils._init import Created, init_project
from ansible_collections.psw.ai.plugins.plugin_utils._near import unknown
from ansible_collections.psw.ai.plugins.plugin_utils._overrides import read_overrides
from ansible_collections.psw.ai.plugins.plugin_utils._wishes import other_users, with_defaults

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

__all__ = ["Created", "Project", "init_project"]

WISHES = "psw.yml"
PLAN = "deployment-plan.yml"
RECORD_COMMENT = "What psw node setup-gpu found on this node, and what it installed. Written by psw."
PLAN_COMMENT = "What runs where. Written by psw plan --write and psw deploy converge; made to be reviewed and committed."


class Project:
    """A project directory; files are read when first asked for, and again after psw itself has written them."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def open(cls, path: str | Path = ".") -> Project:
        """Find the project in this directory or above (or the one this ``psw.yml`` belongs to) and check its ``psw.yml``."""
        start = located(path, ProjectError)
        try:
            directory = _directory(start)
        except OSError as exc:
            raise ProjectError(f"cannot look into {start}: {(exc.strerror or str(exc)).lower()}") from exc
        project = cls(directory)
        project.document  # noqa: B018 - a project that cannot be read is not open
        return project

    @functools.cached_property
    def document(self) -> _yaml.Document:
        """``psw.yml`` as it stands, checked against its schema, with the lines of its keys."""
        document = _yaml.load(self.path / WISHES)
        _schema.validate(document, "psw")
        return document

    @functools.cached_property
    def wishes(self) -> dict[str, Any]:
        """``psw.yml`` with every default filled in."""
        return with_defaults(self.document.data)

    @functools.cached_property
    def records(self) -> dict[str, dict[str, Any]]:
        """The record of each node that has one."""
        return {file.parent.name: self._read_record(file) for file in sorted(self.path.glob("nodes/*/gpu.yml"))}

    @functools.cached_property
    def plan(self) -> dict[str, Any] | None:
        """The plan that is written down, or None."""
        file = self.path / PLAN
        if not file.exists():
            return None
        document = _yaml.load(file)
        _schema.validate(document, "deployment-plan")
        plan: dict[str, Any] = document.data
        return plan

    def overrides(self, app: str) -> dict[str, Any]:
        """The variables of ``services/<app>/defaults.yml``; all of them start with the app's name."""
        return read_overrides(self.path / "services" / app / "defaults.yml", app)

    def wished_apps(self, catalog: Catalog) -> list[str]:
        """Return the apps of ``psw.yml``; a name the catalogue does not know is an error with its line."""
        for index, name in enumerate(self.wishes["apps"]):
            try:
                catalog.wished([name])
            except Refusal:
                raise
            except Exception as exc:
                raise ProjectError(f"{self.document.at(('apps', index))}: {exc}") from exc
        return catalog.wished(self.wishes["apps"])

    def node(self, name: str) -> dict[str, Any]:
        """Return a node of ``psw.yml``."""
        nodes: dict[str, dict[str, Any]] = self.wishes["nodes"]
        if name not in nodes:
            hint = "" if nodes else "add it with: psw node add NAME --host ADDRESS"
            raise ProjectError(f"{shown(self.path / WISHES)}: {unknown('node', name, nodes)}", hint)
        return nodes[name]

    def add_node(self, name: str, host: str, **options: Any) -> bool:
        """Write a node into ``psw.yml``; False when it stood there already just so."""
        entry = {"host": host, **{key: value for key, value in options.items() if value is not None}}
        if self.document.data.get("nodes", {}).get(name) == entry:
            return False
        if name in self.wishes["nodes"]:
            raise ProjectError(f"{self.document.at(('nodes', name))}: there is a node {name} already, with other settings", "change it there by hand")
        for refusal in other_users({name: {"user": "root", **entry}}):
            raise refusal
        self.edit(lambda tree: _edit.set_entry(tree, "nodes", name, entry))
        return True

    def add_apps(self, names: Iterable[str], catalog: Catalog | None = None) -> list[tuple[str, str]]:
        """Add apps (or ``@stack``) to ``psw.yml``; return every app that came in, with the reason."""
        catalog = catalog or Catalog.load()
        before = self.wished_apps(catalog)
        wished = catalog.wished(names)
        new = [name for name in wished if name not in before]
        ran = {name for name, _why in catalog.expand(before)}
        if new:
            self.edit(lambda tree: _edit.add_apps(tree, new))
        return [(name, reason) for name, reason in catalog.expand([*before, *new]) if name not in ran or name in new]

    def remove_apps(self, names: Iterable[str], catalog: Catalog | None = None) -> list[tuple[str, str]]:
        """Take apps out of ``psw.yml``; return every app that no longer runs, with the reason it was there."""
        catalog = catalog or Catalog.load()
        before = self.wished_apps(catalog)
        gone = catalog.wished(names)
        left = [name for name in before if name not in gone]
        ran, runs = catalog.expand(before), [name for name, _why in catalog.expand(left)]
        for name in gone:
            if name in runs:
                raise _needed(name, [user for user in left if name in dict(catalog.expand([user]))])
            if name not in before:
                raise ProjectError(f"{name} is not among the apps of {shown(self.path / WISHES)}", f"there is {', '.join(before) or 'none'}")
        self.edit(lambda tree: _edit.remove_apps(tree, gone, left))
        return [(name, reason) for name, reason in ran if name not in runs]

    def write_record(self, node: str, record: Mapping[str, Any], *, write: bool = True) -> bool:
        """Write what was found on a node; False, and the old file, when nothing but the time is new. With ``write`` off, only say so."""
        self.node(node)
        file = self.path / "nodes" / node / "gpu.yml"
        text = _yaml.dump(dict(record), RECORD_COMMENT)
        _schema.validate(_yaml.parse(text, file), "gpu")
        if file.exists() and _timeless(self._read_record(file)) == _timeless(record):
            return False
        if write:
            write_atomic(file, text)
            self.__dict__.pop("records", None)
        return True

    def write_plan(self, plan: Mapping[str, Any]) -> bool:
        """Write the plan; False when it says what the old one said."""
        if self.plan == plan:
            return False
        text = _yaml.dump(dict(plan), PLAN_COMMENT)
        _schema.validate(_yaml.parse(text, self.path / PLAN), "deployment-plan")
        write_atomic(self.path / PLAN, text)
        self.__dict__.pop("plan", None)
        return True

    def edit(self, change: _edit.Change) -> None:
        """Change ``psw.yml`` and keep the user's comments; a result that would not be valid is not written."""
        file = self.path / WISHES
        text = _edit.edited(file.read_bytes().decode(), change)
        _schema.validate(_yaml.parse(text, file), "psw")
        write_atomic(file, text)
        for name in ("document", "wishes"):
            self.__dict__.pop(name, None)

    def _read_record(self, file: Path) -> dict[str, Any]:
        document = _yaml.load(file)
        _schema.validate(document, "gpu")
        record: dict[str, Any] = document.data
        if record["node"] != file.parent.name:
            raise ProjectError(f"{document.at(('node',))}: this is the record of {record['node']}, in the directory of {file.parent.name}")
        return record


def _directory(start: Path) -> Path:
    """Return the directory of the project that ``start`` lies in."""
    if not start.exists():
        raise ProjectError(f"there is no {start}", "make a project there with: psw init")
    if start.name == WISHES and start.is_file():
        start = start.parent
    for directory in (start, *start.parents):
        if (directory / WISHES).is_file():
            return directory
    raise ProjectError(f"no {WISHES} in {start} or above", "make one with: psw init")


def _needed(name: str, users: list[str]) -> Refusal:
    verb, them = ("needs", "both") if len(users) == 1 else ("need", "all of them")
    return Refusal("needed_by_others", f"{', '.join(users)} {verb} {name}", f"remove {them}: psw app remove {' '.join([name, *users])}")


def _timeless(record: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in record.items() if key != "recorded_at"}
