# SPDX-License-Identifier: GPL-3.0-or-later
"""Models are stored as Ollama stores them, and a pull can be trusted."""

import hashlib

import pytest
from standin import store as stores
from standin.names import Name
from standin.store import UnknownModelError, pull

SMALL = Name.parse("smollm2:135m")
LATEST = Name.parse("smollm2")


def test_a_pull_says_what_ollama_says(store, library):
    lines = list(pull(store, library, SMALL))
    statuses = list(dict.fromkeys(line["status"] for line in lines))
    assert statuses[0] == "pulling manifest"
    assert all(status.startswith("pulling ") and len(status) == len("pulling ") + 12 for status in statuses[1:-3])
    assert statuses[-3:] == ["verifying sha256 digest", "writing manifest", "success"]


def test_a_pulled_model_lies_in_blobs_named_by_their_hash(store, library):
    list(pull(store, library, SMALL))
    assert (store.manifests / "registry.ollama.ai/library/smollm2/135m").is_file()
    for blob in store.blobs.iterdir():
        assert blob.name == f"sha256-{hashlib.sha256(blob.read_bytes()).hexdigest()}"


def test_the_digest_of_a_model_is_its_manifests(store, library):
    list(pull(store, library, SMALL))
    manifest = (store.manifests / SMALL.path).read_bytes()
    assert store.read(SMALL).facts()["digest"] == hashlib.sha256(manifest).hexdigest()


def test_an_unknown_model_ends_the_pull_after_its_first_line(store, library):
    lines = pull(store, library, Name.parse("nope"))
    assert next(lines) == {"status": "pulling manifest"}
    with pytest.raises(UnknownModelError, match="pull model manifest: file does not exist"):
        next(lines)


def test_an_aborted_pull_leaves_no_model_and_is_gone_on_with(store, library, monkeypatch):
    monkeypatch.setattr(stores, "_CHUNK", 1000)
    lines = pull(store, library, SMALL)
    while (line := next(lines)).get("completed", 0) < 2000:
        pass
    lines.close()
    with pytest.raises(UnknownModelError):
        store.read(SMALL)
    again = list(pull(store, library, SMALL))
    assert [each["completed"] for each in again if each.get("digest") == line["digest"] and "completed" in each] == [2000, 3000, 4000]
    assert again[-1] == {"status": "success"}


def test_damaged_weights_are_noticed_and_fetched_again_next_time(store, library):
    digest = library.read(SMALL).manifest["layers"][0]["digest"]
    good = library.blob(digest).read_bytes()
    library.blob(digest).write_bytes(b"BAD!" * 1000)
    with pytest.raises(UnknownModelError, match="digest mismatch"):
        list(pull(store, library, SMALL))
    library.blob(digest).write_bytes(good)
    assert list(pull(store, library, SMALL))[-1] == {"status": "success"}


def test_deleting_a_model_keeps_what_another_one_shares(store, library):
    for name in (SMALL, LATEST):
        list(pull(store, library, name))
    store.delete(SMALL)
    assert [str(model.name) for model in store.all()] == ["smollm2:latest"]
    assert store.read(LATEST).weights.exists()
    store.delete(LATEST)
    assert list(store.blobs.iterdir()) == []
