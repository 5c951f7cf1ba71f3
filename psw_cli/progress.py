# SPDX-License-Identifier: GPL-3.0-or-later
"""Show a run while it runs: live at a terminal, a plain line for each finished step elsewhere."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

import click

from psw_cli.output import say, seconds

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from psw_cli.events import Run, Step


def watch(run: Run, title: str) -> Plain:
    """Return what shows this run: live when somebody looks at a terminal."""
    return Live(run, title) if sys.stderr.isatty() else Plain(run, title)


def done_line(host: str, step: Step, now: float) -> str:
    """Return the line that says how a step of a host ended."""
    state = "failed" if step.failed else "changed" if step.changed else "ok"
    return f"  {host:<14} {step.name:<24} {state:<8} {seconds(now - step.since)}"


class Plain:
    """One line for each finished step."""

    def __init__(self, run: Run, title: str) -> None:
        self.run = run
        self.title = title
        run.on_done = self.done

    def __enter__(self) -> Self:
        say(self.title)
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None) -> None:
        """Nothing to tidy up."""

    def done(self, host: str, step: Step) -> None:
        """Tell that a step is finished."""
        say(done_line(host, step, time.monotonic()))

    def ansible_says(self, text: str) -> None:
        """Pass on what Ansible prints, for those who asked with -vv."""
        say(text)


class Live(Plain):
    """Plain's lines, and below them what each host is doing right now and for how long."""

    def __enter__(self) -> Self:
        from rich.console import Console  # noqa: PLC0415 - only a terminal needs it
        from rich.live import Live as RichLive  # noqa: PLC0415 - as above

        self.console = Console(stderr=True, highlight=False)
        self.console.print(self.title)
        self.live = RichLive(console=self.console, get_renderable=self.now, refresh_per_second=4, transient=True)
        self.live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None) -> None:
        self.live.stop()

    def done(self, host: str, step: Step) -> None:
        """Tell that a step is finished, above what goes on."""
        style = "red" if step.failed else "yellow" if step.changed else "green"
        self.console.print(done_line(host, step, time.monotonic()), style=style, markup=False)

    def ansible_says(self, text: str) -> None:
        """Pass on what Ansible prints, above what goes on."""
        self.console.print(click.unstyle(text), markup=False)

    def now(self) -> Any:
        """Return a row for each busy host."""
        from rich.spinner import Spinner  # noqa: PLC0415 - as above
        from rich.table import Table  # noqa: PLC0415 - as above
        from rich.text import Text  # noqa: PLC0415 - as above

        grid = Table.grid(padding=(0, 2))
        for _ in range(5):
            grid.add_column(no_wrap=True)
        for host, step in list(self.run.steps.items()):
            # As Text, since a task's name may hold the brackets of rich's markup.
            told = (host, step.name, step.progress or step.task, seconds(time.monotonic() - step.since))
            grid.add_row(Spinner("dots"), *(Text(part) for part in told))
        return grid
