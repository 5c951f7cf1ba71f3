# SPDX-License-Identifier: GPL-3.0-or-later
"""``psw completion``."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from psw_cli.base import Settings, Verb
from psw_cli.output import result


@click.command(cls=Verb)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the completion script of a shell.

    \b
    bash:  psw completion bash > ~/.local/share/bash-completion/completions/psw
    zsh:   psw completion zsh > "${fpath[1]}/_psw"
    fish:  psw completion fish > ~/.config/fish/completions/psw.fish
    """  # noqa: D301 - click's mark for lines to keep as they are
    script = get_completion_class(shell)
    if script is None:
        raise click.UsageError(f"this click knows no completion for {shell}", ctx)
    text = script(ctx.find_root().command, {}, "psw", "_PSW_COMPLETE").source()
    settings = ctx.ensure_object(Settings)
    result(settings, {"shell": shell, "script": text}, text)
