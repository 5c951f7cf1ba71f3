"""The Python packages that only the stand-ins on the node need, fetched once for the node's Python."""

import sys
from pathlib import Path

from lab.host import run, say
from lab.lock import locked
from lab.paths import CACHE

PACKAGES = ("fakepve==0.5.0",)
NODE_PYTHON = "3.13"  # Debian 13's


def directory() -> Path:
    """Return the directory of installed packages, filled now if it is not there."""
    target = CACHE / "pylib" / "-".join((*PACKAGES, NODE_PYTHON)).replace("=", "")
    with locked(CACHE / "pylib.lock"):
        if not target.is_dir():
            _fetch(target)
    return target


def _fetch(target: Path) -> None:
    say(f"fetching {', '.join(PACKAGES)} for the node")
    part = target.with_name(f"{target.name}.part")
    run("rm", "-rf", part)
    part.mkdir(parents=True)
    run(
        sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target", part, "--python-version", NODE_PYTHON,
        "--implementation", "cp", "--only-binary=:all:", "--platform", "manylinux_2_28_x86_64", "--platform", "manylinux_2_17_x86_64",
        "--platform", "manylinux2014_x86_64", *PACKAGES,
    )  # fmt: skip
    part.rename(target)
