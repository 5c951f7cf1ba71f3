# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run of Ansible tells us, event by event, gathered into what people and programs want to know."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

COLOUR = re.compile(r"\x1b\[[0-9;]*m")
DELEGATED = re.compile(r"^(?:fatal|failed): \[[^\]]+ -> ([^\](]+)", re.MULTILINE)  # no event says it in another way
INVENTORY = re.compile(r"\[WARNING\]: Failed to parse inventory with '[\w.]*psw\.ai[\w.]*' plugin: (.*)")
PROGRESS = re.compile(r"^\[([^\]\s]+)\] (?:.+: ended|(.+: .+))$")  # plugin_utils/_progress.py
NOISE = re.compile(
    r"^(Task failed: |Module failed: |Failed to connect to the host via ssh: |Warning: Permanently added [^\n]*\n"
    r'|Data could not be sent to remote host "[^"]*"\. Make sure this host can be reached over ssh: )+'
)
# What ssh says of it is a page long; this and the file is what matters.
HOST_KEY_CHANGED = re.compile(r"@{9,}\n@ +WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED.*^Offending \S+ key in ([^\n]+):\d+$.*", re.DOTALL | re.MULTILINE)
OTHER_HOST_KEY = "its SSH host key is not the one in "
REASON_LENGTH = 1500  # room for a cause of several lines and what to do about it, which comes last
TROUBLES = {"runner_on_failed": "failed", "runner_on_async_failed": "failed", "runner_on_unreachable": "unreachable"}


@dataclass
class Problem:
    """One task that did not succeed on one host; ``where`` is the machine it really ran on."""

    kind: str  # failed | unreachable | refused
    host: str
    where: str
    play: str
    role: str
    task: str
    reason: str
    refusals: list[dict[str, str]] = field(default_factory=list)


@dataclass(frozen=True)
class Change:
    """One task that changed something, or would have."""

    host: str
    role: str
    task: str


@dataclass(frozen=True)
class Diff:
    """How a task changed a file, as ``diff -u`` shows it."""

    host: str
    role: str
    task: str
    diff: str


@dataclass
class Step:
    """What a host is busy with: a role, or a play outside of its roles."""

    name: str
    task: str
    since: float
    in_role: bool = True
    progress: str = ""  # how far the task is, in its own words
    tasks: int = 0
    skipped: int = 0
    changed: bool = False
    failed: bool = False


@dataclass
class Run:
    """Everything known about a run so far; ``on_done`` hears of each finished step of each host."""

    on_done: Callable[[str, Step], None] = lambda _host, _step: None
    steps: dict[str, Step] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    diffs: list[Diff] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)  # what modules warn of, once each
    hosts: dict[str, dict[str, int]] = field(default_factory=dict)
    told: dict[str, dict[str, Any]] = field(default_factory=dict)  # what each host said with set_stats
    errors: list[str] = field(default_factory=list)
    item_reason: dict[str, str] = field(default_factory=dict)
    in_roles: set[str] = field(default_factory=set)  # hosts that have come to a role in this play

    @property
    def changed(self) -> int:
        """How many tasks changed something, over all hosts."""
        return sum(counts["changed"] for counts in self.hosts.values())

    def handle(self, event: dict[str, Any]) -> None:
        """Take in one event of ansible-runner."""
        kind, data = event.get("event", ""), event.get("event_data", {})
        self._warned(data.get("res") or {})
        if kind == "runner_on_start":
            self._started(data)
        elif kind in {"runner_on_ok", "runner_on_async_ok"}:
            self._succeeded(data, COLOUR.sub("", event.get("stdout", "")))
        elif kind == "runner_on_skipped" and data["host"] in self.steps:
            self.steps[data["host"]].skipped += 1
        elif kind == "runner_item_on_failed":
            self.item_reason[data["host"]] = reason(data.get("res", {}))
        elif kind in TROUBLES:
            self._went_wrong(TROUBLES[kind], data, COLOUR.sub("", event.get("stdout", "")))
        elif kind == "runner_on_file_diff":
            self._diff(data, event.get("stdout", ""))
        elif kind == "playbook_on_play_start":
            self._finish_all()
        elif kind == "playbook_on_stats":
            self._finish_all()
            self._count(data)
        elif kind in {"error", "verbose"}:
            self._said(COLOUR.sub("", event.get("stdout", "")))

    def _started(self, data: dict[str, Any]) -> None:
        host, role = data["host"], data.get("role", "")
        name = role or data.get("play", "")
        step = self.steps.get(host)
        if step and step.name != name:
            if role:
                self.in_roles.add(host)
            self._finish(host)
            step = None
        if step is None:
            step = self.steps[host] = Step(name, data.get("task", ""), time.monotonic(), in_role=bool(role))
        step.task, step.progress, step.tasks = data.get("task", ""), "", step.tasks + 1

    def _succeeded(self, data: dict[str, Any], stdout: str) -> None:
        res = data.get("res", {})
        if "ansible_stats" in res:
            self.told.setdefault(data["host"], {}).update(res["ansible_stats"]["data"])
        # A task with no_log shows nothing but this word.
        if res.get("changed") or stdout.lstrip().startswith("changed:"):
            host = data["host"]
            self.changes.append(Change(host, data.get("role", ""), data.get("task", "")))
            if host in self.steps:
                self.steps[host].changed = True

    def _went_wrong(self, kind: str, data: dict[str, Any], stdout: str) -> None:
        if data.get("ignore_errors") or stdout.rstrip().endswith("...ignoring"):  # no event says ignore_unreachable in another way
            return
        host, res = data["host"], data.get("res", {})
        refusals = res.get("refusals") or ([res["refusal"]] if res.get("refusal") else [])
        delegated = DELEGATED.search(stdout)
        why = self.item_reason.get(host) if "results" in res else None
        self.problems.append(
            Problem(
                kind="refused" if refusals else kind,
                host=host,
                where=delegated[1] if delegated else host,
                play=data.get("play", ""),
                role=data.get("role", ""),
                task=data.get("task", ""),
                reason=why or reason(res),
                refusals=refusals,
            )
        )
        if host in self.steps:
            self.steps[host].failed = True

    def _warned(self, res: dict[str, Any]) -> None:
        for warning in res.get("warnings") or []:
            if isinstance(warning, str) and warning not in self.warnings:
                self.warnings.append(warning)

    def _diff(self, data: dict[str, Any], stdout: str) -> None:
        text = COLOUR.sub("", stdout).replace("\r\n", "\n").strip("\n")
        if text:
            self.diffs.append(Diff(data["host"], data.get("role", ""), data.get("task", ""), text))

    def _count(self, data: dict[str, Any]) -> None:
        names = {"ok": "ok", "changed": "changed", "failed": "failures", "unreachable": "dark", "skipped": "skipped", "rescued": "rescued"}
        for host in sorted({host for name in names.values() for host in data.get(name, {})}):
            self.hosts[host] = {name: data.get(theirs, {}).get(host, 0) for name, theirs in names.items()}

    def _said(self, text: str) -> None:
        """Keep what Ansible says outside of tasks: that is how it tells of a broken inventory, option or playbook."""
        for line in text.splitlines():
            if (told := PROGRESS.match(line)) and told[1] in self.steps:
                self.steps[told[1]].progress = told[2] or ""
            elif broken := INVENTORY.match(line):
                self.errors.append(broken[1])
            elif line.startswith(("[ERROR]: ", "ERROR! ")) or "error:" in line:
                self.errors.append(line.removeprefix("[ERROR]: ").removeprefix("ERROR! ").strip())

    def _finish(self, host: str) -> None:
        step = self.steps.pop(host)
        if step.skipped == step.tasks:
            return  # nothing was done
        # Between its roles a play does little that is worth a line.
        if step.in_role or step.changed or step.failed or host not in self.in_roles:
            self.on_done(host, step)

    def _finish_all(self) -> None:
        for host in list(self.steps):
            self._finish(host)
        self.in_roles.clear()


def reason(res: dict[str, Any]) -> str:
    """Return in a few words why a task failed."""
    if "censored" in res:
        return "(the task works with secrets, so its output is not shown)"
    text = str(res.get("msg") or res.get("stderr") or res.get("module_stderr") or res.get("stdout") or "no reason given")
    text = NOISE.sub("", text.replace("\r\n", "\n")).strip()
    text = HOST_KEY_CHANGED.sub(rf"{OTHER_HOST_KEY}\1", text)
    if res.get("rc") and res.get("stderr") and res.get("msg") == "non-zero return code":
        text = f"{text}: {str(res['stderr']).strip()}"
    return text if len(text) <= REASON_LENGTH else f"{text[:REASON_LENGTH]} …"
