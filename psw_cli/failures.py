# SPDX-License-Identifier: GPL-3.0-or-later
"""What psw says when a verb cannot do its job, and with which exit code it says so."""

from __future__ import annotations

import errno
import json
from typing import Any

import click
from ansible_collections.psw.ai.plugins.plugin_utils._errors import (
    CatalogError,
    LockError,
    PlanError,
    ProjectError,
    PswError,
    Refusal,
    SecretsError,
    UnreachableError,
)
from ansible_collections.psw.ai.plugins.plugin_utils._files import WHAT_TO_DO, shown

from psw_cli import exits


class Failure(Exception):  # noqa: N818 - a refusal is one too
    """A verb ended without doing its job.

    Args:
        code: A word for machines.
        message: What went wrong, where.
        hint: What to do next.
        exit_code: One of ``psw_cli.exits``.
        data: What else belongs into the JSON object, such as the log of a run.
    """

    def __init__(self, code: str, message: str, hint: str = "", exit_code: int = exits.FAILED, data: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint
        self.exit_code = exit_code
        self.data = data or {}

    def as_json(self) -> dict[str, Any]:
        """Return the object that ``--json`` prints."""
        error = {"code": self.code, "message": self.message, "hint": self.hint}
        refusal = {"refusal": error} if self.exit_code == exits.REFUSED else {}  # the name that scripts look for
        return {"ok": False, "error": error, **refusal, **self.data}

    def as_text(self) -> str:
        """Return what people read."""
        word = "refused" if self.exit_code == exits.REFUSED else "interrupted" if self.exit_code == exits.INTERRUPTED else "error"
        return f"{word}: {self.message}" + (f"\n  {self.hint}" if self.hint else "")


def not_built_yet(path: str, instead: str) -> Failure:
    """Return the refusal of a verb that psw will have, with what to do until then."""
    return Failure("not_built_yet", f"{path} is not built yet", f"until then: {instead}", exits.REFUSED)


def refused(refusals: list[Refusal]) -> Failure:
    """Return one failure for everything that stands in the way: the first decides, all are named."""
    first, *others = [Failure(refusal.code, refusal.message, refusal.hint, exits.REFUSED) for refusal in refusals]
    if others:
        first.data = {"refusals": [failure.as_json()["error"] for failure in (first, *others)]}
    return first


# The first class that fits names the error and its exit code.
KINDS: tuple[tuple[type[PswError], str, int], ...] = (
    (LockError, "locked", exits.REFUSED),
    (UnreachableError, "unreachable", exits.UNREACHABLE),
    (ProjectError, "project", exits.USAGE),
    (CatalogError, "catalog", exits.USAGE),
    (PlanError, "plan", exits.USAGE),
    (SecretsError, "secrets", exits.USAGE),
    (PswError, "failed", exits.FAILED),
)


# What the machine can say no with anywhere; every other OSError is a bug.
RIGHTS = "psw works with your rights: run it as the one whose project this is"
MACHINE = {**WHAT_TO_DO, errno.EACCES: RIGHTS, errno.EPERM: RIGHTS}


def understand(exc: BaseException) -> Failure | None:
    """Return the failure that an expected error stands for, and None for a bug."""
    if isinstance(exc, Refusal):
        exc = refused([exc])
    if isinstance(exc, Failure):
        return exc
    for kind, code, exit_code in KINDS:
        if isinstance(exc, kind):
            return Failure(code, exc.message, exc.hint, exit_code)
    if isinstance(exc, click.UsageError):
        hint = f"see: {exc.ctx.command_path} --help" if exc.ctx else ""
        return Failure("usage", exc.format_message().rstrip("."), hint, exits.USAGE)
    if isinstance(exc, OSError) and (exc.errno or 0) in MACHINE:
        where = f"{shown(exc.filename)}: " if exc.filename else "stdout: "
        return Failure("failed", f"{where}{(exc.strerror or '').lower()}", MACHINE[exc.errno or 0])
    if isinstance(exc, KeyboardInterrupt | click.Abort):
        return Failure("interrupted", "stopped as you asked", "it is safe to run the same command again", exits.INTERRUPTED)
    return None


def report(exc: BaseException, *, as_json: bool) -> int:
    """Say what went wrong, as one message or one JSON object, and return the exit code; a bug keeps its traceback."""
    failure = understand(exc)
    if failure is None:
        if as_json:
            click.echo(json.dumps(Failure("bug", f"{type(exc).__name__}: {exc}", "this is a bug in psw; the traceback is on stderr").as_json()))
        raise exc
    if as_json:
        try:
            click.echo(json.dumps(failure.as_json(), indent=2))
        except OSError:
            as_json = False  # stdout takes nothing
    if not as_json:
        click.echo(failure.as_text(), err=True)
        for other in failure.data.get("refusals", [])[1:]:
            click.echo(Failure(**other, exit_code=exits.REFUSED).as_text(), err=True)
    return failure.exit_code
