# SPDX-License-Identifier: GPL-3.0-or-later
"""What psw learned about its targets."""

import stat
from concurrent.futures import ProcessPoolExecutor

import pytest
from ansible_collections.psw.ai.plugins.plugin_utils import _targets


def test_a_target_is_noted_once(tmp_path):
    assert _targets.remember(tmp_path, "psw-ai", {"vmid": 101, "address": "192.0.2.31"})
    assert not _targets.remember(tmp_path, "psw-ai", {"vmid": 101, "address": "192.0.2.31"})
    assert _targets.read(tmp_path) == {"psw-ai": {"vmid": 101, "address": "192.0.2.31"}}


def test_what_is_not_said_again_stays_known(tmp_path):
    _targets.remember(tmp_path, "psw-ai", {"vmid": 101, "address": "192.0.2.31"})
    assert _targets.remember(tmp_path, "psw-ai", {"vmid": None, "address": "192.0.2.32"})
    assert _targets.read(tmp_path) == {"psw-ai": {"vmid": 101, "address": "192.0.2.32"}}


def test_when_only_looking_nothing_is_made(tmp_path):
    assert _targets.remember(tmp_path, "psw-ai", {"vmid": 101}, write=False)
    assert _targets.pin(tmp_path, "psw-ai", ["ssh-ed25519 AAA"], write=False)
    assert _targets.keep_ca(tmp_path, "PEM", write=False)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", ["{{{", "targets: [psw-ai]", "targets: {psw-ai: 192.0.2.20}"])
def test_a_cache_that_cannot_be_read_is_no_cache(tmp_path, text):
    (tmp_path / ".psw").mkdir()
    (tmp_path / ".psw/targets.yml").write_text(text)
    assert _targets.read(tmp_path) == {}


def test_host_keys_are_pinned_by_the_targets_name_and_without_comments(tmp_path):
    assert _targets.pin(tmp_path, "psw-ai", ["ssh-rsa BBB root@psw-ai", "ssh-ed25519 AAA root@psw-ai"])
    assert (tmp_path / ".psw/known_hosts").read_text() == "psw-ai ssh-ed25519 AAA\npsw-ai ssh-rsa BBB\n"
    assert stat.S_IMODE((tmp_path / ".psw/known_hosts").stat().st_mode) == 0o600


def test_the_same_host_keys_change_nothing_in_any_order(tmp_path):
    _targets.pin(tmp_path, "psw-ai", ["ssh-rsa BBB", "ssh-ed25519 AAA"])
    assert not _targets.pin(tmp_path, "psw-ai", ["ssh-ed25519 AAA x", "ssh-rsa BBB"])


def test_new_host_keys_replace_those_of_this_target_only(tmp_path):
    (tmp_path / ".psw").mkdir()
    (tmp_path / ".psw/known_hosts").write_text("192.0.2.10 ssh-ed25519 NODE\npsw-core ssh-ed25519 CORE\n")
    _targets.pin(tmp_path, "psw-ai", ["ssh-ed25519 OLD"])
    assert _targets.pin(tmp_path, "psw-ai", ["ssh-ed25519 NEW"])
    assert (tmp_path / ".psw/known_hosts").read_text() == "192.0.2.10 ssh-ed25519 NODE\npsw-core ssh-ed25519 CORE\npsw-ai ssh-ed25519 NEW\n"


def test_a_forgotten_target_leaves_no_trace(tmp_path):
    _targets.remember(tmp_path, "psw-ai", {"vmid": 101})
    _targets.pin(tmp_path, "psw-ai", ["ssh-ed25519 AAA"])
    assert _targets.forget(tmp_path, "psw-ai")
    assert not _targets.forget(tmp_path, "psw-ai")
    assert (_targets.read(tmp_path), (tmp_path / ".psw/known_hosts").read_text()) == ({}, "")


def test_the_ca_is_kept_once(tmp_path):
    assert _targets.keep_ca(tmp_path, "-----BEGIN CERTIFICATE-----\nAAA\n-----END CERTIFICATE-----")
    assert not _targets.keep_ca(tmp_path, "-----BEGIN CERTIFICATE-----\nAAA\n-----END CERTIFICATE-----\n\n")
    assert (tmp_path / ".psw/ca.crt").read_text().endswith("AAA\n-----END CERTIFICATE-----\n")


def note(arguments):
    path, number = arguments
    _targets.pin(path, f"t{number}", [f"ssh-ed25519 K{number}"])
    return _targets.remember(path, f"t{number}", {"vmid": number})


def test_workers_at_the_same_time_lose_nothing(tmp_path):
    with ProcessPoolExecutor(8) as workers:
        assert all(workers.map(note, [(tmp_path, number) for number in range(24)]))
    assert len(_targets.read(tmp_path)) == 24
    assert len((tmp_path / ".psw/known_hosts").read_text().splitlines()) == 24
