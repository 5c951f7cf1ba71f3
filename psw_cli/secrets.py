# SPDX-License-Identifier: GPL-3.0-or-later
"""``psw secrets``: the project's passwords and keys."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click
from ansible_collections.psw.ai.plugins.plugin_utils import _recipients, _secrets_text
from ansible_collections.psw.ai.plugins.plugin_utils._errors import PswError, SecretsError
from ansible_collections.psw.ai.plugins.plugin_utils._files import shown
from ansible_collections.psw.ai.plugins.plugin_utils._secrets import Secrets

from psw_cli.base import Nouns, Settings, Verb
from psw_cli.output import count, result, say, table
from psw_cli.projects import alone, opened

if TYPE_CHECKING:
    from ansible_collections.psw.ai.plugins.plugin_utils._sealed import Apps

COMMANDS = {
    "list": ("psw_cli.secrets:list_", "Show which secrets there are, never their values."),
    "show": ("psw_cli.secrets:show", "Print one secret."),
    "set": ("psw_cli.secrets:set_", "Store one secret."),
    "edit": ("psw_cli.secrets:edit", "Edit all secrets in your editor."),
    "add-recipient": ("psw_cli.secrets:add_recipient", "Let somebody else read the secrets."),
    "rekey": ("psw_cli.secrets:rekey", "Encrypt the secrets anew, for those whom .sops.yaml names."),
}


@click.command(cls=Nouns, table=COMMANDS)
def secrets() -> None:
    """Passwords and keys, encrypted in secrets/apps.yml."""


def names_of(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """Return the secrets that begin like this, for the shell's completion."""
    try:
        names = Secrets(opened(ctx.ensure_object(Settings))).sealed.names()
    except PswError:
        return []  # whoever presses Tab is not told what is wrong with the project
    return [name for name in names if name.startswith(incomplete)]


@click.command("list", cls=Verb)
@click.pass_obj
def list_(settings: Settings) -> None:
    """Show which secrets there are, never their values.

    Nothing is decrypted, so this needs no age identity.
    """
    sealed = Secrets(opened(settings)).sealed
    names, readers = sealed.names(), sealed.recipients()
    text = table(("secret",), [(name,) for name in names]) if names else "there are no secrets yet: the first converge makes them"
    result(settings, {"secrets": names, "recipients": readers}, text)


@click.command(cls=Verb)
@click.argument("name", metavar="APP.NAME", shell_complete=names_of)
@click.pass_obj
def show(settings: Settings, name: str) -> None:
    """Print one secret.

    \b
    psw secrets show openwebui.openwebui_admin_password
    """  # noqa: D301 - click's mark for lines to keep as they are
    app, own = _secrets_text.split_name(name)
    value = Secrets(opened(settings)).get(app, own)
    result(settings, {"app": app, "name": own, "value": value}, value)


@click.command("set", cls=Verb)
@click.argument("name", metavar="APP.NAME", shell_complete=names_of)
@click.pass_obj
def set_(settings: Settings, name: str) -> None:
    """Store one secret.

    Its value is asked for and not shown, or read from standard input; it is never an argument, since every user of this
    machine can see those.
    """
    app, own = _secrets_text.split_name(name)
    value = click.prompt(f"value of {name}", hide_input=True, confirmation_prompt=True, err=True) if sys.stdin.isatty() else sys.stdin.read().removesuffix("\n")
    if not value:
        raise SecretsError(f"{name} cannot be empty", "nothing was written")
    with alone(settings) as project:
        changed = Secrets(project).set(app, own, value)
    result(settings, {"changed": changed, "app": app, "name": own}, f"{'stored' if changed else 'nothing to do: it was there, with this value:'} {name}")


@click.command(cls=Verb)
@click.pass_obj
def edit(settings: Settings) -> None:
    """Edit all secrets in your editor.

    The text lies in memory only (a directory of mode 0700 on a tmpfs) and is gone when psw ends, also when psw is killed.
    Only what you changed changes in the file. The editor is that of SOPS_EDITOR, VISUAL or EDITOR; one that keeps copies of
    what it edits should be told not to (psw tells vim).
    """
    from psw_cli import editor  # noqa: PLC0415 - needed by this verb only

    with alone(settings) as project:
        own = Secrets(project)
        seen = own.read()
        with editor.private_directory() as place:
            file = place / _secrets_text.FILE
            file.touch(mode=0o600)
            file.write_text(_secrets_text.as_text(seen), encoding="utf-8")
            while True:
                try:
                    editor.edit(file)
                    wanted = _secrets_text.from_text(file.read_text(encoding="utf-8"))
                    changed = own.change(seen, wanted)
                    break
                except PswError as exc:
                    if not _once_more(settings, exc):
                        raise
    result(settings, {"changed": bool(changed), "secrets": changed}, _what_happened(seen, wanted, changed))


@click.command("add-recipient", cls=Verb)
@click.argument("key", metavar="AGE-PUBLIC-KEY")
@click.option("--name", "owner", default="", help="Whose key it is: a comment for .sops.yaml.")
@click.pass_obj
def add_recipient(settings: Settings, key: str, owner: str) -> None:
    """Let somebody else read the secrets.

    Adds their age public key to .sops.yaml and to the file; the encrypted values stay as they are. To take somebody's
    right back, remove their key from .sops.yaml, run `psw secrets rekey`, and change what they have seen.
    """
    with alone(settings) as project:
        own = Secrets(project)
        changed = _recipients.add_recipient(own, key, owner)
        readers = own.sealed.recipients()
    text = f"added {owner or key}" if changed else f"nothing to add: {owner or key} could read them"
    result(settings, {"changed": changed, "recipients": readers}, text)


@click.command(cls=Verb)
@click.pass_obj
def rekey(settings: Settings) -> None:
    """Encrypt the secrets anew, for those whom .sops.yaml names.

    The secrets stay what they are, the key they are encrypted with is a new one. A file that stands in clear is encrypted.
    """
    with alone(settings) as project:
        own = Secrets(project)
        own.rekey()
        readers = own.sealed.recipients()
    lines = [f"{shown(own.file)} is encrypted anew; {count(len(readers), 'age key')} can open it:", *readers]
    result(settings, {"changed": True, "recipients": readers}, "\n".join(lines))


def _once_more(settings: Settings, exc: PswError) -> bool:
    """Ask whether to edit again, where there is somebody to ask."""
    if settings.json or settings.yes or not sys.stdin.isatty():
        return False
    from psw_cli.failures import understand  # noqa: PLC0415 - needed only now

    failure = understand(exc)
    say(failure.as_text() if failure else str(exc))
    return click.confirm("Edit again?", default=True, err=True)


def _what_happened(seen: Apps, wanted: Apps, changed: list[str]) -> str:
    if not changed:
        return "nothing changed"
    words = []
    for name in changed:
        app, own = _secrets_text.split_name(name)
        words.append(f"{'added' if own not in seen.get(app, {}) else 'changed' if own in wanted.get(app, {}) else 'forgot'} {name}")
    return "\n".join([*words, "next: psw deploy converge"])
