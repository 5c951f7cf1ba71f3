# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask a deployed app something through a playbook that is made for it, as ``psw key`` and ``psw model`` do."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from psw_cli import exits
from psw_cli.events import Run
from psw_cli.failures import Failure
from psw_cli.play import Job, perform

if TYPE_CHECKING:
    from ansible_collections.psw.ai.plugins.plugin_utils._project import Project

    from psw_cli.base import Settings


@dataclass(frozen=True)
class Asked:
    """An app, the playbook that asks it, and what is said where nobody answers."""

    app: str
    playbook: str
    answer: str  # the name under which the playbook tells what it heard
    not_deployed: str
    left_undone: str
    secrets: bool = True  # whether the playbook works with secrets

    def planned(self, project: Project) -> dict[str, Any]:
        """Return the planned apps; where this one is not among them, there is nobody to ask."""
        apps: dict[str, Any] = (project.plan or {"apps": {}})["apps"]
        if self.app not in apps:
            raise self._missing()
        return apps

    def ask(self, project: Project, settings: Settings, verb: str, wishes: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """Run the playbook; return what it told, and the report of the run.

        Whether there is a target is for its node to say: a fresh copy of a project has no notes of where its targets are.
        """
        state = Run()
        job = Job(verb, self.playbook, f"psw {verb.replace('-', ' ', 1)}", ("--extra-vars", json.dumps(wishes)), secrets=self.secrets)
        report = perform(project, settings, job, state)
        for told in state.told.values():
            if self.answer in told:
                return told, report
        if any("psw_no_target" in told for told in state.told.values()):
            raise self._missing(report)
        raise left_undone(self.left_undone, report)

    def _missing(self, report: dict[str, Any] | None = None) -> Failure:
        hint = f"deploy it with: psw app add {self.app}, then psw deploy converge"
        return Failure("not_deployed", self.not_deployed, hint, exits.REFUSED, report)


def left_undone(what: str, report: dict[str, Any]) -> Failure:
    """Return the failure of a run that Ansible calls a success, because its arguments left out what it was for."""
    hint = "say what follows -- without --limit, --tags and the like: they left it out"
    return Failure("left_undone", what, hint, exits.FAILED, report)
