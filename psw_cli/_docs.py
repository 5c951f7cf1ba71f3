# SPDX-License-Identifier: GPL-3.0-or-later
"""Write docs/cli.md out of the commands' own help: ``python -m psw_cli._docs > docs/cli.md``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from psw_cli.main import main

if TYPE_CHECKING:
    from collections.abc import Iterator

HEAD = """\
<!-- Made from the help texts by `python -m psw_cli._docs > docs/cli.md`; change those, not this. -->
# The command line

The result of a command goes to stdout, its progress to stderr. The options of every command may stand anywhere on the line; what
follows `--` goes to ansible-playbook untouched (not its questions: nobody could answer `--ask-pass`).

| exit code | means | in `--json` |
|---|---|---|
| 0 | done | `ok: true` |
| 1 | the run failed: the message names the layer, the host, the task and the log; or `psw doctor` found something | `error: {code, message, hint}` |
| 2 | usage, or a project file that is not valid | `error` |
| 3 | refused: a precondition does not hold, and nothing was changed | `error`, and the same as `refusal` |
| 4 | a node or target cannot be reached | `error` |
| 130 | interrupted; it is safe to run the same command again | `error` |

`--json` prints exactly one object on stdout, whatever happens. A run adds `changed`, `hosts`, `changes`, `diffs`, `duration_s` and
`log`. The logs of the runs are in `.psw/runs/`; they hold no secrets. How far the download of a model or an image is shows at a terminal,
in the log, in ansible-playbook's own output, and in `/run/psw/progress` on the target. [messages.md](messages.md) explains what psw
can say no with.
"""


def commands(command: click.Command, parent: click.Context | None = None) -> Iterator[tuple[click.Command, click.Context]]:
    """Return every command below this one with its context, in the order of the help."""
    ctx = click.Context(command, parent, info_name=command.name if parent else "psw", terminal_width=100)
    yield command, ctx
    if isinstance(command, click.Group):
        for name in command.list_commands(ctx):
            if found := command.get_command(ctx, name):
                found.name = name
                yield from commands(found, ctx)


def text() -> str:
    """Return the whole page."""
    parts = [HEAD, f"## psw\n\n```text\n{next(commands(main))[1].get_help()}\n```\n"]
    for command, ctx in list(commands(main))[1:]:
        if not isinstance(command, click.Group):
            parts.append(f"## {ctx.command_path}\n\n```text\n{_own(command, ctx)}\n```\n")
    return "\n".join(parts)


def _own(command: click.Command, ctx: click.Context) -> str:
    """Return the help without the options of every command, which stand once, at the top."""
    return command.get_help(ctx).split("\n\nOptions of every command:")[0]


if __name__ == "__main__":
    click.echo(text(), nl=False)
