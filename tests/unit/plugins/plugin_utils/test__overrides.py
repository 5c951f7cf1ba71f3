# SPDX-License-Identifier: GPL-3.0-or-later
"""services/<app>/defaults.yml: the user's settings for one app."""

from pathlib import Path

import pytest
from ansible_collections.psw.ai.plugins.plugin_utils._catalog import Catalog
from ansible_collections.psw.ai.plugins.plugin_utils._errors import ProjectError
from ansible_collections.psw.ai.plugins.plugin_utils._overrides import check_names, read_overrides

FILE = Path("services/ollama/defaults.yml")
SPEC = """\
argument_specs:
  main:
    options:
      ollama_keep_alive: {type: str}
      ollama_models: {type: list}
  reset:
    options:
      ollama_delete_models: {type: bool}
"""


@pytest.fixture
def roles(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    FILE.parent.mkdir(parents=True)
    spec = tmp_path / "roles/ollama/meta/argument_specs.yml"
    spec.parent.mkdir(parents=True)
    spec.write_text(SPEC)
    return tmp_path / "roles"


def error(roles, text):
    FILE.write_text(text)
    with pytest.raises(ProjectError) as caught:
        read_overrides(FILE, "ollama", roles)
    return str(caught.value)


def test_without_the_file_there_are_no_overrides(roles):
    assert read_overrides(FILE, "ollama", roles) == {}


def test_settings_of_every_entry_point_are_read_and_the_schema_number_is_not_one(roles):
    FILE.write_text("schema: 1\nollama_keep_alive: 10m\nollama_delete_models: false\n")
    assert read_overrides(FILE, "ollama", roles) == {"ollama_keep_alive": "10m", "ollama_delete_models": False}


def test_a_misspelt_setting_is_named_with_the_one_that_was_meant(roles):
    assert error(roles, "ollama_keepalive: 1m\n") == (
        "services/ollama/defaults.yml:1: ollama has no setting 'ollama_keepalive'; did you mean 'ollama_keep_alive'?"
    )


def test_a_setting_without_the_apps_name_is_not_taken(roles):
    assert error(roles, "schema: 1\nkeep_alive: 1m\n") == (
        "services/ollama/defaults.yml:2: 'keep_alive' is no setting of ollama: they start with 'ollama_'; did you mean 'ollama_keep_alive'?"
    )


@pytest.mark.parametrize("name", ["ansible_host", "psw_node", "postgres_password"])
def test_what_belongs_to_others_cannot_be_set_here(roles, name):
    assert f"'{name}' is no setting of ollama" in error(roles, f"{name}: x\n")


def test_an_app_whose_role_says_nothing_takes_every_setting_of_its_name(roles):
    FILE.write_text("ollama_anything: 1\n")
    assert read_overrides(FILE, "ollama", roles / "none") == {"ollama_anything": 1}


def test_a_number_of_another_version_is_named(roles):
    assert error(roles, "schema: 2\n") == "services/ollama/defaults.yml:1: schema must be 1, not the number 2; this file is of another version of psw"


def test_settings_for_an_app_that_there_is_not_are_named(roles):
    Path("services/olama").mkdir()
    with pytest.raises(ProjectError) as caught:
        check_names(Path("services"), Catalog.load())
    assert str(caught.value) == "services/olama: no app called 'olama', did you mean 'ollama'?"


def test_settings_for_an_app_that_is_not_built_yet_wait_for_it(roles):
    Path("services/homeassistant").mkdir()
    check_names(Path("services"), Catalog.load())
