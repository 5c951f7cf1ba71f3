# SPDX-License-Identifier: GPL-3.0-or-later
"""What the README tells people to type exists."""

import re
import shlex
from pathlib import Path

import click
import pytest

from psw_cli.main import main as psw

REPO = Path(__file__).parents[3]
README = (REPO / "README.md").read_text(encoding="utf-8")
TYPED = [part.strip() for line in re.findall(r"(?m)^\$ (.+)$", README) for part in line.split("&&")]


def typed(program):
    return [line for line in TYPED if line.startswith(f"{program} ")]


@pytest.mark.parametrize("line", typed("make"))
def test_every_make_target_exists(line):
    targets = re.findall(r"(?m)^([a-z-]+):", (REPO / "Makefile").read_text(encoding="utf-8"))
    assert line.split()[1] in targets


@pytest.mark.parametrize("line", typed("psw"))
def test_every_psw_command_exists_and_takes_these_words(line):
    command, words = psw, shlex.split(line)[1:]
    context = click.Context(psw)
    while isinstance(command, click.Group):
        name, command, words = command.resolve_command(context, words)
        context = click.Context(command, info_name=name, parent=context)
    command.make_parser(context).parse_args(list(words))
    assert command.callback is not None


@pytest.mark.parametrize("link", re.findall(r"\]\((?!https?:)([^)#]+)", README))
def test_every_link_leads_somewhere(link):
    assert (REPO / link).exists()


def test_the_readme_has_both_commands_that_a_newcomer_needs():
    assert {"make demo", "make test"} <= set(TYPED)


def test_the_demo_shown_is_a_real_one():
    assert "@@" not in README
