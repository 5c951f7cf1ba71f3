"""(c) How long psw takes to start, against a click program that does nothing."""

import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.interleaved import measure, table

EMPTY = "import click\n\n@click.group()\ndef empty():\n    '''Nothing.'''\n\nempty()\n"
PSW = Path(sys.executable).parent / "psw"


def run(rounds: int = 21) -> str:
    """Return the Markdown section."""
    with tempfile.TemporaryDirectory() as scratch:
        empty, project = Path(scratch) / "empty.py", Path(scratch) / "home"
        empty.write_text(EMPTY, encoding="utf-8")
        environment = {"PATH": f"{PSW.parent}:/usr/bin:/bin", "HOME": scratch, "SOPS_AGE_KEY_FILE": f"{scratch}/keys.txt", "LC_ALL": "C.UTF-8"}

        def call(*command: str | Path) -> None:
            subprocess.run(command, env=environment, check=True, capture_output=True)

        call(PSW, "init", project, "--domain", "home.example")
        call(PSW, "-C", project, "app", "add", "@ai")
        rows = measure(
            {
                "an empty click program, `--help`": lambda: call(sys.executable, empty, "--help"),
                "`psw --help`": lambda: call(PSW, "--help"),
                "`psw app add @ai` (nothing new)": lambda: call(PSW, "-C", project, "app", "add", "@ai"),
            },
            reference="an empty click program, `--help`",
            rounds=rounds,
        )
    return table("Start-up", rows, "The reference imports click and shows its help; every row includes Python's own start.")
