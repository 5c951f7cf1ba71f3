# SPDX-License-Identifier: GPL-3.0-or-later
"""How results and progress look: results on stdout, as text or as one JSON object; everything else on stderr."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from psw_cli.base import Settings

MINUTE = 60


def result(settings: Settings, data: dict[str, Any], text: str) -> None:
    """Print what a verb found or did, in the form that was asked for."""
    click.echo(json.dumps({"ok": True, **data}, indent=2) if settings.json else text)


def say(text: str) -> None:
    """Tell people what is going on."""
    click.echo(text, err=True)


def table(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return rows as aligned columns; None shows as ``-``."""
    cells = [[heading.upper() for heading in headings], *([_cell(value) for value in row] for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(headings))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in cells)


def fields(pairs: Iterable[tuple[str, object]]) -> str:
    """Return names and values, one pair a line, the values aligned."""
    shown = [(name, _cell(value)) for name, value in pairs]
    width = max(len(name) for name, _ in shown)
    return "\n".join(f"{name.ljust(width)}  {value}" for name, value in shown)


def seconds(duration: float) -> str:
    """Return a duration as people say it: ``4.2 s``, ``3 min 05 s``."""
    if duration < MINUTE:
        return f"{duration:.1f} s"
    return f"{int(duration // MINUTE)} min {int(duration % MINUTE):02d} s"


def count(number: int, noun: str) -> str:
    """Return a number with its noun, in the plural where it is one."""
    return f"{number} {noun}" + ("" if number == 1 else "s")


def _cell(value: object) -> str:
    if value is None or value == "":
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(str(item) for item in value) or "-"
    return str(value)
