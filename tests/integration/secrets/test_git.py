# SPDX-License-Identifier: GPL-3.0-or-later
"""The secrets in git: a diff shows what changed and nothing else, and no version holds a value."""

import re
import subprocess

import pytest
from pyrage import x25519

from .conftest import VALUE

SEAL = "mac"  # over all values, so every change changes it; the time of the change may stay within the second


def git(*args):
    return subprocess.run(["git", *args], capture_output=True, text=True, check=True).stdout


@pytest.fixture
def commit(secrets):
    """Commit the project as it is."""
    git("init", "--quiet")
    git("config", "user.name", "me")
    git("config", "user.email", "me@home.example")

    def now():
        git("add", "--all")
        git("commit", "--quiet", "--message", "Now")

    now()
    return now


def keys(sign):
    """Return the keys of the lines that the diff adds (+) or takes away (-)."""
    found = re.findall(rf"^\{sign} +\"?(\w+)\"?:", git("diff", "--unified=0"), re.MULTILINE)
    return [key for key in found if key != "lastmodified"]


def test_a_changed_value_is_one_line_and_the_seal(secrets, commit):
    secrets.set("postgres", "postgres_password", "second")
    assert keys("+") == keys("-") == ["postgres_password", SEAL]


def test_a_new_secret_is_one_line_and_the_seal(secrets, commit):
    secrets.set("postgres", "other", "new")
    assert (keys("+"), keys("-")) == (["other", SEAL], [SEAL])


def test_a_secret_that_is_gone_is_one_line_and_the_seal(secrets, commit):
    secrets.remove("probe", "pin")
    assert (keys("+"), keys("-")) == ([SEAL], ["pin", SEAL])


def test_a_new_reader_is_one_more_line_of_the_rules_and_changes_no_value_and_no_seal(secrets, commit, psw):
    ann = x25519.Identity.generate().to_public()
    assert psw("secrets", "add-recipient", ann).wait() == 0
    assert git("diff", "--numstat", ".sops.yaml").split()[:2] == ["1", "0"]
    assert f"recipient: {ann}" in git("diff", "secrets")
    assert "ENC[" not in git("diff", "--unified=0", "secrets")


def test_what_git_merges_by_lines_is_noticed_and_named(secrets, commit, psw):
    git("checkout", "--quiet", "-b", "other")
    secrets.set("probe", "pin", "4567")
    commit()
    git("checkout", "--quiet", "-")
    secrets.set("postgres", "postgres_password", "second")
    commit()
    subprocess.run(["git", "merge", "--quiet", "other"], capture_output=True, check=False)
    before = secrets.file.read_bytes()
    said = psw("secrets", "show", "probe.pin", stderr=subprocess.PIPE).communicate()[1]
    assert re.match(r"error: secrets/apps\.yml:\d+: an unfinished merge \(<<<<<<<\)\n  take one side whole", said)
    assert secrets.file.read_bytes() == before


def test_no_version_in_git_holds_a_value(secrets, commit, psw):
    secrets.set("probe", "token", f"{VALUE}-2")
    assert psw("secrets", "rekey", stdout=subprocess.DEVNULL).wait() == 0
    commit()
    everything = git("log", "--patch", "--all", "--unified=999")
    assert "ENC[AES256_GCM" in everything
    assert VALUE not in everything
