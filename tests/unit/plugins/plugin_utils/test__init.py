# SPDX-License-Identifier: GPL-3.0-or-later
"""`psw init`: the first thing a user sees."""

import stat
import subprocess
from pathlib import Path

import pytest
from ansible_collections.psw.ai.plugins.plugin_utils import _age, _init, _sops
from ansible_collections.psw.ai.plugins.plugin_utils._errors import ProjectError, PswError, SecretsError
from ansible_collections.psw.ai.plugins.plugin_utils._project import Project, init_project


def error(*args):
    with pytest.raises(PswError) as caught:
        init_project(*args)
    return str(caught.value)


def test_a_project_holds_what_it_needs_and_nothing_else(tmp_path):
    created = init_project(tmp_path / "home", "home.example")
    assert sorted(path.name for path in created.project.path.iterdir()) == [".gitignore", ".sops.yaml", "psw.yml"]


def test_the_new_project_opens_with_its_domain_and_the_defaults(tmp_path):
    init_project(tmp_path / "home", "home.example")
    wishes = Project.open(tmp_path / "home").wishes
    assert (wishes["domain"], wishes["sso"], wishes["apps"]) == ("home.example", {"mode": "local"}, [])


def test_state_stays_out_of_git(tmp_path):
    init_project(tmp_path, "home.example")
    assert (tmp_path / ".gitignore").read_text() == ".psw/\n.*.tmp\n"


def test_what_the_user_ignores_already_stays_ignored(tmp_path):
    (tmp_path / ".gitignore").write_text("*.bak")
    init_project(tmp_path, "home.example")
    assert (tmp_path / ".gitignore").read_text() == "*.bak\n.psw/\n.*.tmp\n"


def test_an_age_identity_is_made_where_sops_looks_and_is_closed_to_others(tmp_path, home):
    created = init_project(tmp_path / "home", "home.example")
    file = home / ".config/sops/age/keys.txt"
    assert (created.identity_is_new, created.identity_file) == (True, file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [stat.S_IMODE(parent.stat().st_mode) for parent in (file.parent, file.parent.parent)] == [0o700, 0o700]


def test_an_identity_that_is_there_is_used(tmp_path):
    first = init_project(tmp_path / "one", "home.example")
    text = first.identity_file.read_bytes()
    second = init_project(tmp_path / "two", "home.example")
    assert (second.identity_is_new, second.recipients) == (False, first.recipients)
    assert first.identity_file.read_bytes() == text


def test_the_identity_is_made_in_the_file_that_the_user_named(tmp_path, monkeypatch):
    monkeypatch.setenv("SOPS_AGE_KEY_FILE", str(tmp_path / "keys/mine.txt"))
    assert init_project(tmp_path / "home", "home.example").identity_file == tmp_path / "keys/mine.txt"
    assert (tmp_path / "keys/mine.txt").exists()


def test_an_identity_in_the_environment_is_used(tmp_path, home, monkeypatch):
    public = _age.make_identity()
    monkeypatch.setenv("SOPS_AGE_KEY", _age.identity_file().read_text())
    _age.identity_file().unlink()
    created = init_project(tmp_path / "home", "home.example")
    assert (created.recipients, created.identity_is_new, list(home.rglob("keys.txt"))) == ([public], False, [])


def test_a_damaged_identity_is_an_error_and_not_replaced(tmp_path, home):
    file = home / ".config/sops/age/keys.txt"
    file.parent.mkdir(parents=True)
    file.write_text("AGE-SECRET-KEY-1BROKEN\n")
    assert error(tmp_path / "home", "home.example") == f"an age identity in {file} is damaged, or of a kind psw does not know; make one with: age-keygen"
    assert file.read_text() == "AGE-SECRET-KEY-1BROKEN\n"


@pytest.mark.parametrize("text", ["AGE-PLUGIN-YUBIKEY-1QQPQYQSZQGP\n", "a note to myself"])
def test_a_file_with_anything_but_age_identities_is_not_written_over(tmp_path, home, text):
    file = home / ".config/sops/age/keys.txt"
    file.parent.mkdir(parents=True)
    file.write_text(text)
    assert error(tmp_path / "new", "home.example") == (
        f"{file} holds no age identity that psw can use, and psw does not write over it; "
        f"add one with: age-keygen >> {file}, or name another file in SOPS_AGE_KEY_FILE"
    )
    assert (file.read_text(), list(tmp_path.iterdir())) == (text, [])


def test_comments_in_the_file_for_identities_stay(tmp_path, home):
    file = home / ".config/sops/age/keys.txt"
    file.parent.mkdir(parents=True)
    file.write_text("# mine")
    created = init_project(tmp_path / "new", "home.example")
    assert file.read_text().startswith(f"# mine\n# public key: {created.recipients[0]}\nAGE-SECRET-KEY-1")


def test_an_identity_that_cannot_be_written_is_an_error_and_no_project(tmp_path, monkeypatch):
    monkeypatch.setenv("SOPS_AGE_KEY_FILE", "/proc/nowhere/keys.txt")
    assert error(tmp_path / "new", "home.example").startswith("cannot write /proc/nowhere, it is as it was; ")
    assert list(tmp_path.iterdir()) == []


def test_a_project_that_cannot_be_made_leaves_no_identity_of_which_nobody_was_told(tmp_path, home):
    assert error("/proc/nowhere", "home.example").startswith("cannot write /proc/nowhere, it is as it was; ")
    assert list(home.iterdir()) == []


def test_a_gitignore_that_cannot_be_read_is_an_error_and_not_a_crash(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path(".gitignore").write_bytes(b"\xff\n")
    assert error(".", "home.example") == ".gitignore is not a text file in UTF-8"
    Path(".gitignore").unlink()
    Path(".gitignore").mkdir()
    assert error(".", "home.example") == "cannot read .gitignore: is a directory"


def test_when_it_fails_midway_the_users_own_gitignore_is_as_it_was(tmp_path):
    (tmp_path / ".gitignore").write_text("*.bak")
    (tmp_path / ".sops.yaml").symlink_to("/proc/nowhere/rules")
    assert error(tmp_path, "home.example").startswith(f"cannot write {tmp_path}/.sops.yaml, ")
    assert (tmp_path / ".gitignore").read_text() == "*.bak"


def test_the_real_sops_encrypts_for_the_new_project(tmp_path):
    project = init_project(tmp_path / "my home", "home.example").project
    done = subprocess.run(
        [_sops.program(), "encrypt", "--filename-override", project.path / "secrets/apps.yml", "/dev/stdin"],
        input="schema: 1\nkey: secret\n",
        cwd=project.path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "schema: 1\n" in done.stdout
    assert "secret" not in done.stdout


def test_a_directory_that_is_a_project_is_left_alone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("home").mkdir()
    Path("home/psw.yml").write_text("mine")
    assert error("home", "home.example") == "home is a psw project already: it has a psw.yml"
    assert Path("home/psw.yml").read_text() == "mine"


@pytest.mark.parametrize("domain", ["home", "Home.Example", "home_.example", "-a.example", "a: b.example", "a..b", "", "home.example\n", f"{'a' * 64}.example"])
def test_a_domain_that_cannot_be_is_refused_before_anything_is_made(tmp_path, home, domain):
    assert error(tmp_path / "new", domain) == f"the domain must be a domain in small letters, such as home.example, not {domain!r}"
    assert (list(tmp_path.iterdir()), list(home.iterdir())) == ([], [])


def test_a_file_in_the_place_of_the_directory_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("home").write_text("")
    assert error("home", "home.example") == "home is a file, not a directory"


def test_when_it_fails_midway_nothing_of_it_is_left(tmp_path, monkeypatch):
    def full(path, text, **_):
        if path.name == "psw.yml":
            raise PswError("cannot write psw.yml, it is as it was", "the disk is full")
        path.write_text(text)

    monkeypatch.setattr(_init, "write_atomic", full)
    assert error(tmp_path / "deep/new", "home.example") == "cannot write psw.yml, it is as it was; the disk is full"
    assert list(tmp_path.iterdir()) == []


def test_sops_rules_of_the_user_stay(tmp_path):
    (tmp_path / ".sops.yaml").write_text("creation_rules: []\n")
    init_project(tmp_path, "home.example")
    assert (tmp_path / ".sops.yaml").read_text() == "creation_rules: []\n"


def test_these_errors_are_of_their_kinds(tmp_path):
    with pytest.raises(ProjectError):
        init_project(tmp_path, "home")
    assert issubclass(SecretsError, PswError)
