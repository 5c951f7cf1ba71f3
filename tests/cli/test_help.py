"""Help is part of every command, and of the docs; asking for it is cheap."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click
import pytest

from psw_cli import _docs
from psw_cli.base import Nouns
from psw_cli.main import main

REPO = Path(__file__).parents[2]
COMMANDS = [(ctx.command_path, command, ctx) for command, ctx in _docs.commands(main)]
NOUNS = [(path, command, ctx) for path, command, ctx in COMMANDS if isinstance(command, Nouns)]


@pytest.mark.parametrize(("path", "command"), [(path, command) for path, command, _ in COMMANDS])
def test_every_command_explains_itself(path, command):
    assert command.help, f"{path} has no help text"


@pytest.mark.parametrize(("path", "command", "ctx"), NOUNS)
def test_the_short_help_of_the_table_is_the_commands_own(path, command, ctx):
    for name, (_, text) in command.table.items():
        own = command.get_command(ctx, name).help.split("\n")[0]
        assert text == own, f"{path} {name}"


@pytest.mark.parametrize(("path", "command"), [(path, command) for path, command, _ in COMMANDS])
def test_every_option_has_help(path, command):
    options = [param for param in command.params if isinstance(param, click.Option)]
    assert [option.name for option in options if not option.help] == [], path


@pytest.mark.parametrize("path", [path for path, command, _ in COMMANDS if not isinstance(command, Nouns)])
def test_every_verb_is_in_the_docs(path):
    assert f"\n## {path}\n" in (REPO / "docs/cli.md").read_text(encoding="utf-8")


def test_the_docs_are_made_from_the_help():
    assert (REPO / "docs/cli.md").read_text(encoding="utf-8") == _docs.text(), "run: python -m psw_cli._docs > docs/cli.md"


def modules_of(*args):
    """Return the modules that psw imports when called like this."""
    code = "import sys\nfrom psw_cli.main import main\ntry:\n    main()\nfinally:\n    print('\\n'.join(sys.modules), file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code, *map(str, args)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return set(done.stderr.split())


def test_help_imports_nothing_but_click():
    ours = {"psw_cli", "psw_cli.main", "psw_cli.base"}
    loaded = modules_of("--help")
    assert {name for name in loaded if name.startswith("psw_cli")} == ours
    assert loaded & {"yaml", "rich", "ansible", "ansible_runner", "ansible_collections", "jsonschema", "ruamel", "json", "difflib"} == set()


def test_adding_an_app_imports_no_ansible_and_no_rich(project):
    loaded = modules_of("-C", project, "app", "add", "@ai")
    assert loaded & {"ansible", "ansible_runner", "rich", "jinja2"} == set()


def test_a_noun_alone_answers_with_its_help(psw):
    answer = psw("node")
    assert (answer.exit_code, answer.stdout) == (2, "")
    assert answer.stderr.startswith("Usage: psw node [OPTIONS] COMMAND [ARGS]...\n\n  Proxmox VE nodes and their GPUs.\n")


def test_the_version_is_that_of_the_collection(psw):
    version = next(line.split()[1] for line in (REPO / "galaxy.yml").read_text().splitlines() if line.startswith("version:"))
    assert psw("--version").stdout == f"psw {version}\n"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_completion_script_calls_psw(psw, shell):
    answer = psw("completion", shell)
    assert answer.exit_code == 0
    assert f"_PSW_COMPLETE={shell}_complete" in answer.stdout


def complete(monkeypatch, psw, line):
    words = line.split(" ")
    monkeypatch.setenv("_PSW_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", line)
    monkeypatch.setenv("COMP_CWORD", str(len(words) - 1))
    return [item.split(",", 1)[1] for item in psw().stdout.split()]


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("psw de", ["deploy"]),
        ("psw node s", ["show", "setup-gpu"]),
        ("psw node show p", ["pve1"]),
        ("psw app add o", ["ollama", "openwebui"]),
        ("psw app add @", ["@ai"]),
        ("psw deploy converge --l", ["--limit", "--lock-timeout"]),
    ],
)
def test_the_shell_completes(monkeypatch, psw, project, line, offered):
    assert complete(monkeypatch, psw, line) == offered


@pytest.mark.parametrize("line", ["psw node show ", "psw nosuch ", "psw deploy reset ", "psw consumer remove "])
def test_whoever_presses_tab_hears_no_complaint(monkeypatch, psw, line):
    monkeypatch.setenv("_PSW_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", line)
    monkeypatch.setenv("COMP_CWORD", str(line.count(" ")))
    answer = psw()
    assert (answer.exit_code, answer.stderr) == (0, "")
