# SPDX-License-Identifier: GPL-3.0-or-later
"""Who gets a service key, by the catalogue and by what the user wants."""

import pytest
from ansible_collections.psw.ai.plugins.plugin_utils import _consumers
from ansible_collections.psw.ai.plugins.plugin_utils._catalog import Catalog
from ansible_collections.psw.ai.plugins.plugin_utils._errors import ProjectError
from ansible_collections.psw.ai.plugins.plugin_utils._project import Project

APPS = ["ollama", "openwebui"]
PROBE = {"consumer": "probe", "secret": "probe_openwebui_service_key", "email": "psw-probe@psw.local", "role": "user", "app": "openwebui"}
SCRIPT = {"consumer": "my-script", "secret": "my_script_openwebui_service_key", "email": "psw-my-script@psw.local", "role": "user"}


@pytest.fixture
def home(tmp_path):
    """Return a project whose psw.yml ends like this."""

    def write(text=""):
        (tmp_path / "psw.yml").write_text(f"schema: 1\ndomain: home.example\napps: [openwebui]\n{text}")
        return Project.open(tmp_path)

    return write


def names(project, apps=APPS):
    return [item["consumer"] for item in _consumers.consumers(project, Catalog.load(), apps)]


def test_apps_and_own_programs_are_consumers(home):
    project = home("consumers:\n  my-script:\n")

    assert _consumers.consumers(project, Catalog.load(), APPS) == [PROBE, SCRIPT]


def test_a_role_can_be_chosen_per_consumer_also_for_those_of_the_catalogue(home):
    project = home("consumers: {my-script: {role: admin}, probe: {role: admin}}\n")

    assert [item["role"] for item in _consumers.consumers(project, Catalog.load(), APPS)] == ["admin", "admin"]
    assert names(project) == ["probe", "my-script"]


SCRIBE = {
    "requires": ["openwebui"],
    "service_keys": {
        "scribe": {"secret": "scribe_openwebui_service_key", "email": "psw-scribe@psw.local", "goes_to": {"podman_secret": "scribe_key"}},
        "scribe-notes": {"secret": "notes_openwebui_service_key", "email": "psw-notes@psw.local", "goes_to": {"file": "/srv/scribe/key", "owner": "70"}},
    },
}


@pytest.fixture
def with_scribe():
    """Return the catalogue with one app more, which holds two keys."""
    catalog = Catalog.load()
    return Catalog({**catalog.apps, "scribe": SCRIBE}, catalog.stacks)


def test_an_app_that_holds_keys_comes_after_open_webui_and_waits_for_them(with_scribe):
    order = [app for app, _reason in with_scribe.expand(["scribe"])]

    assert order.index("scribe") > order.index("openwebui")
    assert _consumers.holders(with_scribe, order) == ["scribe"]


def test_a_key_goes_where_the_catalogue_says_and_a_file_is_its_owners_alone(with_scribe):
    assert _consumers.delivery(with_scribe, "scribe", lambda consumer, secret: f"{consumer}/{secret}") == {
        "secrets": [{"name": "scribe_key", "value": "scribe/scribe_openwebui_service_key"}],
        "files": [{"path": "/srv/scribe/key", "secret_content": "scribe-notes/notes_openwebui_service_key\n", "owner": "70", "mode": "0600"}],
    }


def test_each_key_is_proven_on_the_road_of_its_app_and_a_message_names_whose_it_is(with_scribe):
    asked = _consumers.proofs(with_scribe, "scribe", lambda consumer, _secret: f"sk-{consumer}", {"url": "https://chat.home.example/api/models"})

    assert [check["http"] for check in asked] == [
        {"url": "https://chat.home.example/api/models", "caller": name, "headers": {"Authorization": f"Bearer sk-{name}"}}
        for name in ("scribe", "scribe-notes")
    ]


def test_psws_own_key_goes_nowhere():
    assert _consumers.delivery(Catalog.load(), "openwebui", lambda *_names: pytest.fail("nobody needs it")) == {"secrets": [], "files": []}


def test_without_open_webui_nobody_gets_a_key(home):
    assert names(home("consumers: {my-script: {}}\n"), ["ollama"]) == []


def test_an_added_program_stands_in_psw_yml_and_only_once(home):
    project = home("# the end\n")

    assert _consumers.add(project, Catalog.load(), "my-script", "user") is True
    assert _consumers.add(project, Catalog.load(), "my-script", "user") is False
    assert _consumers.add(project, Catalog.load(), "chief", "admin") is True

    written = (project.path / "psw.yml").read_text()
    assert written.endswith("consumers:\n  my-script: {}\n  chief: {role: admin}\n# the end\n")


def test_another_role_than_the_one_that_stands_there_is_an_error_with_its_line(home):
    with pytest.raises(ProjectError, match=r"psw\.yml:4: there is a consumer my-script already, with another role"):
        _consumers.add(home("consumers: {my-script: {}}\n"), Catalog.load(), "my-script", "admin")


@pytest.mark.parametrize(("name", "app"), [("probe", "openwebui"), ("ollama", "ollama")])
def test_a_name_of_the_catalogue_is_taken(home, name, app):
    with pytest.raises(ProjectError, match=f"{name} is taken by the app {app}"):
        _consumers.add(home(), Catalog.load(), name, "user")


def test_a_name_that_could_not_be_an_account_is_refused_by_the_schema(home):
    with pytest.raises(ProjectError, match="a name of small letters, digits and hyphens"):
        _consumers.add(home(), Catalog.load(), "My Script", "user")


def test_a_removed_program_leaves_what_stands_around_it(home):
    project = home("consumers:\n  one: {}\n  two: {} # of Anna\n  # below\n  three:\n# the end\n")

    _consumers.remove(project, "two")

    assert (project.path / "psw.yml").read_text().endswith("consumers:\n  one: {}\n  # below\n  three:\n# the end\n")


def test_the_last_one_leaves_an_empty_mapping(home):
    project = home("consumers:\n  one:\nsso: {mode: local}\n")

    _consumers.remove(project, "one")

    assert (project.path / "psw.yml").read_text().endswith("consumers: {}\nsso: {mode: local}\n")


def test_a_program_that_is_not_there_is_named_with_the_near_match(home):
    with pytest.raises(ProjectError, match=r"no consumer called 'my-scrip', did you mean 'my-script'\?"):
        _consumers.remove(home("consumers: {my-script: {}}\n"), "my-scrip")
