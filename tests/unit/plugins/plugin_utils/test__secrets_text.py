# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets as people edit them."""

import pytest
from ansible_collections.psw.ai.plugins.plugin_utils._errors import SecretsError
from ansible_collections.psw.ai.plugins.plugin_utils._secrets_text import as_text, from_text, split_name

AWKWARD = [
    "0123",
    "true",
    "null",
    "~",
    "2026-11-22",
    "1e3",
    "0x1f",
    "=",
    " spaced ",
    "a: b # c",
    "'",
    '"',
    "{{ x }}",
    "ü",
    "- x",
    "PEM\nlines\n",
    "a\n\n b",
    "\ttab",
]


@pytest.mark.parametrize("value", AWKWARD)
def test_a_value_comes_back_as_it_was(value):
    apps = {"mine": {"token": value, "other": "x"}}
    assert from_text(as_text(apps)) == apps


@pytest.mark.parametrize("written", ["0123", "true", "null", "2026-11-22", "1.50", "0x1f", "!!int hunter2"])
def test_a_value_is_the_text_that_was_written(written):
    assert from_text(f"mine:\n  token: {written}\n") == {"mine": {"token": written.removeprefix("!!int ")}}


def test_several_lines_are_shown_as_several_lines():
    assert "token: |\n    first\n    second\n" in as_text({"mine": {"token": "first\nsecond\n"}})


@pytest.mark.parametrize("text", ["", "\n", "# nothing\n", "{}\n"])
def test_nothing_written_means_no_secrets(text):
    assert from_text(text) == {}


def test_without_secrets_there_is_an_example_which_is_none():
    assert "# myapp:\n#   myapp_password: its value\n" in as_text({})
    assert from_text(as_text({})) == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("mine:\n  token:\n", "secrets.yml:2: mine.token has no value; give it one, or take out its line"),
        ("mine: hunter2\n", "secrets.yml:1: mine must be names with their values, one a line; such as mine_password: VALUE, indented"),
        ("mine:\n  token: [hunter2]\n", "secrets.yml:2: mine.token must be text; put the value into quotes"),
        ("mine:\n  a.b: hunter2\n", "secrets.yml:2: 'a.b' cannot be a name here; use letters, digits, _ and -"),
        ("mine:\n  a: hunter2\n  a: hunter3\n", "secrets.yml:3: the key 'a' stands here for the second time, first in line 2"),
        ("mine:\n  a: 'hunter2\n", "secrets.yml:2: this is not YAML: found unexpected end of stream"),
        ("- hunter2\n", "secrets.yml:1: expected keys and values, such as `schema: 1`"),
        ("mine:\n<<<<<<< HEAD\n", "secrets.yml:2: an unfinished merge (<<<<<<<); settle the conflict in this file first"),
    ],
)
def test_a_slip_is_named_with_its_line_and_without_any_value(text, message):
    with pytest.raises(SecretsError) as caught:
        from_text(text)
    assert str(caught.value) == message


def test_an_app_without_secrets_is_a_slip():
    with pytest.raises(SecretsError, match="mine must be names with their values"):
        from_text("mine:\n")


@pytest.mark.parametrize("name", ["postgres", "postgres.", ".x", "a.b.c", "a b.c", ""])
def test_what_names_no_secret_is_answered_with_the_form(name):
    with pytest.raises(SecretsError, match=r"does not name a secret; write APP\.NAME, such as postgres\.postgres_password"):
        split_name(name)
