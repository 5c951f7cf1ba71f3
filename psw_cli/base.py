# SPDX-License-Identifier: GPL-3.0-or-later
"""Verbs and groups of verbs: options that work everywhere, and sub-commands that are imported when they are used."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Mapping

    from click.shell_completion import CompletionItem


CHECK = re.compile("--ch(e(ck?)?)?|-[bDhkKv]*C[bCDhkKv]*")  # as ansible-playbook takes it: shortened, or among other flags


class Settings:
    """What the options of every verb say, wherever on the line they were given."""

    def __init__(self, ansible_args: tuple[str, ...] = ()) -> None:
        self.project = os.environ.get("PSW_PROJECT") or "."
        self.json = False
        self.verbose = 0
        self.yes = False
        self.lock_timeout = 30.0
        self.ansible_args = ansible_args

    @property
    def only_looks(self) -> bool:
        """Say whether what follows ``--`` tells ansible-playbook to change nothing."""
        return any(CHECK.fullmatch(word) for word in self.ansible_args)


def _store(ctx: click.Context, param: click.Parameter, value: Any) -> None:
    """Keep a global option in the shared settings; one that was not given leaves what an earlier place said."""
    if param.name and ctx.get_parameter_source(param.name) is not click.core.ParameterSource.DEFAULT:
        setattr(ctx.ensure_object(Settings), param.name, value)


def _global_options() -> list[click.Parameter]:
    return [
        click.Option(["-C", "--project"], metavar="DIR", expose_value=False, callback=_store, help="The project directory (or PSW_PROJECT; default: here)."),
        click.Option(["--json"], is_flag=True, expose_value=False, callback=_store, help="Print exactly one JSON object on stdout."),
        click.Option(["-v", "--verbose"], count=True, expose_value=False, callback=_store, help="Show what Ansible says; further v are passed on to it."),
        click.Option(["-y", "--yes"], is_flag=True, expose_value=False, callback=_store, help="Answer yes to every question."),
        click.Option(
            ["--lock-timeout"],
            type=click.FloatRange(min=0),
            metavar="SECONDS",
            expose_value=False,
            callback=_store,
            help="How long to wait for another psw in this project (default: 30).",
        ),
    ]


class _Everywhere(click.Command):
    """A command that also takes the global options and lists them apart from its own."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.global_params = _global_options()
        self.params.extend(self.global_params)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the options: its own, then those of every command."""
        own: list[tuple[str, str]] = []
        shared: list[tuple[str, str]] = []
        for param in self.get_params(ctx):
            if param.param_type_name == "option" and (record := param.get_help_record(ctx)):
                (shared if param in self.global_params else own).append(record)
        for title, records in (("Options", own), ("Options of every command", shared)):
            with formatter.section(title):
                formatter.write_dl(records)


class Verb(_Everywhere):
    """One verb; ``ansible_args=True`` lets it hand what follows ``--`` to ansible-playbook."""

    def __init__(self, *args: Any, ansible_args: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.takes_ansible_args = ansible_args

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        """Show in the usage line what may follow ``--``."""
        return [*super().collect_usage_pieces(ctx), *(["[-- ANSIBLE_ARGS...]"] if self.takes_ansible_args else [])]

    def invoke(self, ctx: click.Context) -> Any:
        """Run the verb, unless it was given arguments that it has no use for."""
        if ctx.ensure_object(Settings).ansible_args and not self.takes_ansible_args:
            raise click.UsageError(f"{ctx.command_path} runs no playbook, so it takes nothing after --", ctx)
        return super().invoke(ctx)


class Nouns(_Everywhere, click.Group):
    """A group whose members are known by a table of name → (``module:attribute``, help), and imported when used."""

    def __init__(self, *args: Any, table: Mapping[str, tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.table = table
        self.no_args_is_help = False  # click's own answer differs between its versions

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Answer a noun without a verb with its help."""
        if not args and not ctx.resilient_parsing:
            click.echo(ctx.get_help(), err=True)
            ctx.exit(2)
        return super().parse_args(ctx, args)

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the names in the order of the table."""
        return list(self.table)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        """Import a command and return it."""
        if cmd_name not in self.table:
            return None
        from importlib import import_module  # noqa: PLC0415 - `psw --help` gets by without

        module, _, attribute = self.table[cmd_name][0].partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's signature
        """List the commands with the help of the table, so that none has to be imported."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in self.table.items()])

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the options, then the commands."""
        _Everywhere.format_options(self, ctx, formatter)
        self.format_commands(ctx, formatter)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Offer the commands with the help of the table; each Tab would import them all otherwise."""
        from click.shell_completion import CompletionItem  # noqa: PLC0415 - as above

        items = [CompletionItem(name, help=text) for name, (_, text) in self.table.items() if name.startswith(incomplete)]
        return items + click.Command.shell_complete(self, ctx, incomplete)

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        """Find a command; one that there is not is answered by name, with the near match."""
        name = args[0]
        if name not in self.table and not name.startswith("-") and not ctx.resilient_parsing:
            path = f"{ctx.command_path} {name}"
            from difflib import get_close_matches  # noqa: PLC0415 - as above

            near = get_close_matches(name, self.table, n=1)
            known = ", ".join(self.table)
            raise click.UsageError(f"there is no {path!r}; " + (f"did you mean {near[0]!r}?" if near else f"there is: {known}"), ctx)
        return super().resolve_command(ctx, args)
