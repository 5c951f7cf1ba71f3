# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything psw can say no with; each error is one clear message that names what, where and what to do."""

from __future__ import annotations


class PswError(Exception):
    """An expected failure: ``message`` says what is wrong and where, ``hint`` what to do about it."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message, hint)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}; {self.hint}" if self.hint else self.message


class ProjectError(PswError):
    """The project directory, or a file in it, is not what psw can work with."""


class CatalogError(PswError):
    """The catalogue knows nothing by that name."""


class PlanError(PswError):
    """No plan can be made from these wishes."""


class SecretsError(PswError):
    """The secrets cannot be read or written."""


class LockError(PswError):
    """Another psw works in this project."""


class UnreachableError(PswError):
    """A node or target does not answer."""


class Refusal(PswError):  # noqa: N818 - a refusal is an answer, and is called that everywhere (design: words)
    """A precondition that fails before anything was changed; ``code`` is stable and made for programs."""

    def __init__(self, code: str, message: str, hint: str = "") -> None:
        super().__init__(message, hint)
        self.code = code
        self.args = (code, message, hint)  # so that a refusal survives pickling, which Ansible's workers do

    def as_dict(self) -> dict[str, str]:
        """Return the shape that ``--json`` and the preflight action show."""
        return {"code": self.code, "message": self.message, "hint": self.hint}
