# SPDX-License-Identifier: GPL-3.0-or-later
"""`psw secrets`, with the real sops and editors that are small programs."""

from __future__ import annotations

import contextlib
import os
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
from ansible_collections.psw.ai.plugins.plugin_utils import _age
from ansible_collections.psw.ai.plugins.plugin_utils._project import init_project
from ansible_collections.psw.ai.plugins.plugin_utils._secrets import Secrets
from pyrage import x25519

from psw_cli import editor

VALUE = f"sk-a-secret-that-nobody-sees-{os.getpid()}"  # nor another run of these tests


@pytest.fixture
def secrets(tmp_path, monkeypatch):
    """A project with two secrets, in the current directory."""
    project = init_project(tmp_path / "my-home", "home.example").project
    monkeypatch.chdir(project.path)
    secrets = Secrets(project)
    secrets.set("postgres", "postgres_password", "first")
    secrets.set("probe", "token", VALUE)
    return secrets


@pytest.fixture
def edit_with(tmp_path, monkeypatch):
    """Make a shell script the user's editor; it gets the file as $1."""

    def use(script):
        program = tmp_path / "editor"
        program.write_text(f"#!/bin/sh\nset -e\n{script}\n")
        program.chmod(0o755)
        monkeypatch.setenv("EDITOR", str(program))
        for name in ("SOPS_EDITOR", "VISUAL", "XDG_RUNTIME_DIR"):
            monkeypatch.delenv(name, raising=False)

    return use


def left_in_memory():
    return list(Path("/dev/shm").glob(f"{editor.PREFIX}{os.getpid()}-*"))


# --- looking ---------------------------------------------------------------------------------------------------------
def test_list_names_the_secrets_without_opening_them(psw, psw_json, secrets):
    own = _age.recipients()
    _age.identity_file().unlink()
    assert psw("secrets", "list").stdout == "SECRET\npostgres.postgres_password\nprobe.token\n"
    assert psw_json("secrets", "list") == (0, {"ok": True, "secrets": ["postgres.postgres_password", "probe.token"], "recipients": own})


def test_list_of_a_new_project_says_when_there_will_be_some(psw, tmp_path, monkeypatch):
    monkeypatch.chdir(init_project(tmp_path / "new", "home.example").project.path)
    assert psw("secrets", "list").stdout == "there are no secrets yet: the first converge makes them\n"


def test_show_prints_the_value_alone(psw, psw_json, secrets):
    assert psw("secrets", "show", "probe.token").stdout == f"{VALUE}\n"
    assert psw_json("secrets", "show", "probe.token") == (0, {"ok": True, "app": "probe", "name": "token", "value": VALUE})


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("probe.tokn", "secrets/apps.yml: no secret called 'probe.tokn', did you mean 'probe.token'?"),
        ("probe", "'probe' does not name a secret\n  write APP.NAME, such as postgres.postgres_password"),
    ],
)
def test_show_of_what_is_not_there_names_what_was_meant(psw, secrets, documented, name, message):
    answer = psw("secrets", "show", name)
    assert (answer.exit_code, answer.stdout, answer.stderr) == (2, "", f"error: {message}\n")
    assert documented(answer.stderr)


@pytest.mark.parametrize(("typed", "offered"), [("pro", "plain,probe.token"), ("x", ""), ("", "plain,postgres.postgres_password\nplain,probe.token")])
def test_tab_offers_the_names_without_opening_the_secrets(psw, secrets, monkeypatch, typed, offered):
    _age.identity_file().unlink()
    for name, value in {"_PSW_COMPLETE": "bash_complete", "COMP_WORDS": f"psw secrets show {typed}", "COMP_CWORD": "3"}.items():
        monkeypatch.setenv(name, value)
    assert psw(prog_name="psw").stdout.strip() == offered


def test_tab_says_nothing_about_a_file_that_cannot_be_read(psw, secrets, monkeypatch):
    secrets.file.write_text("<<<<<<< HEAD\n")
    for name, value in {"_PSW_COMPLETE": "bash_complete", "COMP_WORDS": "psw secrets show p", "COMP_CWORD": "3"}.items():
        monkeypatch.setenv(name, value)
    answer = psw(prog_name="psw")
    assert (answer.stdout, answer.stderr) == ("\n", "")


# --- storing one -----------------------------------------------------------------------------------------------------
def test_set_reads_the_value_from_stdin_and_says_nothing_of_it(psw, secrets):
    answer = psw("secrets", "set", "mine.token", input="hunter2 with spaces \n")
    assert (answer.exit_code, answer.stdout, answer.stderr) == (0, "stored mine.token\n", "")
    assert secrets.get("mine", "token") == "hunter2 with spaces "


def test_set_of_the_same_value_changes_nothing(psw, secrets):
    before = secrets.file.read_bytes()
    assert psw("secrets", "set", "probe.token", input=VALUE).stdout == "nothing to do: it was there, with this value: probe.token\n"
    assert secrets.file.read_bytes() == before


def test_set_of_nothing_is_an_error(psw, secrets):
    answer = psw("secrets", "set", "mine.token", input="\n")
    assert (answer.exit_code, answer.stderr) == (2, "error: mine.token cannot be empty\n  nothing was written\n")


# --- editing ---------------------------------------------------------------------------------------------------------
def test_edit_changes_adds_and_forgets(psw, secrets, edit_with):
    edit_with("""sed -i -e 's/first/second/' -e '/^probe:/,$d' "$1"; printf 'mine:\\n  pin: 0123\\n' >> "$1" """)
    answer = psw("secrets", "edit")
    assert answer.exit_code == 0
    assert answer.stdout == "changed postgres.postgres_password\nforgot probe.token\nadded mine.pin\nnext: psw deploy converge\n"
    assert secrets.read() == {"postgres": {"postgres_password": "second"}, "mine": {"pin": "0123"}}


def test_edit_that_changes_nothing_writes_nothing(psw_json, secrets, edit_with):
    before = secrets.file.read_bytes()
    edit_with("true")
    assert psw_json("secrets", "edit") == (0, {"ok": True, "changed": False, "secrets": []})
    assert secrets.file.read_bytes() == before


def test_the_text_lies_in_memory_closed_to_others_and_is_gone_afterwards(psw, secrets, edit_with, tmp_path):
    edit_with(f"""stat --format '%a %U' "$1" "$(dirname "$1")" > {tmp_path}/seen; stat --file-system --format %T "$1" >> {tmp_path}/seen; pwd; echo noise""")
    assert psw("secrets", "edit").stdout == "nothing changed\n"
    me = Path(secrets.file).owner()
    assert (tmp_path / "seen").read_text().splitlines() == [f"600 {me}", f"700 {me}", "tmpfs"]
    assert left_in_memory() == []


@pytest.fixture
def failing(psw, secrets, edit_with):
    """Run an edit that changes nothing, whatever its editor does, and return what psw says."""

    def edit(script):
        before = secrets.file.read_bytes()
        edit_with(script)
        answer = psw("secrets", "edit")
        assert answer.stdout == ""
        assert secrets.file.read_bytes() == before
        assert left_in_memory() == []
        return answer

    return edit


def test_an_editor_that_fails_leaves_the_secrets_as_they_were(failing, tmp_path, documented):
    answer = failing("sed -i s/first/second/ $1; exit 1")
    assert (answer.exit_code, answer.stderr) == (1, f"error: the editor {tmp_path}/editor ended with exit code 1; nothing was written\n")
    assert documented(answer.stderr.replace(f"{tmp_path}/editor", "false"))


def test_a_slip_in_the_text_leaves_the_secrets_as_they_were(failing, documented):
    answer = failing("""printf 'probe:\\n  # mine\\n\\n  token:\\n' > "$1" """)
    assert (answer.exit_code, answer.stderr) == (2, "error: secrets.yml:4: probe.token has no value\n  give it one, or take out its line\n")
    assert documented(answer.stderr)


def test_an_editor_that_is_not_there_is_named(psw, secrets, monkeypatch, documented):
    monkeypatch.setenv("SOPS_EDITOR", "edlin --nowait")
    answer = psw("secrets", "edit")
    assert (answer.exit_code, answer.stderr) == (1, "error: cannot start the editor edlin: no such file or directory\n  name one in EDITOR\n")
    assert documented(answer.stderr)


def test_without_a_place_in_memory_edit_is_refused_before_an_editor_opens(failing, tmp_path, monkeypatch, documented):
    monkeypatch.setattr(editor, "IN_MEMORY", ())
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    answer = failing(f"touch {tmp_path}/opened")
    assert answer.exit_code == 3
    assert documented(answer.stderr)
    assert not (tmp_path / "opened").exists()


def test_a_runtime_directory_on_a_disk_is_passed_over(monkeypatch):
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/")
    with editor.private_directory() as place:
        assert place.parent == Path("/dev/shm")


def test_edit_cannot_be_seen_in_the_process_list(psw, secrets, edit_with, tmp_path):
    edit_with(f"cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n' > {tmp_path}/processes; sed -i s/first/third-value/ \"$1\"")
    psw("secrets", "edit")
    assert secrets.get("postgres", "postgres_password") == "third-value"
    assert VALUE not in (tmp_path / "processes").read_text(errors="replace")


@pytest.mark.parametrize("kill", ["-9", "-TERM", "-HUP"])
def test_a_killed_psw_leaves_no_text_behind(secrets, edit_with, tmp_path, kill):
    before = secrets.file.read_bytes()
    edit_with(f'grep -q {VALUE} "$1"; dirname "$1" > {tmp_path}/place.tmp; mv {tmp_path}/place.tmp {tmp_path}/place; exec sleep 300')
    # env: under nohup the tests' own children would ignore a hang-up.
    argv = ["env", "--default-signal=HUP", sys.executable, "-c", "from psw_cli.main import main; main()", "secrets", "edit"]
    with subprocess.Popen(argv, start_new_session=True) as process:
        place = Path(waited_for(lambda: (tmp_path / "place").read_text().strip()))
        assert stat.S_IMODE(place.stat().st_mode) == 0o700
        subprocess.run(["kill", kill, str(process.pid)], check=True)
        assert waited_for(lambda: not place.exists())
        subprocess.run(["kill", "--", f"-{process.pid}"], check=False)  # the editor, which outlives psw
    assert secrets.file.read_bytes() == before


def waited_for(answer, limit=120.0):
    deadline = time.monotonic() + limit
    while time.monotonic() < deadline:
        try:
            if found := answer():
                return found
        except FileNotFoundError:
            pass
        time.sleep(0.05)
    pytest.fail("waited in vain")


def test_what_a_crash_left_is_taken_away_and_what_another_psw_edits_is_not(secrets, monkeypatch, tmp_path):
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    dead = Path(f"/dev/shm/{editor.PREFIX}999999999-x")
    dead.mkdir(mode=0o700, exist_ok=True)
    with editor.private_directory() as first, editor.private_directory():
        assert (first.exists(), dead.exists()) == (True, False)
    assert left_in_memory() == []


def test_the_text_goes_also_when_its_guard_was_killed(psw, secrets, edit_with, monkeypatch):
    monkeypatch.setattr(editor, "GUARD", "exit 0")
    edit_with("true")
    assert psw("secrets", "edit").exit_code == 0
    assert left_in_memory() == []


def test_ctrl_c_is_the_editors(psw, secrets, edit_with):
    edit_with('kill -INT $PPID; sed -i s/first/second/ "$1"')
    assert psw("secrets", "edit").exit_code == 0
    assert secrets.get("postgres", "postgres_password") == "second"


# --- at a terminal ---------------------------------------------------------------------------------------------------
@pytest.fixture
def at_a_terminal():
    """Run psw at a terminal of its own, type the answers to what it asks, and return its exit code and all that was to be seen."""

    def run(*args, answers):
        ours, theirs = os.openpty()
        # setsid, so that the terminal is psw's own: what asks for passwords opens it by name.
        argv = ["setsid", "--ctty", "--wait", sys.executable, "-c", "from psw_cli.main import main; main()", *args]
        process = subprocess.Popen(argv, stdin=theirs, stdout=theirs, stderr=theirs)
        os.close(theirs)
        seen = ""
        for question, answer in answers:
            while question not in seen.rpartition("\n")[2]:
                seen += os.read(ours, 4096).decode()
            time.sleep(0.2)  # getpass drops what was typed before it turned the echo off
            os.write(ours, f"{answer}\n".encode())
            seen += os.read(ours, 1).decode()
        with contextlib.suppress(OSError):  # the end of a terminal is an error
            while piece := os.read(ours, 4096):
                seen += piece.decode()
        os.close(ours)
        return process.wait(timeout=30), seen.replace("\r\n", "\n")

    return run


def test_set_asks_twice_and_shows_nothing(at_a_terminal, secrets):
    code, seen = at_a_terminal("secrets", "set", "mine.token", answers=[("value of mine.token: ", "hunter2"), ("Repeat for confirmation: ", "hunter2")])
    assert (code, "hunter2" in seen) == (0, False)
    assert secrets.get("mine", "token") == "hunter2"


def test_after_a_slip_edit_opens_the_same_text_again(at_a_terminal, secrets, edit_with):
    edit_with("""grep -q second "$1" && sed -i 's/token: *$/token: third/' "$1" || sed -i -e s/first/second/ -e 's/token: .*/token:/' "$1" """)
    code, seen = at_a_terminal("secrets", "edit", answers=[("Edit again? [Y/n]: ", "")])
    assert code == 0
    assert "error: secrets.yml:6: probe.token has no value\n" in seen
    assert secrets.read() == {"postgres": {"postgres_password": "second"}, "probe": {"token": "third"}}


def test_after_a_slip_edit_can_be_given_up(at_a_terminal, secrets, edit_with):
    before = secrets.file.read_bytes()
    edit_with("""sed -i 's/token: .*/token:/' "$1" """)
    code, _seen = at_a_terminal("secrets", "edit", answers=[("Edit again? [Y/n]: ", "n")])
    assert (code, secrets.file.read_bytes()) == (2, before)


# --- readers ---------------------------------------------------------------------------------------------------------
def test_add_recipient_lets_somebody_in_once(psw, secrets):
    ann = x25519.Identity.generate().to_public()
    assert psw("secrets", "add-recipient", ann, "--name", "Ann").stdout == "added Ann\n"
    assert psw("secrets", "add-recipient", ann, "--name", "Ann").stdout == "nothing to add: Ann could read them\n"
    assert f"- {ann} # Ann\n" in (secrets.project.path / ".sops.yaml").read_text()


@pytest.mark.parametrize("key", ["age1nobody", str(x25519.Identity.generate())])
def test_add_recipient_of_what_is_no_public_key(psw, secrets, documented, key):
    answer = psw("secrets", "add-recipient", key)
    assert (answer.exit_code, answer.stdout) == (2, "")
    assert documented(answer.stderr)


def test_add_recipient_to_rules_of_another_form(psw, secrets, documented):
    (secrets.project.path / ".sops.yaml").write_text("creation_rules: [{pgp: ABC}]\n")
    answer = psw("secrets", "add-recipient", x25519.Identity.generate().to_public())
    assert answer.exit_code == 2
    assert documented(answer.stderr)


def test_rekey_says_who_can_read(psw, secrets):
    before = secrets.file.read_bytes()
    (own,) = _age.recipients()
    assert psw("secrets", "rekey").stdout == f"secrets/apps.yml is encrypted anew; 1 age key can open it:\n{own}\n"
    assert secrets.file.read_bytes() != before
    assert secrets.get("probe", "token") == VALUE
