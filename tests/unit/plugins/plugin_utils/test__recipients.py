# SPDX-License-Identifier: GPL-3.0-or-later
"""Who can read the secrets, with the real sops."""

import shutil

import pytest
import yaml
from ansible_collections.psw.ai.plugins.plugin_utils import _age, _recipients, _sops
from ansible_collections.psw.ai.plugins.plugin_utils._errors import PswError, SecretsError
from ansible_collections.psw.ai.plugins.plugin_utils._recipients import add_recipient
from ansible_collections.psw.ai.plugins.plugin_utils._secrets import Secrets
from pyrage import x25519


@pytest.fixture
def secrets(project):
    secrets = Secrets(project)
    secrets.set("probe", "key", "sk-0123")
    return secrets


@pytest.fixture
def ann():
    return x25519.Identity.generate()


@pytest.fixture
def rules(project):
    return project.path / ".sops.yaml"


def snapshot(secrets):
    return {file.name: file.read_bytes() for file in (secrets.file, secrets.project.path / ".sops.yaml")}


def test_a_new_reader_reads_and_the_old_one_still_does(secrets, ann, monkeypatch):
    assert add_recipient(secrets, str(ann.to_public()), "Ann")
    assert secrets.get("probe", "key") == "sk-0123"
    _age.identity_file().unlink()
    monkeypatch.setenv("SOPS_AGE_KEY", str(ann))
    assert secrets.get("probe", "key") == "sk-0123"


def test_a_new_reader_changes_no_value_and_not_the_seal(secrets, ann):
    before = yaml.safe_load(secrets.file.read_text())
    add_recipient(secrets, str(ann.to_public()))
    after = yaml.safe_load(secrets.file.read_text())
    assert (after["apps"], after["sops"]["mac"]) == (before["apps"], before["sops"]["mac"])


def test_the_rules_gain_one_line_with_the_owners_name(secrets, ann, rules):
    before = rules.read_text()
    add_recipient(secrets, str(ann.to_public()), "Ann's laptop")
    assert rules.read_text() == before + f"      - {ann.to_public()} # Ann's laptop\n"


def test_who_can_read_already_is_not_added_again(secrets, ann):
    assert add_recipient(secrets, str(ann.to_public()))
    before = snapshot(secrets)
    assert not add_recipient(secrets, str(ann.to_public()))
    assert snapshot(secrets) == before


def test_before_there_are_secrets_the_rules_are_enough(project, ann):
    secrets = Secrets(project)
    assert add_recipient(secrets, str(ann.to_public()))
    assert not secrets.file.exists()
    secrets.set("probe", "key", "sk-0123")
    assert secrets.sealed.recipients() == [*_age.recipients(), str(ann.to_public())]


@pytest.mark.parametrize("rewritten", [".sops.yaml", "apps.yml"])
def test_what_was_killed_between_the_two_files_is_made_good_by_the_next_time(secrets, ann, rules, rewritten):
    before = snapshot(secrets)
    add_recipient(secrets, str(ann.to_public()))
    after = snapshot(secrets)
    for file in (rules, secrets.file):
        file.write_bytes((after if file.name == rewritten else before)[file.name])
    assert add_recipient(secrets, str(ann.to_public()))
    assert (str(ann.to_public()) in rules.read_text(), str(ann.to_public()) in secrets.sealed.recipients()) == (True, True)


def test_keys_in_one_text_as_older_projects_have_them_stay_readable_for_sops(secrets, ann, rules):
    rules.write_text(f"creation_rules:\n  - path_regex: secrets/.*\n    unencrypted_regex: ^schema$\n    age: >-\n      {_age.recipients()[0]}\n")
    assert add_recipient(secrets, str(ann.to_public()))
    assert secrets.sealed.recipients() == [*_age.recipients(), str(ann.to_public())]
    secrets.rekey()


def test_who_was_taken_out_cannot_read_after_rekeying(secrets, ann, rules, monkeypatch):
    before = rules.read_text()
    add_recipient(secrets, str(ann.to_public()))
    rules.write_text(before)
    secrets.rekey()
    _age.identity_file().unlink()
    monkeypatch.setenv("SOPS_AGE_KEY", str(ann))
    with pytest.raises(SecretsError, match="was encrypted for another age identity than yours"):
        secrets.read()


def refused(secrets, key):
    before = snapshot(secrets)
    with pytest.raises(PswError) as caught:
        add_recipient(secrets, key)
    assert snapshot(secrets) == before
    assert not (secrets.project.path / ".psw/recipients").exists()
    return str(caught.value)


def test_the_secret_half_of_a_key_is_refused_and_not_repeated(secrets, ann):
    message = refused(secrets, str(ann))
    assert message == "this is the secret half of an age key, which stays with its owner; ask for the public half: it begins with age1"


@pytest.mark.parametrize("key", ["age1nobody", "ann", "", "ssh-ed25519 AAAA"])
def test_what_is_no_key_is_refused(secrets, key):
    assert refused(secrets, key).startswith(f"{key!r} is no age public key; it begins with age1")


@pytest.mark.parametrize("text", ["creation_rules: []\n", "creation_rules: [{path_regex: other, age: [x]}]\n", "creation_rules: [{pgp: ABC}]\n", "a: b\n"])
def test_rules_that_psw_cannot_add_to_are_left_to_the_user(secrets, ann, rules, text):
    rules.write_text(text)
    assert refused(secrets, str(ann.to_public())) == (
        ".sops.yaml has no rule with age keys for secrets/apps.yml that psw could add to; add the key by hand, then run: psw secrets rekey"
    )


def test_rules_with_an_unfinished_merge_are_named(secrets, ann, rules):
    rules.write_text("<<<<<<< HEAD\n" + rules.read_text())
    assert refused(secrets, str(ann.to_public())).startswith(".sops.yaml:1: an unfinished merge")


def test_without_rules_the_error_names_the_file(secrets, ann, rules, monkeypatch):
    rules.unlink()
    with pytest.raises(SecretsError, match=r"cannot read \.sops\.yaml: no such file or directory"):
        add_recipient(secrets, str(ann.to_public()))


def test_who_cannot_read_the_secrets_lets_nobody_in(secrets, ann):
    _age.identity_file().unlink()
    _age.make_identity()
    assert "was encrypted for another age identity than yours" in refused(secrets, str(ann.to_public()))


def test_rules_that_would_lock_the_user_out_are_not_taken_over(secrets, ann, rules):
    rules.write_text(f"creation_rules: [{{path_regex: secrets, age: [{x25519.Identity.generate().to_public()}]}}]\n")
    assert "was encrypted for another age identity" in refused(secrets, str(ann.to_public()))


def test_a_full_disk_changes_nothing(secrets, ann, monkeypatch):
    def full(*_args, **_options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(_recipients, "write_atomic", full)
    assert "the disk is full" in refused(secrets, str(ann.to_public()))


def test_what_a_killed_psw_left_does_not_stand_in_the_way(secrets, ann):
    left = secrets.project.path / ".psw/recipients/secrets"
    left.mkdir(parents=True)
    shutil.copy(secrets.file, left / "apps.yml")
    assert add_recipient(secrets, str(ann.to_public()))
    assert not left.exists()


def test_a_key_that_sops_ignored_is_noticed(secrets, ann, monkeypatch):
    monkeypatch.setattr(_sops, "follow_rules", lambda *_: None)
    assert refused(secrets, str(ann.to_public())).startswith("sops did not take the key from .sops.yaml; nothing was changed")
