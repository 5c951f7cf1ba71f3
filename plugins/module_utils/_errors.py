# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The errors that modules expect; private to the collection."""

from __future__ import annotations


class PswModuleError(Exception):
    """An expected error: its text is the whole message, and the module's door turns it into fail_json."""

    def result(self):
        """Return what fail_json gets."""
        return {"msg": str(self)}


class NotReadyError(Exception):
    """An app does not answer as it should; the text goes on where its name ends, and says what it did instead."""


class ModuleRefusal(PswModuleError):  # noqa: N818 - a refusal is an answer, and is called that everywhere
    """A precondition that fails before anything was changed; the command line and other programs go by ``code``."""

    def __init__(self, code, message, hint):
        super().__init__("%s; %s" % (message, hint))
        self.refusal = {"code": code, "message": message, "hint": hint}

    def result(self):
        """Return the message and the refusal, in the shape of the preflight action's."""
        return {"msg": str(self), "refusal": self.refusal}
