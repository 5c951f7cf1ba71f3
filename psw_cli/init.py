# SPDX-License-Identifier: GPL-3.0-or-later
"""``psw init``."""

from __future__ import annotations

import shlex

import click
from ansible_collections.psw.ai.plugins.plugin_utils._files import shown
from ansible_collections.psw.ai.plugins.plugin_utils._project import init_project

from psw_cli.base import Settings, Verb
from psw_cli.output import fields, result


@click.command(cls=Verb)
@click.argument("directory", metavar="[DIR]", required=False, type=click.Path())
@click.option("--domain", required=True, help="Your own domain at home, such as home.example: the chat will be https://chat.home.example.")
@click.pass_obj
def init(settings: Settings, directory: str | None, domain: str) -> None:
    """Make a project directory.

    It holds what you want (psw.yml), what psw found and decided, and your encrypted secrets; keep it in git. The key that
    opens the secrets is made at sops's default place, if there is none yet, and stays out of the project.
    """
    created = init_project(directory or settings.project, domain)
    identity = "made now: keep a copy in a safe place" if created.identity_is_new else "was there, and is used"
    data = {
        "project": str(created.project.path),
        "domain": domain,
        "age": {"recipients": created.recipients, "identity_file": str(created.identity_file), "new": created.identity_is_new},
    }
    facts = fields([("project", shown(created.project.path)), ("domain", domain), ("age key", f"{created.identity_file} ({identity})")])
    here = "" if shown(created.project.path) == "." else f"cd {shlex.quote(shown(created.project.path))} && "
    result(settings, data, f"{facts}\nnext: {here}psw node add pve1 --host ADDRESS")
