"""How a run looks while it runs."""

from __future__ import annotations

import io
import sys
from types import SimpleNamespace

import pytest
from rich.console import Console

from psw_cli.events import Run, Step
from psw_cli.progress import Live, Plain, watch

NOW = 1000.0


@pytest.fixture(autouse=True)
def _the_clock_stands(monkeypatch):
    monkeypatch.setattr("psw_cli.progress.time", SimpleNamespace(monotonic=lambda: NOW))


@pytest.fixture
def run():
    return Run()


def test_without_a_terminal_each_finished_step_is_a_line(run, capsys):
    with watch(run, "psw deploy converge"):
        run.on_done("psw-core", Step("postgres", "Answer", NOW))
        run.on_done("psw-core", Step("openwebui", "Answer", NOW - 75, changed=True))
        run.on_done("psw-ai", Step("ollama", "Answer", NOW, changed=True, failed=True))
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == (
        "psw deploy converge\n"
        "  psw-core       postgres                 ok       0.0 s\n"
        "  psw-core       openwebui                changed  1 min 15 s\n"
        "  psw-ai         ollama                   failed   0.0 s\n"
    )


@pytest.mark.parametrize(("terminal", "view"), [(True, Live), (False, Plain)])
def test_live_progress_is_for_terminals(run, monkeypatch, terminal, view):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
    assert type(watch(run, "psw deploy converge")) is view


def test_live_progress_shows_what_each_host_does_right_now(run):
    run.steps = {"psw-core": Step("openwebui", "Wait until it [really] answers", NOW - 12.04), "psw-ai": Step("ollama", "Pull the image", NOW)}
    text = io.StringIO()
    Console(file=text, width=100).print(Live(run, "").now())
    rows = [line.split(maxsplit=1)[1].split("  ") for line in text.getvalue().splitlines()]
    assert [[part.strip() for part in row if part.strip()] for row in rows] == [
        ["psw-core", "openwebui", "Wait until it [really] answers", "12.0 s"],
        ["psw-ai", "ollama", "Pull the image", "0.0 s"],
    ]


def test_live_progress_shows_how_far_a_long_task_is(run):
    started = {"event": "runner_on_start", "event_data": {"host": "psw-ai", "role": "ollama", "task": "Keep the wished models"}}
    run.handle(started)
    for line in ("[psw-ai] m:1: 42 % of 4.9 GiB", "[elsewhere] m:1: 50 % of 4.9 GiB"):
        run.handle({"event": "verbose", "stdout": line})
    assert {host: (step.task, step.progress) for host, step in run.steps.items()} == {"psw-ai": ("Keep the wished models", "m:1: 42 % of 4.9 GiB")}
    text = io.StringIO()
    Console(file=text, width=100).print(Live(run, "").now())
    assert text.getvalue().split()[1:9] == ["psw-ai", "ollama", "m:1:", "42", "%", "of", "4.9", "GiB"]
    run.handle(started)
    assert run.steps["psw-ai"].progress == ""


def test_live_progress_shows_the_task_again_once_what_it_told_of_has_ended(run):
    run.handle({"event": "runner_on_start", "event_data": {"host": "psw-core", "role": "openwebui", "task": "Run Open WebUI"}})
    for line in ("[psw-core] ghcr.io/open-webui:1: 1.5 GiB so far", "[psw-core] ghcr.io/open-webui:1: ended"):
        run.handle({"event": "verbose", "stdout": line})
    assert (run.steps["psw-core"].task, run.steps["psw-core"].progress) == ("Run Open WebUI", "")


def test_live_progress_ends_with_the_same_lines(run, monkeypatch):
    with Live(run, "psw deploy converge") as view:
        view.console.file = io.StringIO()
        run.on_done("psw-core", Step("postgres", "Answer", NOW))
        text = view.console.file.getvalue()
    assert "  psw-core       postgres                 ok       0.0 s\n" in text
