# SPDX-License-Identifier: GPL-3.0-or-later
"""The catalogue keeps its promises: every file has its shape, every name leads somewhere, nothing floats, everything stays in the house."""

import functools
import json
from pathlib import Path

import pytest
import yaml
from ansible_collections.psw.ai.plugins.plugin_utils import _schema, _yaml
from ansible_collections.psw.ai.plugins.plugin_utils._catalog import Catalog
from ansible_collections.psw.ai.plugins.plugin_utils._consumers import GIVES_KEYS
from ansible_collections.psw.ai.plugins.plugin_utils._wishes import DEFAULTS
from jsonschema import Draft202012Validator

REPO = Path(__file__).parents[3]
CATALOG = REPO / "catalog"
APPS = sorted(file.stem for file in (CATALOG / "apps").glob("*.yml"))
WITH_KEYS = REPO / "tests/e2e/scribe"  # apps that tests add, with their roles; some of them hold keys, whether or not the catalogue's do
SCHEMAS = sorted((CATALOG / "schemas").glob("*.schema.json"))
# An app whose privacy needs no switch, with the reason.
CALLS_NOBODY = {
    "caddy": "its CA is internal, so it asks nobody for certificates",
    "postgres": "the database talks to who connects to it",
}


@functools.cache
def load(name):
    return yaml.safe_load((CATALOG / name).read_text(encoding="utf-8"))


@functools.cache
def app(name):
    return load(f"apps/{name}.yml")


@functools.cache
def role_text(name, home=REPO):
    role = home / "roles" / name
    return "\n".join(file.read_text(encoding="utf-8") for file in sorted(role.rglob("*")) if file.is_file())


# --- shapes ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("file", SCHEMAS, ids=lambda file: file.stem)
def test_every_schema_is_one(file):
    Draft202012Validator.check_schema(json.loads(file.read_text(encoding="utf-8")))


@pytest.mark.parametrize("file", sorted(CATALOG.rglob("*.yml")), ids=lambda file: file.stem)
def test_every_file_of_the_catalogue_has_a_schema_and_fits_it(file):
    kind = "app" if file.parent.name == "apps" else file.stem
    _schema.validate(_yaml.load(file), kind)


@pytest.mark.parametrize("file", SCHEMAS, ids=lambda file: file.stem)
def test_every_schema_wants_its_number(file):
    schema = json.loads(file.read_text(encoding="utf-8"))
    assert schema["properties"]["schema"] == {"const": 1}
    assert "schema" in schema.get("required", []) or file.stem == "overrides.schema"  # settings alone are fine in the user's own files


def defaults(schema):
    """Return the defaults that a schema shows to editors."""
    found = {name: value for name, child in schema.get("properties", {}).items() if (value := defaults(child)) not in ({}, None)}
    return found or schema.get("default")


def test_the_defaults_that_editors_show_are_the_real_ones():
    shown = defaults(json.loads((CATALOG / "schemas/psw.schema.json").read_text(encoding="utf-8")))
    assert shown == {key: DEFAULTS[key] for key in ("network", "sso", "storage")}


# --- apps ------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", APPS)
def test_an_app_is_called_as_its_file(name):
    assert app(name)["name"] == name


@pytest.mark.parametrize("name", APPS)
def test_an_app_has_a_role(name):
    assert (REPO / "roles" / name / "tasks/main.yml").exists()


@pytest.mark.parametrize("name", APPS)
def test_an_app_needs_only_apps_that_there_are(name):
    assert set(app(name)["requires"]) <= set(APPS)


@pytest.mark.parametrize("name", APPS)
def test_an_app_runs_only_pinned_images_and_its_role_looks_them_up(name):
    assert set(app(name)["images"]) <= set(load("images.yml")["images"])
    for image in app(name)["images"]:
        assert f"lookup('psw.ai.image', '{image}')" in role_text(name)


@pytest.mark.parametrize("name", APPS)
def test_an_app_keeps_its_data_in_storage_classes_that_there_are_and_that_the_user_can_size(name):
    classes = set(app(name).get("datasets", {}).values())
    assert classes <= set(load("storage_classes.yml")["classes"])
    assert classes <= set(DEFAULTS["storage"])


@pytest.mark.parametrize("name", APPS)
def test_a_secret_is_called_after_its_app_and_its_role_asks_for_it(name):
    for secret in app(name).get("secrets", {}):
        assert secret.startswith(f"{name}_")
        assert f"lookup('psw.ai.secret', '{name}', '{secret}')" in role_text(name)


@pytest.mark.parametrize("name", APPS)
def test_an_app_on_the_gpu_says_how_much_of_its_memory_it_needs(name):
    assert ("vram_mib" in app(name)["resources"]) == (app(name)["target"] == "gpu")


def test_no_two_apps_answer_to_the_same_name():
    names = [app(name)["vhost"]["name"] for name in APPS if "vhost" in app(name)]
    assert len(names) == len(set(names))


def test_no_two_consumers_share_an_account_or_a_secret():
    consumers = Catalog.load().consumers(APPS)
    for key in ("consumer", "email", "secret"):
        assert len({consumer[key] for consumer in consumers}) == len(consumers)


def holders():
    """Yield the apps that hold keys, each with where its catalogue and its role lie."""
    for home in (REPO, WITH_KEYS):
        for file in sorted((home / "catalog/apps").glob("*.yml")):
            if file.stem != GIVES_KEYS and "service_keys" in yaml.safe_load(file.read_text(encoding="utf-8")):
                yield pytest.param(home, file, id=file.stem)


@pytest.mark.parametrize(("home", "file"), list(holders()))
def test_an_app_that_holds_keys_needs_open_webui_and_its_role_takes_each_to_its_place(home, file):
    entry = yaml.safe_load(file.read_text(encoding="utf-8"))
    assert GIVES_KEYS in entry["requires"]
    assert all("goes_to" in key for key in entry["service_keys"].values())
    assert f"lookup('psw.ai.service_keys', '{file.stem}')" in role_text(file.stem, home)


@pytest.mark.parametrize("file", sorted(WITH_KEYS.rglob("catalog/apps/*.yml")), ids=lambda file: file.stem)
def test_an_app_that_tests_add_has_the_shape_of_all_others(file):
    _schema.validate(_yaml.load(file), "app")


@pytest.mark.parametrize("place", [{}, {"file": "key"}, {"file": "/key", "mode": "0644"}, {"podman_secret": "a", "file": "/key"}, {"environment": "KEY"}])
def test_a_key_goes_to_a_podman_secret_or_to_a_file_that_its_owner_alone_may_read(place):
    key = json.loads((CATALOG / "schemas/app.schema.json").read_text(encoding="utf-8"))["properties"]["service_keys"]["additionalProperties"]
    validator = Draft202012Validator(key["properties"]["goes_to"])
    assert not validator.is_valid(place)
    assert validator.is_valid({"podman_secret": "scribe_key"})
    assert validator.is_valid({"file": "/srv/scribe/key", "owner": "70"})


# --- privacy ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", APPS)
def test_an_app_has_privacy_switches_or_a_reason_to_need_none(name):
    assert bool(app(name)["privacy"]) != (name in CALLS_NOBODY)


@pytest.mark.parametrize("name", [name for name in APPS if app(name)["privacy"]])
def test_the_role_takes_its_privacy_switches_from_the_catalogue(name):
    assert f"lookup('psw.ai.app', '{name}').privacy" in role_text(name)


@pytest.mark.parametrize("switch", ["OLLAMA_NO_CLOUD", "OLLAMA_NOHISTORY"])
def test_the_engine_keeps_to_itself(switch):
    assert app("ollama")["privacy"][switch] == "1"


@pytest.mark.parametrize(
    ("switch", "value"),
    [
        ("OFFLINE_MODE", "true"),
        ("ENABLE_PERSISTENT_CONFIG", "false"),
        ("ENABLE_SIGNUP", "false"),
        ("ENABLE_DIRECT_CONNECTIONS", "false"),
        ("ENABLE_COMMUNITY_SHARING", "false"),
        ("ENABLE_VERSION_UPDATE_CHECK", "false"),
        ("ANONYMIZED_TELEMETRY", "false"),
        ("HF_HUB_OFFLINE", "1"),
    ],
)
def test_the_chat_keeps_to_the_house(switch, value):
    assert app("openwebui")["privacy"][switch] == value


# --- stacks, images, models ------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", sorted(load("stacks.yml")["stacks"]))
def test_a_stack_is_built_exactly_if_all_its_apps_are(name):
    stack = load("stacks.yml")["stacks"][name]
    assert stack.get("built", True) == (set(stack["apps"]) <= set(APPS))


def test_every_pinned_image_is_used():
    assert set(load("images.yml")["images"]) == {image for name in APPS for image in app(name)["images"]}


def test_no_image_version_stands_anywhere_else():
    pins = {f"{image['name']}:" for image in load("images.yml")["images"].values()}
    shipped = [file for part in ("roles", "plugins", "playbooks") for file in (REPO / part).rglob("*") if file.suffix in {".yml", ".j2", ".py"}]
    found = [(str(file.relative_to(REPO)), pin) for file in shipped for pin in pins if pin in file.read_text(encoding="utf-8")]
    assert [(file, pin) for file, pin in found if not file.startswith(("plugins/modules/", "plugins/lookup/"))] == []  # examples in manuals


def test_starter_models_are_known():
    assert set(load("models.yml")["starter"]) <= set(load("models.yml")["models"])


def test_a_circle_or_an_unknown_need_would_show_here():
    catalog = Catalog.load()
    assert [name for name, _ in catalog.expand(APPS)] != []
