# SPDX-License-Identifier: GPL-3.0-or-later
from pathlib import Path

import pytest
from ansible_collections.psw.ai.plugins.plugin_utils import _yaml
from ansible_collections.psw.ai.plugins.plugin_utils._errors import ProjectError, SecretsError

FILE = Path("psw.yml")


def error(text):
    with pytest.raises(ProjectError) as caught:
        _yaml.parse(text, FILE)
    return str(caught.value)


def test_each_key_and_item_knows_its_line():
    document = _yaml.parse("schema: 1\nnodes:\n  pve1:\n    host: x\napps:\n  - ollama\n  - openwebui\n", FILE)
    assert document.line(("nodes", "pve1", "host")) == 4
    assert document.line(("apps", 1)) == 7


def test_what_is_not_in_the_file_has_the_line_of_what_surrounds_it():
    document = _yaml.parse("schema: 1\nnodes:\n  pve1: {}\n", FILE)
    assert document.at(("nodes", "pve1", "host")) == "psw.yml:3"


@pytest.mark.parametrize("text", ["on", "no", "2026-11-22", "0000:01:00.0", "0755", "12:30", "1_000"])
def test_what_only_old_yaml_takes_for_something_else_stays_text(text):
    assert _yaml.parse(f"key: {text}", FILE).data == {"key": text}


@pytest.mark.parametrize(("text", "value"), [("true", True), ("22", 22), ("-1", -1), ("1.5", 1.5), ("null", None), ("", None), ("~", None)])
def test_plain_values_are_what_they_look_like(text, value):
    assert _yaml.parse(f"key: {text}", FILE).data == {"key": value}


def test_what_psw_writes_is_what_it_reads():
    data = {"address": "0000:01:00.0", "on": "yes", "branch": "580", "count": 3, "none": None, "list": ["a: b", "# c"], "umlaut": "ü"}
    assert _yaml.parse(_yaml.dump(data, "by psw\ntoday"), FILE).data == data


def test_a_list_is_indented_below_its_key():
    assert _yaml.dump({"apps": ["ollama"]}) == "apps:\n  - ollama\n"


def test_the_comment_stands_at_the_top():
    assert _yaml.dump({"a": 1}, "by psw\ntoday") == "# by psw\n# today\na: 1\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("schema: 1\napps: [ollama", "psw.yml:2: this is not YAML: did not find expected ',' or ']'"),
        ("schema: 1\n\tapps: []\n", "psw.yml:2: this is not YAML: found a tab character that violates indentation"),
        ("apps: [a]\n b: 2\n", "psw.yml:2: this is not YAML: did not find expected key"),
        ("a: 1\n--- \nb: 2\n", "psw.yml:2: this is not YAML: but found another document"),
        (
            "a: !!python/object:os.system x\n",
            "psw.yml:1: this is not YAML: could not determine a constructor for the tag 'tag:yaml.org,2002:python/object:os.system'",
        ),
        ("", "psw.yml:1: expected keys and values, such as `schema: 1`"),
        ("- ollama\n", "psw.yml:1: expected keys and values, such as `schema: 1`"),
        ("a: 1\n\nb: 2\na: 3\n", "psw.yml:4: the key 'a' stands here for the second time, first in line 1"),
        ("nodes:\n  1: {}\n", "psw.yml:2: the key 1 is not text; write it in quotes"),
        ("a: 1\n<<<<<<< HEAD\nb: 2\n=======\n", "psw.yml:2: an unfinished merge (<<<<<<<); settle the conflict in this file first"),
        ("a: 1\nb: 2\n>>>>>>> theirs\n", "psw.yml:3: an unfinished merge (>>>>>>>); settle the conflict in this file first"),
    ],
)
def test_a_broken_file_is_an_error_with_its_line(text, message):
    assert error(text) == message


@pytest.mark.parametrize(
    ("value", "shown"), [("!!int abc", "abc"), ("!!bool abc", "abc"), ("!!float abc", "abc"), ("!!timestamp abc", "abc"), ("9" * 5000, "9" * 40 + "...")]
)
def test_a_value_that_is_not_what_its_tag_says_is_an_error_with_its_line(value, shown):
    assert error(f"schema: 1\nport: {value}\n") == f"psw.yml:2: this is not YAML: {shown!r} is not a value of its kind"


def test_a_null_byte_is_an_error_and_not_a_crash():
    assert error("a: \0").startswith("psw.yml: this is not YAML: unacceptable character")


def test_a_file_of_another_encoding_is_an_error(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    FILE.write_bytes(b"domain: \xff\xfe")
    with pytest.raises(ProjectError) as caught:
        _yaml.load(FILE)
    assert str(caught.value) == "psw.yml is not a text file in UTF-8"


def test_a_file_that_cannot_be_read_is_an_error_of_the_kind_asked_for(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SecretsError) as caught:
        _yaml.load(FILE, SecretsError)
    assert str(caught.value) == "cannot read psw.yml: no such file or directory"


def test_what_holds_itself_is_an_error_and_not_a_crash():
    assert error("a: &x [*x]\n") == "psw.yml: this is nested too deeply, or holds itself"


def test_what_is_nested_too_deeply_is_an_error_and_not_a_crash():
    assert error("a: " + "[" * 5000 + "]" * 5000) in (
        "psw.yml: this is nested too deeply, or holds itself",
        "psw.yml:1: this is not YAML: exceeded maximum nesting depth",  # PyYAML counts by itself since 6.0.4
    )
