# SPDX-License-Identifier: GPL-3.0-or-later
"""The module's own part: what goes into the container, and what is made of the answer. The rest is in tests/integration/openwebui."""

import ast
import inspect
import json

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.psw.ai.plugins.module_utils import _openwebui_glance, _openwebui_keys, _openwebui_program, _openwebui_proof, _openwebui_usage
from ansible_collections.psw.ai.plugins.modules import openwebui_service_key

STORED = "sk-11111111111111111111111111111111"
NEW = "sk-22222222222222222222222222222222"


def answer(**change):
    consumer = {"consumer": "probe", "status": "valid", "changed": False, "before": {"key": "valid"}, "after": {"key": "valid"}}
    return "a banner\n" + _openwebui_program.MARK + json.dumps({"consumers": [{**consumer, **change}]}) + "\n"


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Call the module with a podman that keeps what it is given and says what it is told."""
    podman = tmp_path / "podman"
    lines = ["#!/bin/sh", f"cd {tmp_path}", 'echo "$@" >argv', "cat >stdin", "cat stderr >&2", "cat stdout", "exit $(cat rc)"]
    podman.write_text("\n".join(lines) + "\n")
    podman.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    def call(stdout="", stderr="", rc=0, **args):
        for name, text in (("stdout", stdout), ("stderr", stderr), ("rc", str(rc))):
            (tmp_path / name).write_text(text)
        whom = {} if "consumer" in args else {"consumers": [{"consumer": "probe", "key": STORED}]}
        with patch_module_args({**whom, **args}), pytest.raises(SystemExit):
            openwebui_service_key.main()
        return json.loads(capsys.readouterr().out)

    call.folder = tmp_path
    return call


def request_in(text):
    return json.loads(next(ast.literal_eval(item.value) for item in ast.parse(text).body if isinstance(item, ast.Assign)))


def test_key_and_code_go_in_on_stdin_and_the_command_line_is_always_the_same(run):
    run(answer())

    assert (run.folder / "argv").read_text() == "exec --interactive openwebui python -\n"
    text = (run.folder / "stdin").read_text()
    ast.parse(text)
    assert request_in(text)["consumers"] == [
        {"consumer": "probe", "email": "psw-probe@psw.local", "name": "psw: probe", "role": "user", "key": STORED},
    ]


def test_check_mode_is_passed_on(run):
    run(answer(), _ansible_check_mode=True)

    assert request_in((run.folder / "stdin").read_text())["check"] is True


def test_a_new_key_is_in_the_result_and_not_in_the_diff(run):
    result = run(answer(status="rotated", changed=True, key=NEW, before={"key": "not valid"}, after={"key": "new"}), _ansible_diff=True)

    assert result["consumers"] == [{"consumer": "probe", "changed": True, "status": "rotated", "key": NEW}]
    assert result["diff"] == {"before": 'probe: {"key": "not valid"}\n', "after": 'probe: {"key": "new"}\n'}


def test_the_stored_key_never_comes_back(run):
    assert STORED not in json.dumps(run(answer()))
    assert STORED not in json.dumps(run(stderr=f"a traceback with {STORED}", rc=1))


def test_what_open_webui_refuses_is_the_message(run):
    assert run(_openwebui_program.MARK + json.dumps({"error": "no account yet"}))["msg"] == "no account yet"


def test_a_container_that_does_not_answer_is_named_with_its_last_words(run):
    result = run(stderr="1\n2\n3\n4\n5\nError: no container with name or ID openwebui found\n", rc=125)

    assert result["msg"] == "the container openwebui did not answer (exit code 125): 2\n3\n4\n5\nError: no container with name or ID openwebui found"


def test_a_first_run_in_check_mode_foretells_the_keys(run):
    result = run(stderr="Error: no such container", rc=125, _ansible_check_mode=True)

    assert result["consumers"] == [{"consumer": "probe", "changed": True, "status": "minted"}]


def test_the_short_form_asks_for_one_consumer_and_has_its_key_on_top(run):
    result = run(answer(status="minted", changed=True, key=NEW), consumer="probe", role="admin", key=STORED)

    assert request_in((run.folder / "stdin").read_text())["consumers"] == [
        {"consumer": "probe", "email": "psw-probe@psw.local", "name": "psw: probe", "role": "admin", "key": STORED},
    ]
    assert (result["key"], result["status"]) == (NEW, "minted")
    run(answer(), consumer="probe", email="Probe@example.com")
    asked = request_in((run.folder / "stdin").read_text())["consumers"][0]
    assert (asked["email"], asked["role"], asked["key"]) == ("probe@example.com", "user", None)


def test_the_short_form_and_the_list_exclude_each_other(run):
    assert run(answer(), consumers=[{"consumer": "probe"}], role="admin")["msg"] == "parameters are mutually exclusive: consumers|role"
    assert run(answer(), consumers=None)["msg"] == "one of the following is required: consumers, consumer"


def test_one_that_failed_fails_the_task_and_the_keys_of_the_others_are_there(run):
    good = {"consumer": "probe", "status": "minted", "changed": True, "key": NEW, "before": {}, "after": {}}
    bad = {"consumer": "other", "status": "failed", "changed": False, "error": "it broke", "before": {}, "after": {}}

    result = run(_openwebui_program.MARK + json.dumps({"consumers": [good, bad]}))

    assert (result["failed"], result["changed"], result["msg"]) == (True, True, "other: it broke")
    assert [item.get("key") for item in result["consumers"]] == [NEW, None]


def test_all_parts_begin_their_answer_as_the_module_expects_it():
    assert {part.MARK for part in (_openwebui_glance, _openwebui_keys, _openwebui_usage)} == {_openwebui_program.MARK}


def test_the_script_never_sets_what_makes_the_image_move_its_data_away():
    code = "".join(ast.dump(ast.parse(inspect.getsource(part))) for part in (_openwebui_glance, _openwebui_keys, _openwebui_proof))

    assert "FROM_INIT_PY" not in code
