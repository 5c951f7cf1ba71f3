# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The models that a project wishes for: ``ollama_models`` in ``services/ollama/defaults.yml``, else the catalogue's starter set."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ansible_collections.psw.ai.plugins.module_utils import _model_names
from ansible_collections.psw.ai.plugins.plugin_utils import _edit, _yaml
from ansible_collections.psw.ai.plugins.plugin_utils._catalog import ROOT
from ansible_collections.psw.ai.plugins.plugin_utils._errors import CatalogError, ProjectError, Refusal
from ansible_collections.psw.ai.plugins.plugin_utils._files import write_atomic

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ansible_collections.psw.ai.plugins.plugin_utils._project import Project

ENGINE = "ollama"
KEY = "ollama_models"
FILE = f"services/{ENGINE}/defaults.yml"


def full_name(name: str) -> str:
    """Return a model's name as the engine lists it."""
    return str(_model_names.full_name(name))  # type: ignore[no-untyped-call]  # module_utils runs on Python 3.9 and is not typed


def starter() -> list[str]:
    """Return what a new engine gets."""
    return [str(name) for name in _yaml.load(ROOT / "models.yml", CatalogError).data["starter"]]


def wished(project: Project) -> list[str]:
    """Return the models that the project wishes for; a value that only Ansible could work out is an error."""
    models = project.overrides(ENGINE).get(KEY)
    if models is None:
        return starter()
    if not isinstance(models, list) or not all(isinstance(name, str) and "{{" not in name for name in models):
        raise ProjectError(f"{FILE}: {KEY} has to be a list of names for psw to read and change it, not {models!r}")
    return models


def add(project: Project, names: Iterable[str], *, check: bool = False) -> list[str]:
    """Add models to the wished ones, by their full names; return those that were not among them. With ``check`` nothing is written."""
    known = wished(project)
    new = [name for name in dict.fromkeys(map(full_name, names)) if name not in map(full_name, known)]
    if new and not check:
        _write(project, [*known, *new])
    return new


def remove(project: Project, names: Iterable[str], *, check: bool = False) -> list[str]:
    """Take models off the wished ones; return those that were among them. The last one is refused. With ``check`` nothing is written."""
    known, gone = wished(project), set(map(full_name, names))
    left = [name for name in known if full_name(name) not in gone]
    if known and not left:
        raise Refusal(
            "last_model",
            f"{known[0]} is the last wished model, and psw proves with the first of them that the GPU is used",
            "get another one first: psw model pull MODEL; psw model recommend shows what fits",
        )
    if left != known and not check:
        _write(project, left)
    return [name for name in known if name not in left]


def _write(project: Project, names: list[str]) -> None:
    """Write the wished models and keep everything else of the file; what psw could not read afterwards is not written."""
    file = project.path / FILE

    def change(tree: Any) -> list[str]:
        if not tree.get(KEY):
            tree[KEY] = list(names)
            return []
        removed = []
        for index in reversed(range(len(tree[KEY]))):
            if tree[KEY][index] not in names:
                removed += _edit.remove_item(tree, KEY, index)
        for name in names:
            if name not in tree[KEY]:
                _edit.append(tree[KEY], name)
        return removed

    text = _edit.edited(file.read_bytes().decode() if file.exists() else "{}", change, FILE)
    if _yaml.parse(text, file).data[KEY] != names:
        raise ProjectError(f"psw cannot change {KEY} in {FILE} and be sure of the rest", "make the change by hand")
    write_atomic(file, text)
