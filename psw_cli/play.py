# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a playbook on a project as a verb does: with progress, a log, and a failure that names the layer that failed."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from ansible_collections.psw.ai.plugins.plugin_utils._errors import SecretsError
from ansible_collections.psw.ai.plugins.plugin_utils._lock import state_directory
from ansible_collections.psw.ai.plugins.plugin_utils._secrets import Secrets

from psw_cli import exits, runner
from psw_cli.blame import failure
from psw_cli.events import Run
from psw_cli.failures import Failure
from psw_cli.progress import watch
from psw_cli.runlog import RunLog
from psw_cli.scrub import Scrubber, values

if TYPE_CHECKING:
    from ansible_collections.psw.ai.plugins.plugin_utils._project import Project

    from psw_cli.base import Settings


@dataclass(frozen=True)
class Job:
    """A playbook to run for a verb, with ansible-playbook's own arguments."""

    verb: str  # as in the log's name: deploy-converge
    playbook: str
    title: str
    args: tuple[str, ...] = ()
    data: dict[str, Any] = field(default_factory=dict)  # what else the verb tells in JSON
    secrets: bool = True  # whether the run works with secrets, so that unreadable ones are an error before it starts


def perform(project: Project, settings: Settings, job: Job, state: Run | None = None) -> dict[str, Any]:
    """Run the job and return what happened; anything but success is a ``Failure`` that carries it."""
    secrets = Secrets(project)
    scrub, known = Scrubber(_known(secrets, needed=job.secrets)), _stamp(secrets)
    state = state or Run()
    with RunLog(project.path, job.verb, scrub) as log, watch(state, job.title) as view:
        log.write(f"{job.title}\nansible-playbook {' '.join((*job.args, job.playbook))}")

        def on_event(event: dict[str, Any]) -> None:
            state.handle(event)
            if text := event.get("stdout"):
                log.write(text)
                if settings.verbose:
                    view.ansible_says(scrub(text))

        verbosity = ("-" + "v" * (settings.verbose - 1),) if settings.verbose > 1 else ()
        arguments = (*verbosity, *job.args, *settings.ansible_args)
        ended = runner.run(runner.Playbook(job.playbook, project.path / "psw.yml", state_directory(project.path), arguments), on_event)
        if _stamp(secrets) != known:  # the run made new ones
            scrub.learn(_known(secrets, needed=False))
            log.rescrub()
    report: dict[str, Any] = scrub.tree(
        {
            "changed": state.changed,
            "hosts": state.hosts,
            "changes": [asdict(change) for change in state.changes],
            "diffs": [asdict(diff) for diff in state.diffs],
            "warnings": state.warnings,
            "duration_s": round(ended.duration_s, 1),
            "log": str(log.path),
            **job.data,
        }
    )
    if ended.interrupted:
        raise Failure("interrupted", f"{job.title}: stopped as you asked", "it is safe to run it again", exits.INTERRUPTED, report)
    if ended.rc:
        for problem in state.problems:
            problem.reason = scrub(problem.reason)
        raise failure(project, state, log.name, report)
    return report


def _known(secrets: Secrets, *, needed: bool) -> list[str]:
    """Return the values to keep out of logs."""
    try:
        return list(values(secrets.read()))
    except SecretsError:
        if needed:
            raise
        return []


def _stamp(secrets: Secrets) -> int:
    return secrets.file.stat().st_mtime_ns if secrets.file.exists() else 0
