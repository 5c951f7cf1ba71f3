# SPDX-License-Identifier: GPL-3.0-or-later
"""The entry point: the verbs there are, and the one place where errors leave the program.

Only click is imported here, so that ``psw --help`` costs no more than click does.
"""

from __future__ import annotations

import os
import sys
from io import TextIOWrapper
from typing import TYPE_CHECKING, Any

import click

from psw_cli.base import Nouns, Settings

if TYPE_CHECKING:
    from collections.abc import Sequence

COMMANDS = {
    "init": ("psw_cli.init:init", "Make a project directory."),
    "node": ("psw_cli.node:node", "Proxmox VE nodes and their GPUs."),
    "app": ("psw_cli.app:app", "The apps you want."),
    "plan": ("psw_cli.plan:plan", "Show what would run where."),
    "deploy": ("psw_cli.deploy:deploy", "Bring reality to the plan."),
    "model": ("psw_cli.model:model", "The models of the engine."),
    "secrets": ("psw_cli.secrets:secrets", "Passwords and keys, encrypted in secrets/apps.yml."),
    "key": ("psw_cli.key:key", "The keys by which programs use the API."),
    "consumer": ("psw_cli.consumer:consumer", "Your own programs that use the API."),
    "status": ("psw_cli.status:status", "Show what runs where."),
    "doctor": ("psw_cli.doctor:doctor", "Name what is wrong with a GPU, and the command that heals it."),
    "completion": ("psw_cli.completion:completion", "Print the completion script of a shell."),
}


class Root(Nouns):
    """The program: splits off what is for ansible-playbook, and turns expected errors into one message and an exit code."""

    def main(self, args: Sequence[str] | None = None, prog_name: str | None = None, **extra: Any) -> Any:  # type: ignore[override]  # standalone, always
        """Run the program and exit with its code."""
        argv = list(sys.argv[1:] if args is None else args)
        end = argv.index("--") if "--" in argv else len(argv)
        argv, ansible_args = argv[:end], tuple(argv[end + 1 :])
        _open_closed_streams()
        if isinstance(sys.stdout, TextIOWrapper) and sys.stdout.errors == "strict":
            sys.stdout.reconfigure(errors="backslashreplace")  # a file name, or a terminal, may know less than Unicode
        extra.update(standalone_mode=False, obj=Settings(ansible_args))
        try:
            code = super().main(argv, prog_name or "psw", **extra)
        except (Exception, KeyboardInterrupt) as exc:  # noqa: BLE001 - report() raises what it does not know
            from psw_cli.failures import report  # noqa: PLC0415 - needed only now

            code = report(exc, as_json="--json" in argv)
            _forget_unwritten()
        sys.exit(code if isinstance(code, int) else 0)


def _open_closed_streams() -> None:
    """Give a psw that was started without stdin, stdout or stderr an empty one; else the next file it opens would take its number."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: PTH123, SIM115 - stays open, and importing pathlib takes long


def _forget_unwritten() -> None:
    """Drop what stdout could not take and was told about; Python would try again at exit, complain, and end with a code of its own."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _version(ctx: click.Context, _param: click.Parameter, value: bool) -> None:  # noqa: FBT001 - click's signature
    if value and not ctx.resilient_parsing:
        from importlib.metadata import version  # noqa: PLC0415 - as above

        click.echo(f"psw {version('psw-ai')}")
        ctx.exit()


@click.command("psw", cls=Root, table=COMMANDS)
@click.option("--version", is_flag=True, expose_value=False, is_eager=True, callback=_version, help="Print psw's version.")
def main() -> None:
    """Turn a Proxmox VE node with a GPU into a private AI server whose data never leaves the house.

    \b
    First steps:
      psw init my-home --domain home.example && cd my-home
      psw node add pve1 --host 192.0.2.10
      psw node setup-gpu pve1
      psw app add @ai
      psw deploy converge

    Exit codes: 0 done, 1 the run failed, 2 usage or invalid project file, 3 refused (nothing was changed), 4 a machine
    cannot be reached, 130 interrupted.
    """  # noqa: D301 - click's mark for lines to keep as they are
