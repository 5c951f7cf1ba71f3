# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make a new project directory."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, NamedTuple

from ansible_collections.psw.ai.plugins.plugin_utils import _age, _schema
from ansible_collections.psw.ai.plugins.plugin_utils._errors import ProjectError
from ansible_collections.psw.ai.plugins.plugin_utils._files import located, not_written, read_text, shown, write_atomic
from ansible_collections.psw.ai.plugins.plugin_utils._manual import page

if TYPE_CHECKING:
    from pathlib import Path

    from ansible_collections.psw.ai.plugins.plugin_utils._project import Project

WISHES = """\
# What you want; psw does the rest. Every key: {manual}
schema: 1
plugin: psw.ai.project # lets `ansible-playbook -i psw.yml psw.ai.converge` read this file
domain: {domain} # chat.{domain}, ...
nodes: {{}} # psw node add NAME --host ADDRESS
network: {{bridge: vmbr0, ip: dhcp}}
sso: {{mode: local}} # Open WebUI's own login
storage: {{models: {{pool: auto}}}} # the fastest local NVMe pool
apps: [] # psw app add @ai
"""
SOPS = """\
# Who can read secrets/: the age public keys here. Add one with: psw secrets add-recipient; after you took one out: psw secrets rekey
creation_rules:
  - path_regex: secrets/.*\\.yml$
    unencrypted_regex: ^schema$
    age:
{recipients}
"""
IGNORED = (".psw/", ".*.tmp")  # state, and what a killed psw was writing


class Created(NamedTuple):
    """A new project, and the age identity that opens its secrets."""

    project: Project
    recipients: list[str]
    identity_file: Path
    identity_is_new: bool


def init_project(path: str | Path, domain: str) -> Created:
    """Make a project in the directory; on any failure it is left as it was."""
    from ansible_collections.psw.ai.plugins.plugin_utils._project import Project  # noqa: PLC0415 - that module offers this function

    directory = located(path, ProjectError)
    _schema.check_key(domain, "psw", "domain")
    if (directory / "psw.yml").exists():
        raise ProjectError(f"{shown(directory)} is a psw project already: it has a psw.yml")
    if directory.exists() and not directory.is_dir():
        raise ProjectError(f"{shown(directory)} is a file, not a directory")
    recipients = _age.recipients()
    is_new = not recipients
    ignored = directory / ".gitignore"
    before = read_text(ignored, ProjectError) if ignored.exists() else None
    made: list[Path] = []
    try:
        _make_directories(directory, made)
        if is_new:
            recipients = [_age.make_identity()]
        _ignore_state(ignored, before, made)
        if not (directory / ".sops.yaml").exists():
            _make(directory / ".sops.yaml", SOPS.format(recipients="\n".join(f"      - {key}" for key in recipients)), made)
        # The last one: what has no psw.yml is no project.
        _make(directory / "psw.yml", WISHES.format(domain=domain, manual=page("project.md")), made)
    except BaseException:
        _remove(made)
        if before is not None:
            write_atomic(ignored, before)
        raise
    return Created(Project.open(directory), recipients, _age.identity_file(), is_new)


def _make_directories(directory: Path, made: list[Path]) -> None:
    for missing in [parent for parent in (directory, *directory.parents) if not parent.exists()][::-1]:
        try:
            missing.mkdir()
        except OSError as exc:
            raise not_written(missing, exc) from exc
        made.append(missing)


def _ignore_state(file: Path, before: str | None, made: list[Path]) -> None:
    """Keep what is psw's own out of git, and whatever else the user ignores."""
    if before is None:
        _make(file, "".join(f"{line}\n" for line in IGNORED), made)
        return
    lines = before.splitlines()
    if missing := [line for line in IGNORED if line not in lines]:
        write_atomic(file, "".join(f"{line}\n" for line in [*lines, *missing]))


def _make(file: Path, text: str, made: list[Path]) -> None:
    write_atomic(file, text)
    made.append(file)


def _remove(made: list[Path]) -> None:
    for path in reversed(made):
        with contextlib.suppress(OSError):
            path.rmdir() if path.is_dir() else path.unlink()
