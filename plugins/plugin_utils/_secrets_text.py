# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets as a person edits them: apps, and under each the values by name."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from ansible_collections.psw.ai.plugins.plugin_utils import _yaml
from ansible_collections.psw.ai.plugins.plugin_utils._errors import SecretsError

if TYPE_CHECKING:
    from ansible_collections.psw.ai.plugins.plugin_utils._sealed import Apps

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
FILE = Path("secrets.yml")  # what the editor shows; there is no such file in a project
HEAD = """\
The secrets of this project: apps, and under each its secrets by name. Save and close the editor to encrypt them.
Every value is text, as you write it. To forget a secret, take out its line. Comments in here are not kept."""
EXAMPLE = "# myapp:\n#   myapp_password: its value\n"


def as_text(apps: Apps) -> str:
    """Return the secrets as the text to edit."""
    return _yaml.dump(apps, HEAD) if apps else _yaml.dump({}, HEAD).removesuffix("{}\n") + EXAMPLE


def from_text(text: str) -> Apps:
    """Return the secrets that an edited text holds; what cannot be a secret is an error with its line, and never shows a value."""
    if not any(line.strip() and not line.lstrip().startswith("#") for line in text.splitlines()):
        return {}
    document = _yaml.parse(text, FILE, SecretsError, only_text=True)
    for app, values in document.data.items():
        name_checked(app, document.at((app,)))
        if not isinstance(values, dict):
            raise SecretsError(f"{document.at((app,))}: {app} must be names with their values, one a line", f"such as {app}_password: VALUE, indented")
        for name, value in values.items():
            where = document.at((app, name))
            name_checked(name, where)
            if not isinstance(value, str):
                raise SecretsError(f"{where}: {app}.{name} must be text", "put the value into quotes")
            if not value:
                raise SecretsError(f"{where}: {app}.{name} has no value", "give it one, or take out its line")
    return {app: dict(values) for app, values in document.data.items()}


def split_name(name: str) -> tuple[str, str]:
    """Return the app and the name of ``app.name``."""
    app, _dot, own = name.partition(".")
    if not NAME.fullmatch(app) or not NAME.fullmatch(own):
        raise SecretsError(f"{name!r} does not name a secret", "write APP.NAME, such as postgres.postgres_password")
    return app, own


def name_checked(name: str, where: str) -> None:
    """Fail for a name that no command could say."""
    if not NAME.fullmatch(name):
        raise SecretsError(f"{where}: {name!r} cannot be a name here", "use letters, digits, _ and -")
