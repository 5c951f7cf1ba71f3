# SPDX-License-Identifier: GPL-3.0-or-later
"""``psw key``, ``psw consumer`` and ``psw deploy reset``, with this machine as target and a podman that plays Open WebUI."""

import json
import os
import re
import subprocess
import sys

import pytest
from ansible_collections.psw.ai.plugins.plugin_utils import _sops

TARGETS = "schema: 1\ntargets:\n  psw-ai: {vmid: 100, address: 192.0.2.20}\n  psw-core: {vmid: 101, address: 192.0.2.21}\n"
# Keeps accounts and keys in a file, and answers as the program in the container does; what that really does is tested on real Open WebUIs.
PODMAN = f"""\
#!{sys.executable}
import ast, json, pathlib, re, sys, uuid
file = pathlib.Path(__file__).with_name("keys.json")
live = json.loads(file.read_text())
program = sys.stdin.read()
request = re.search(r"^request = (.*)$", program, re.MULTILINE)
answers, asked = [], {{"check": False}}
for wanted in json.loads(ast.literal_eval(request[1]))["consumers"] if request else []:
    asked, email, valid = json.loads(ast.literal_eval(request[1])), wanted["email"], live.get(wanted["email"]) == wanted["key"] != None
    state = asked["state"]
    answer = {{"consumer": wanted["consumer"], "status": "valid" if valid else "drift", "changed": False, "before": {{}}, "after": {{}}}}
    if state == "rotated" or (state == "present" and not valid):
        live[email] = answer["key"] = f"sk-{{uuid.uuid4().hex}}"
        answer.update(status="rotated" if wanted["key"] else "minted", changed=True)
    if state == "absent":
        answer.update(status="removed", changed=live.pop(email, None) is not None)
    if wanted["consumer"] == "doubtful" and "key" in answer:
        answer["doubt"] = "its new key is stored, and Open WebUI answers it with 403 instead of 200"
    if wanted["consumer"] == "broken":
        answer.pop("key", None)
        answer.update(status="failed", changed=False, error="Open WebUI's ORM broke off")
    answers.append(answer)
if not asked["check"]:
    file.write_text(json.dumps(live))
if not request and "broken usage" in live:
    sys.exit("no database")
usage = {{email: {{"created_at": 0, "last_used_at": None, "requests": 3, "tokens": 42}} for email in live}}
print("psw-answer:" + json.dumps({{"consumers": answers}} if request else {{"usage": usage}}))
"""


@pytest.fixture
def house(psw, project, tmp_path, monkeypatch, on_this_machine):
    """A deployed project; `house.live` reads the keys that its Open WebUI knows."""
    psw("init", tmp_path / "spare", "--domain", "home.example")  # makes the age identity
    (project / ".sops.yaml").write_text((tmp_path / "spare" / ".sops.yaml").read_text())
    psw("plan", "--write")
    (project / ".psw").mkdir(exist_ok=True)
    (project / ".psw/targets.yml").write_text(TARGETS)
    on_this_machine("psw-core", "psw-ai")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/podman").write_text(PODMAN)
    (tmp_path / "bin/podman").chmod(0o755)
    (tmp_path / "bin/keys.json").write_text("{}")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    return project


@pytest.fixture
def live(tmp_path):
    """Return the keys that Open WebUI knows, by account; or set them."""

    def keys(wanted=None):
        file = tmp_path / "bin/keys.json"
        if wanted is not None:
            file.write_text(json.dumps(wanted))
        return json.loads(file.read_text())

    return keys


def stored(project):
    """Return all stored secrets."""
    done = subprocess.run([_sops.program(), "decrypt", "--output-type", "json", project / "secrets/apps.yml"], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)["apps"]


def test_a_program_gets_a_key_and_is_told_once_how_to_use_it(psw, psw_json, house, live):
    answer = psw("consumer", "add", "my-script")

    assert answer.exit_code == 0, answer.stderr
    key = live()["psw-my-script@psw.local"]
    assert f"  export OPENAI_BASE_URL=https://chat.home.example/api\n  export OPENAI_API_KEY={key}\n" in answer.stdout
    assert stored(house) == {"my-script": {"my_script_openwebui_service_key": key}}
    assert "  my-script: {}\n" in (house / "psw.yml").read_text()
    logs = "".join(file.read_text() for file in (house / ".psw/runs").glob("*"))
    assert "Bring the keys into the wished state" in logs
    assert key not in logs + answer.stderr

    code, again = psw_json("consumer", "add", "my-script")
    assert (code, again["changed"], "key" in again) == (0, False, False)


def test_a_key_in_doubt_is_stored_and_shown_before_the_verb_fails(psw, psw_json, house, live):
    live({"broken usage": "not asked for"})

    answer = psw("consumer", "add", "doubtful")

    key = live()["psw-doubtful@psw.local"]
    assert answer.exit_code == 1
    assert f"  export OPENAI_API_KEY={key}\n" in answer.stdout
    assert "doubtful: its new key is stored, and Open WebUI answers it with 403 instead of 200" in answer.stderr
    assert key not in answer.stderr
    live({})
    code, told = psw_json("consumer", "add", "doubtful")
    assert (code, told["ok"], told["key"]) == (1, False, live()["psw-doubtful@psw.local"])


def test_what_is_new_is_stored_when_another_consumer_fails(psw, house, live):
    (house / "psw.yml").write_text((house / "psw.yml").read_text() + "consumers: {broken: {}, sound: {}}\n")

    answer = psw("deploy", "reset", "broken", "sound")

    assert answer.exit_code == 1
    assert "broken: Open WebUI's ORM broke off" in answer.stderr
    assert stored(house) == {"sound": {"sound_openwebui_service_key": live()["psw-sound@psw.local"]}}


def test_a_program_that_goes_leaves_nothing_behind(psw, house, live):
    psw("consumer", "add", "my-script")

    answer = psw("consumer", "remove", "my-script")

    assert answer.stdout == "removed my-script: its key gets 401 from now on\n"
    assert (live(), stored(house)) == ({}, {})
    assert "consumers: {}\n" in (house / "psw.yml").read_text()


@pytest.mark.parametrize("trouble", [("ansible_connection: local", "ansible_port: 1", 4), ("/usr/bin/python3", "/nowhere/python3", 1)])
def test_a_program_whose_key_could_not_be_taken_away_is_kept_in_mind_until_it_can_be(psw, house, live, edit, trouble):
    setting, wrong, code = trouble
    psw("consumer", "add", "leaked")
    edit("host_vars/psw-core.yml", setting, wrong)

    answer = psw("consumer", "remove", "leaked")

    assert answer.exit_code == code, answer.stderr
    assert "the key of leaked may still open the API; when this is mended: psw consumer remove leaked" in answer.stderr
    assert "  leaked: {}\n" in (house / "psw.yml").read_text()
    assert live()["psw-leaked@psw.local"] == stored(house)["leaked"]["leaked_openwebui_service_key"]
    edit("host_vars/psw-core.yml", wrong, setting)
    assert psw("consumer", "remove", "leaked").stdout == "removed leaked: its key gets 401 from now on\n"
    assert (live(), stored(house), "leaked" in (house / "psw.yml").read_text()) == ({}, {}, False)


def test_a_program_that_a_run_left_out_or_only_looked_at_keeps_its_key_and_its_place(psw, house, live):
    psw("consumer", "add", "leaked")

    left_out = psw("consumer", "remove", "leaked", "--", "--limit", "psw-ai")
    looked_at = psw("consumer", "remove", "leaked", "--", "--check")

    assert (left_out.exit_code, "Open WebUI was not asked about the keys" in left_out.stderr) == (1, True)
    assert "the key of leaked may still open the API" in left_out.stderr
    assert (looked_at.exit_code, looked_at.stdout) == (0, "would remove leaked and its key\n")
    assert live()["psw-leaked@psw.local"] == stored(house)["leaked"]["leaked_openwebui_service_key"]
    assert "  leaked: {}\n" in (house / "psw.yml").read_text()


@pytest.mark.parametrize("flag", ["--check", "-C", "-DC", "--che"])
def test_a_check_gives_no_key_and_writes_nothing(psw, psw_json, house, live, flag):
    psw("consumer", "add", "has-one")
    before = (live(), stored(house), (house / "psw.yml").read_text())

    code, told = psw_json("consumer", "add", "my-script", "--", flag)
    assert (code, told["changed"], "key" in told) == (0, True, False)
    assert psw_json("consumer", "add", "has-one", "--", flag)[1]["changed"] is False
    assert psw("deploy", "reset", "--", flag).stdout == "would give new keys to probe, has-one\n"
    assert psw("consumer", "remove", "has-one", "--", flag).stdout == "would remove has-one and its key\n"

    assert (live(), stored(house), (house / "psw.yml").read_text()) == before


def test_a_copy_of_the_project_without_notes_looks_after_the_same_keys(psw, psw_json, house, live):
    psw("consumer", "add", "leaked")
    (house / ".psw/targets.yml").unlink()  # host_vars name the machine here, as its node does in a house

    assert [key["state"] for key in psw_json("key", "list")[1]["keys"]] == ["missing", "valid"]
    assert psw("consumer", "remove", "leaked").stdout == "removed leaked: its key gets 401 from now on\n"
    assert (live(), stored(house)) == ({}, {})


@pytest.fixture
def bare(house, tmp_path, on_this_machine):
    """The same project, whose node says that it has no containers."""
    (house / ".psw/targets.yml").unlink()
    for name in ("psw-core", "psw-ai"):
        (house / "host_vars" / f"{name}.yml").unlink()
    on_this_machine("pve1")
    (tmp_path / "bin/pvesh").write_text("#!/bin/sh\necho []\n")
    (tmp_path / "bin/pvesh").chmod(0o755)
    return house


@pytest.mark.parametrize("verb", [("key", "list"), ("consumer", "add", "my-script"), ("deploy", "reset")])
def test_an_open_webui_that_is_planned_and_that_its_node_does_not_have_gives_no_keys(psw, bare, documented, verb):
    answer = psw(*verb)

    assert (answer.exit_code, documented(answer.stderr[answer.stderr.index("refused: ") :])) == (3, True), answer.stderr


def test_a_program_is_removed_with_what_is_stored_for_it_when_there_is_no_open_webui_any_more(psw, house, live, request):
    psw("consumer", "add", "my-script")
    request.getfixturevalue("bare")

    assert psw("consumer", "remove", "my-script", "--", "--check").stdout == "would remove my-script\n"
    assert list(stored(house)) == ["my-script"]
    assert psw("consumer", "remove", "my-script").stdout == "removed my-script; there is no Open WebUI to which it had a key\n"
    assert (stored(house), "my-script" in (house / "psw.yml").read_text()) == ({}, False)


def test_a_program_is_kept_in_mind_while_nobody_can_say_whether_there_is_an_open_webui(psw, house, live, edit, request):
    psw("consumer", "add", "leaked")
    request.getfixturevalue("bare")
    edit("host_vars/pve1.yml", "ansible_connection: local", "ansible_port: 1")

    answer = psw("consumer", "remove", "leaked")

    assert (answer.exit_code, "the key of leaked may still open the API" in answer.stderr) == (4, True), answer.stderr
    assert list(stored(house)) == ["leaked"]
    assert "  leaked: {}\n" in (house / "psw.yml").read_text()


def test_new_keys_come_one_by_one_or_all_at_once(psw, house, live):
    psw("consumer", "add", "one")
    psw("consumer", "add", "two")
    before = live()

    answer = psw("deploy", "reset", "one")
    after = live()

    assert answer.stdout.startswith(
        "new keys for one; the old ones get 401\nput the new ones into your own programs:\n  psw secrets show one.one_openwebui_service_key\n"
    )
    assert {email for email in after if after[email] != before[email]} == {"psw-one@psw.local"}
    assert stored(house)["one"] == {"one_openwebui_service_key": after["psw-one@psw.local"]}
    assert psw("deploy", "reset").stdout.startswith("new keys for probe, one, two; the old ones get 401\n")
    assert not set(live().values()) & set(after.values())


def test_the_list_says_which_keys_work_and_shows_none(psw, psw_json, house, live):
    psw("consumer", "add", "my-script")
    live({**live(), "psw-probe@psw.local": "sk-another"})

    answer = psw("key", "list")

    lines = [re.split(r"\s{2,}", line) for line in answer.stdout.splitlines()]
    assert lines[0] == ["CONSUMER", "ROLE", "KEY", "AGE", "LAST USED", "REQUESTS", "TOKENS"]
    assert [line[:3] for line in lines[1:]] == [["probe", "user", "changed"], ["my-script", "user", "valid"]]
    assert lines[2][4:] == ["-", "3", "42"]
    assert "sk-" not in answer.stdout
    live({})
    assert [key["state"] for key in psw_json("key", "list")[1]["keys"]] == ["missing", "missing"]


def test_consumers_are_listed_without_asking_anybody(psw, project):
    (project / "psw.yml").write_text((project / "psw.yml").read_text() + "consumers: {my-script: {role: admin}}\n")

    assert psw("consumer", "list").stdout == (
        "CONSUMER   APP        ROLE   ACCOUNT\n"
        "probe      openwebui  user   psw-probe@psw.local\n"
        "my-script  your own   admin  psw-my-script@psw.local\n"
    )  # fmt: skip


@pytest.mark.parametrize("verb", [("key", "list"), ("consumer", "add", "my-script"), ("deploy", "reset")])
def test_before_the_first_converge_there_are_no_keys(psw, project, documented, verb):
    before = (project / "psw.yml").read_text()

    answer = psw(*verb)

    assert (answer.exit_code, documented(answer.stderr)) == (3, True)
    assert (project / "psw.yml").read_text() == before


def test_a_program_that_never_had_a_key_can_be_removed(psw, project):
    (project / "psw.yml").write_text((project / "psw.yml").read_text() + "consumers: {my-script: {}}\n")

    assert psw("consumer", "remove", "my-script").stdout == "removed my-script; there is no Open WebUI to which it had a key\n"


def test_names_that_do_not_fit_are_explained(psw, house, documented):
    (house / "psw.yml").write_text((house / "psw.yml").read_text() + "consumers: {my-script: {}}\n")

    for verb in (
        ("deploy", "reset", "prob"),
        ("consumer", "remove", "my-scrip"),
        ("consumer", "add", "probe"),
        ("consumer", "add", "my-script", "--role", "admin"),
    ):
        answer = psw(*verb)
        assert (answer.exit_code, documented(answer.stderr)) == (2, True), answer.stderr


def test_removing_targets_is_refused_by_name(psw, house):
    answer = psw("deploy", "reset", "--destroy")

    assert (answer.exit_code, "psw deploy reset --destroy is not built yet" in answer.stderr) == (3, True)
