# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The user's settings for one app: ``services/<app>/defaults.yml``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ansible_collections.psw.ai.plugins.plugin_utils import _schema, _yaml
from ansible_collections.psw.ai.plugins.plugin_utils._errors import ProjectError
from ansible_collections.psw.ai.plugins.plugin_utils._files import shown
from ansible_collections.psw.ai.plugins.plugin_utils._near import near, unknown

if TYPE_CHECKING:
    from ansible_collections.psw.ai.plugins.plugin_utils._catalog import Catalog

ROLES = Path(__file__).parents[2] / "roles"


def read_overrides(file: Path, app: str, roles: Path = ROLES) -> dict[str, Any]:
    """Return the variables of the file; each must be an option of the app's role, so that a typing mistake is not silence."""
    if not file.exists():
        return {}
    document = _yaml.load(file)
    _schema.validate(document, "overrides")
    options = _options(roles / app / "meta" / "argument_specs.yml")
    variables = {name: value for name, value in document.data.items() if name != "schema"}
    for name in variables:
        if not name.startswith(f"{app}_"):
            guess = near(name, options) or f"{app}_{name}"
            raise ProjectError(f"{document.at((name,))}: {name!r} is no setting of {app}: they start with {app + '_'!r}; did you mean {guess!r}?")
        if options and name not in options:
            guess = near(name, options)
            known = f"did you mean {guess!r}?" if guess else f"there is {', '.join(sorted(options))}"
            raise ProjectError(f"{document.at((name,))}: {app} has no setting {name!r}; {known}")
    return variables


def check_names(services: Path, catalog: Catalog) -> None:
    """Fail on settings for an app that there is not: nothing would ever read them."""
    known = {*catalog.apps, *(name for stack in catalog.stacks.values() for name in stack["apps"])}
    for directory in sorted(services.glob("*/")):
        if directory.name not in known:
            raise ProjectError(f"{shown(directory)}: {unknown('app', directory.name, known)}")


def _options(spec: Path) -> set[str]:
    """Return the names of all options of the role; none when the role says nothing about them."""
    if not spec.exists():
        return set()
    entries = _yaml.load(spec).data.get("argument_specs", {}).values()
    return {name for entry in entries for name in entry.get("options", {})}
