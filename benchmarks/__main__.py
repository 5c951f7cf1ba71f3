"""`make bench`: measure on a converged lab and write docs/benchmarks.md."""

import argparse
import datetime as dt
import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import converge, growth, relay, startup
from lab.lab import up
from lab.project import LabProject
from lab.state import NODE

if TYPE_CHECKING:
    from collections.abc import Callable

PAGE = Path(__file__).parents[1] / "docs" / "benchmarks.md"
HEAD = """# Benchmarks

Written by `make bench`, which brings up the lab, converges `@ai` and measures. Contenders run round by round, one after the other, in one run;
the ratio is the median of the rounds' own ratios. Shared machines are noisy: trust the ratios, not the times.

Measured {day} on {cores} cores of {machine}, Python {python}, ansible-core {ansible}, pyinfra {pyinfra}.

"""


def pyinfra() -> str:
    """Return the version of the pyinfra that is measured."""
    said = subprocess.run([converge.PYINFRA, "--version"], capture_output=True, text=True, check=True).stdout
    return said.split()[-1].removeprefix("v")


def main() -> None:
    """Run the benchmarks that are asked for, all by default."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "--only", choices=["converge", "growth", "startup", "relay"], action="append", help="measure only this, and print instead of writing the page"
    )
    parser.add_argument("--rounds", type=int, default=5)
    wanted = parser.parse_args()
    project = LabProject(up("psw"))
    project.make("@ai")
    project.run("node", "setup-gpu", NODE)
    project.run("deploy", "converge")
    sections: dict[str, Callable[[], str]] = {
        "converge": lambda: converge.run(project, wanted.rounds),
        "growth": lambda: growth.run(project, min(wanted.rounds, 3)),  # a round takes minutes
        "startup": startup.run,
        "relay": lambda: relay.run(project, wanted.rounds),
    }
    measured = []
    for name, section in sections.items():
        if name in (wanted.only or sections):
            measured.append(section())
            print(measured[-1], flush=True)  # at once: should a later one fail, an hour's work is not lost
    if wanted.only:
        return
    head = HEAD.format(
        day=dt.datetime.now(tz=dt.UTC).date(), cores=os.cpu_count(), machine=platform.machine(), python=platform.python_version(),
        ansible=version("ansible-core"), pyinfra=pyinfra(),
    )  # fmt: skip
    PAGE.write_text(head + "\n".join(measured), encoding="utf-8")
    print(f"written: {PAGE}")


if __name__ == "__main__":
    main()
