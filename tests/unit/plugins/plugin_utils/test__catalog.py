# SPDX-License-Identifier: GPL-3.0-or-later
"""What the catalogue answers; the catalogue itself is tested in tests/unit/contract."""

import pytest
from ansible_collections.psw.ai.plugins.plugin_utils._catalog import Catalog, image
from ansible_collections.psw.ai.plugins.plugin_utils._errors import CatalogError, Refusal

CATALOG = Catalog(
    apps={
        "engine": {"target": "gpu"},
        "db": {"target": "core"},
        "door": {"target": "core", "runs_last": True},
        "chat": {"target": "core", "requires": ["engine", "db", "door"], "service_keys": {"probe": {"secret": "probe_key", "email": "p@psw.local"}}},
        "paper": {"target": "core", "requires": ["db"], "service_keys": {"paper": {"secret": "paper_key", "email": "q@psw.local", "role": "admin"}}},
    },
    stacks={
        "ai": {"summary": "chat", "apps": ["engine", "chat"]},
        "cctv": {"summary": "cameras", "apps": ["frigate"], "built": False},
    },
)


def error(work, kind=CatalogError):
    with pytest.raises(kind) as caught:
        work()
    return str(caught.value)


def test_what_an_app_needs_comes_before_it_with_the_reason():
    assert CATALOG.expand(["chat"]) == [
        ("engine", "needed by chat"),
        ("db", "needed by chat"),
        ("chat", "wished"),
        ("door", "needed by chat"),
    ]


def test_what_shows_the_others_runs_last():
    assert [name for name, _ in CATALOG.expand(["door", "chat", "paper"])] == ["engine", "db", "chat", "paper", "door"]


def test_a_wish_stays_a_wish_when_others_need_it_too():
    assert ("db", "wished") in CATALOG.expand(["chat", "db"])


def test_everyone_who_needs_an_app_is_named():
    assert ("db", "needed by chat, paper") in CATALOG.expand(["paper", "chat"])


def test_a_stack_is_its_apps():
    assert CATALOG.wished(["@ai", "engine", "db"]) == ["engine", "chat", "db"]


def test_an_unknown_app_is_named_with_the_one_that_was_meant():
    assert error(lambda: CATALOG.expand(["chaat"])) == "no app called 'chaat', did you mean 'chat'?"


def test_an_unknown_stack_is_named_with_the_one_that_was_meant():
    assert error(lambda: CATALOG.wished(["@ia"])) == "no stack called '@ia', did you mean '@ai'?"


def test_a_stack_that_is_not_built_yet_is_refused_by_name():
    assert error(lambda: CATALOG.wished(["@cctv"]), Refusal) == "the stack @cctv (cameras) is not built yet; psw runs: @ai"


def test_an_app_that_is_not_built_yet_is_refused_by_name():
    assert error(lambda: CATALOG.wished(["frigate"]), Refusal) == "the app frigate (stack @cctv) is not built yet; psw runs: chat, db, door, engine, paper"


def test_a_circle_in_the_catalogue_is_named():
    catalog = Catalog({"a": {"requires": ["b"]}, "b": {"requires": ["c"]}, "c": {"requires": ["b"]}}, {})
    assert error(lambda: catalog.expand(["a"])) == "the catalogue goes in circles: b needs c needs b"


def test_the_holders_of_service_keys_are_those_of_the_running_apps():
    assert CATALOG.consumers(["db", "paper", "chat"]) == [
        {"consumer": "probe", "secret": "probe_key", "email": "p@psw.local", "role": "user"},
        {"consumer": "paper", "secret": "paper_key", "email": "q@psw.local", "role": "admin"},
    ]


@pytest.fixture
def images(tmp_path):
    (tmp_path / "images.yml").write_text(
        "schema: 1\nimages:\n"
        "  caddy: {name: docker.io/library/caddy, tag: 2.11.4, digest: null}\n"
        f"  ollama: {{name: docker.io/ollama/ollama, tag: 0.32.15, digest: 'sha256:{'a' * 64}'}}\n"
    )
    return tmp_path


def test_an_image_is_its_name_and_tag(images):
    assert image("caddy", images) == "docker.io/library/caddy:2.11.4"


def test_a_pinned_digest_is_part_of_the_reference(images):
    assert image("ollama", images) == f"docker.io/ollama/ollama:0.32.15@sha256:{'a' * 64}"


def test_an_unknown_image_is_named_with_the_one_that_was_meant(images):
    assert error(lambda: image("cady", images)) == "no image called 'cady', did you mean 'caddy'? (catalog/images.yml)"


def test_the_catalogue_of_the_product_loads():
    catalog = Catalog.load()
    assert [name for name, _ in catalog.expand(["@ai"])] == ["ollama", "postgres", "openwebui", "caddy"]
    assert catalog.image("ollama").startswith("docker.io/ollama/ollama:")
