# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A repository's key is trusted only when it is the pinned one, and alone; gpg made the keys and told their fingerprints."""

from pathlib import Path

import pytest
from ansible_collections.psw.ai.plugins.module_utils import _apt_keys
from ansible_collections.psw.ai.plugins.module_utils._errors import PswModuleError
from ansible_collections.psw.ai.plugins.module_utils._openpgp import fingerprints

KEYS = Path(__file__).parent / "fixtures/openpgp"
ONE, OTHER = "0971D76963B74F8243F21A843AA7F82217A71936", "7D7BFF37B56814857F6012813BE7372D783B1B8C"


def text(name):
    return (KEYS / f"{name}.asc").read_text(encoding="ascii")


@pytest.mark.parametrize(("name", "expected"), [("one_key", [ONE]), ("another_key", [OTHER]), ("two_keys_in_one_block", [ONE, OTHER])])
def test_fingerprints_are_those_that_gpg_tells(name, expected):
    assert fingerprints(text(name)) == expected


@pytest.mark.parametrize(
    "garbage",
    [
        "",
        "<html>not found</html>",
        text("one_key")[: len(text("one_key")) // 2],
        text("one_key").replace("PUBLIC KEY", "PRIVATE KEY"),
        text("one_key") + "-----BEGIN PGP SIGNATURE-----\n\nabc\n",
        "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n////\n-----END PGP PUBLIC KEY BLOCK-----\n",
    ],
    ids=["nothing", "a web page", "half a key", "a private key", "a key and something else", "noise"],
)
def test_what_cannot_be_read_has_no_fingerprint(garbage):
    assert fingerprints(garbage) == []


def test_the_pinned_key_must_be_alone():
    assert _apt_keys.pinned(text("one_key"), ONE)
    assert not _apt_keys.pinned(text("two_keys_in_one_block"), ONE)
    assert not _apt_keys.pinned(text("one_key") + text("another_key"), ONE)


def test_a_fingerprint_may_be_written_as_people_write_it():
    assert _apt_keys.pinned(text("one_key"), " ".join(ONE[n : n + 4] for n in range(0, 40, 4)).lower())


def wish(tmp_path, fingerprint=ONE):
    served = tmp_path / "served.asc"
    return {"path": str(tmp_path / "keyrings/vendor.asc"), "url": served.as_uri(), "fingerprint": fingerprint}, served


def fetch_all(steps):
    for step in steps:
        _apt_keys.fetch(step)


@pytest.fixture(autouse=True)
def without_root(monkeypatch):
    monkeypatch.setattr("os.fchown", lambda *_args: None)


def test_a_key_is_downloaded_once(tmp_path):
    key, served = wish(tmp_path)
    served.write_text(text("one_key"), encoding="ascii")
    fetch_all(_apt_keys.plan([key]))
    served.unlink()
    assert _apt_keys.plan([key]) == []
    assert Path(key["path"]).read_text(encoding="ascii") == text("one_key")


def test_a_key_that_was_swapped_on_the_machine_is_replaced(tmp_path):
    key, served = wish(tmp_path)
    served.write_text(text("one_key"), encoding="ascii")
    Path(key["path"]).parent.mkdir()
    Path(key["path"]).write_text(text("another_key"), encoding="ascii")
    steps = _apt_keys.plan([key])
    assert [step.diff["before"] for step in steps] == ["another key\n"]
    fetch_all(steps)
    assert _apt_keys.plan([key]) == []


def test_a_key_that_is_not_the_pinned_one_is_refused_and_not_kept(tmp_path):
    key, served = wish(tmp_path)
    served.write_text(text("two_keys_in_one_block"), encoding="ascii")
    with pytest.raises(PswModuleError, match=f"wanted is {ONE}, found {ONE}, {OTHER}. Nothing is installed from there"):
        fetch_all(_apt_keys.plan([key]))
    assert not Path(key["path"]).exists()


def test_a_server_that_has_no_key_is_named(tmp_path):
    key, _served = wish(tmp_path)
    with pytest.raises(PswModuleError, match=r"cannot download file:.*served\.asc"):
        fetch_all(_apt_keys.plan([key]))
