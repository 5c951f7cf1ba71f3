# SPDX-License-Identifier: GPL-3.0-or-later
"""Images that do not come."""

import os
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from ansible_collections.psw.ai.plugins.module_utils import _progress, _pull
from ansible_collections.psw.ai.plugins.module_utils._errors import PswModuleError

IMAGE = "ghcr.io/psw/x:1"
WORDS = [
    ("writing blob: storing blob to file: write /var/tmp/x: no space left on device", "disk is full"),
    ("reading manifest 404 in ghcr.io/psw/x: manifest unknown", "ghcr.io has no such image: correct its name or tag"),
    ("reading manifest 1: unauthorized: authentication required", "podman login ghcr.io"),
    ("requested access to the resource is denied", "podman login ghcr.io"),
    ("toomanyrequests: You have reached your pull rate limit", "ghcr.io gives no more for now: wait, or name a mirror of it (registries.mirrors in psw.yml"),
    ("tls: failed to verify certificate: x509: certificate signed by unknown authority", "insecure: true"),
    ('short-name "x" did not resolve to an alias', "full name, with the registry first"),
    ("dial tcp 192.0.2.1:443: connect: connection refused", "ghcr.io cannot be reached from the target"),
    ("nothing came for 180 s", "ghcr.io cannot be reached from the target, or broke off"),
]


@pytest.fixture
def podman(tmp_path, monkeypatch):
    """Return a function that puts a program in podman's place; what it does first is done before anybody looks."""
    calls = tmp_path / "calls"
    calls.touch()
    start = _pull.start

    def begun(argv):
        before, process = calls.read_text(), start(argv)
        while calls.read_text() == before:
            assert process.poll() is None
        return process

    def put(script, first=":"):
        (tmp_path / "podman").write_text(f"#!/bin/sh\n{first}\necho x >>{calls}\n{script}\n")
        (tmp_path / "podman").chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
        monkeypatch.setattr(_pull, "_LOOK", 0.05)
        monkeypatch.setattr(_pull, "start", begun)
        return calls

    return put


@pytest.fixture
def told(monkeypatch, tmp_path):
    """What was said of the progress, line by line, in a file."""
    monkeypatch.setattr(_pull, "_LAYERS", str(tmp_path))
    monkeypatch.setattr(_progress, "PATH", str(tmp_path / "progress"))
    (tmp_path / "told").touch()

    def write(line):
        with (tmp_path / "told").open("a") as stream:
            stream.write(f"{line}\n")

    monkeypatch.setattr(_progress, "_write", write)
    return tmp_path / "told"


@pytest.mark.parametrize(("said", "advised"), WORDS)
def test_what_to_do_follows_from_what_podman_said(said, advised):
    assert advised in _pull.advice(IMAGE, said)


def test_a_pull_that_fails_names_the_image_and_the_way_out(podman):
    calls = podman("echo 'Error: reading manifest 1: manifest unknown' >&2; exit 125")
    with pytest.raises(PswModuleError, match=r"image ghcr.io/psw/x:1 cannot be pulled: Error: .*manifest unknown\nNothing else was changed\. ghcr.io has no"):
        _pull.pull(IMAGE)
    assert calls.read_text() == "x\n"


def test_a_pull_that_brings_nothing_is_ended_and_tried_again(podman):
    calls = podman("exec sleep 60")
    began = time.monotonic()
    with pytest.raises(PswModuleError, match=r"nothing came for 0\.2 s"):
        _pull.pull(IMAGE, stall=0.2)
    assert time.monotonic() - began < 60, "each was waited for until its own end"
    assert calls.read_text() == "x\n" * _pull.ATTEMPTS


def test_a_pull_says_how_much_has_come(podman, told, tmp_path):
    folder = tmp_path / "container_images_storage123"
    await_line = f"until grep -q '%s MiB' {told}; do sleep 0.02; done"
    podman(f"{await_line % 300}; truncate -s 200M {folder}/2; {await_line % 500}", first=f"mkdir {folder}; truncate -s 300M {folder}/1")
    _pull.pull(IMAGE)
    assert told.read_text().splitlines() == [f"{IMAGE}: 300 MiB so far", f"{IMAGE}: 500 MiB so far"]


def test_what_dead_pulls_left_is_not_counted_and_that_of_one_ended_here_is_removed(podman, told, tmp_path):
    old, other = tmp_path / "container_images_storage1", tmp_path / "elsewhere"
    for folder in (old, other):
        folder.mkdir()
        with (folder / "1").open("wb") as layer:
            layer.truncate(300 << 20)
    podman("exec sleep 60", first=f"new=$(mktemp -d {tmp_path}/container_images_storageXXXXXX); truncate -s 20M $new/1")
    with pytest.raises(PswModuleError, match="nothing came"):
        _pull.pull(IMAGE, stall=0.5)
    assert set(told.read_text().splitlines()) == {f"{IMAGE}: 20 MiB so far"}
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_dir()) == ["container_images_storage1", "elsewhere"]


def test_a_pull_that_comes_slowly_is_left_alone(podman, monkeypatch, tmp_path):
    """However long it takes: here a second passes with each look at the clock."""
    looks = iter(range(1, 1000))

    def moved(_pid):
        look = next(looks)
        if look == 20:
            (tmp_path / "all").touch()
        return look * 100_000

    monkeypatch.setattr(_pull, "_moved", moved)
    monkeypatch.setattr(_pull, "time", SimpleNamespace(monotonic=iter(range(10_000)).__next__))
    calls = podman(f"until test -e {tmp_path}/all; do sleep 0.02; done")
    _pull.pull(IMAGE, stall=3)
    assert calls.read_text() == "x\n"
    assert next(looks) > 20


def test_what_a_program_reads_is_seen_from_outside():
    before = _pull._moved(os.getpid())
    with Path("/dev/zero").open("rb") as stream:
        stream.read(1_000_000)
    assert _pull._moved(os.getpid()) - before >= 1_000_000
    assert _pull._moved(0) == 0
