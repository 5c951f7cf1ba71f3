"""Command lines as `zfs` and `zpool` read them, and how their refusals come out."""

import getopt
import sys
from collections.abc import Callable

from .zfsprops import ZfsError


def parse(words: list[str], short: str, long: tuple[str, ...] = ()) -> tuple[list[tuple[str, str]], list[str]]:
    """Return options and operands as getopt reads them."""
    try:
        return getopt.gnu_getopt(words, short, list(long))
    except getopt.GetoptError as error:
        raise ZfsError(f"invalid option '{error.opt}'\nusage: run `zfs help`", 2) from error


def last(options: list[tuple[str, str]], key: str, default: str) -> str:
    """Return the value of an option's last use."""
    return next((value for option, value in reversed(options) if option == key), default)


def operand(operands: list[str], what: str) -> str:
    """Return the first operand, or the usage error for its lack."""
    if not operands:
        raise ZfsError(f"missing {what} argument\nusage: run `zfs help`", 2)
    return operands[0]


def door(commands: dict[str, Callable[[list[str]], None]], program: str, argv: list[str]) -> int:
    """Run a command and turn its refusal into text and exit code."""
    if not argv or argv[0] not in commands:
        print(f"unrecognized command '{argv[0]}'" if argv else f"missing command\nusage: {program} command args ...", file=sys.stderr)
        return 2
    try:
        commands[argv[0]](argv[1:])
    except ZfsError as error:
        print(error, file=sys.stderr)
        return error.code
    return 0
