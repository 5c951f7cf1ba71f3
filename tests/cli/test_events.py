"""What psw makes of the events of a run, without running anything."""

from __future__ import annotations

import pytest

from psw_cli.events import Change, Run, reason


def task(kind, host="psw-core", stdout="", **data):
    return {"event": kind, "stdout": stdout, "event_data": {"host": host, "play": "Bring up the apps", "task": "Start it", **data}}


@pytest.fixture
def done():
    return []


@pytest.fixture
def run(done):
    return Run(on_done=lambda host, step: done.append((host, step.name, step.changed, step.failed)))


def test_a_step_ends_when_the_next_role_begins(run, done):
    run.handle(task("runner_on_start", role="container_host"))
    run.handle(task("runner_on_ok", role="container_host", res={"changed": True}))
    assert done == []
    run.handle(task("runner_on_start", role="openwebui"))
    assert done == [("psw-core", "container_host", True, False)]
    assert run.steps["psw-core"].name == "openwebui"


def test_hosts_go_their_own_way(run, done):
    run.handle(task("runner_on_start", host="psw-core", role="postgres"))
    run.handle(task("runner_on_start", host="psw-ai", role="ollama"))
    assert {host: step.name for host, step in run.steps.items()} == {"psw-core": "postgres", "psw-ai": "ollama"}
    assert done == []


def test_the_end_of_a_play_ends_every_step(run, done):
    run.handle(task("runner_on_start"))
    run.handle({"event": "playbook_on_play_start", "event_data": {"play": "Prove that it works"}})
    assert done == [("psw-core", "Bring up the apps", False, False)]


def test_what_a_play_does_between_its_roles_is_told_only_if_it_matters(run, done):
    for role in ("", "postgres", "", "openwebui", ""):
        run.handle(task("runner_on_start", role=role))
    run.handle(task("runner_on_ok", res={"changed": True}))
    run.handle({"event": "playbook_on_stats", "event_data": {}})
    assert done == [("psw-core", "postgres", False, False), ("psw-core", "openwebui", False, False), ("psw-core", "Bring up the apps", True, False)]


@pytest.mark.parametrize("role", ["", "lxc_target"])
def test_a_step_in_which_nothing_was_done_is_not_told(run, done, role):
    for _ in range(2):
        run.handle(task("runner_on_start", role=role))
        run.handle(task("runner_on_skipped", role=role))
    run.handle({"event": "playbook_on_stats", "event_data": {}})
    assert done == []


@pytest.mark.parametrize(
    ("kind", "res", "failed"), [("runner_on_ok", {}, False), ("runner_on_failed", {"refusal": {"code": "no_pool", "message": "none"}}, True)]
)
def test_a_step_in_which_one_thing_was_done_is_told(run, done, kind, res, failed):
    for end in ("runner_on_skipped", kind, "runner_on_skipped"):
        run.handle(task("runner_on_start"))
        run.handle(task(end, res=res))
    run.handle({"event": "playbook_on_stats", "event_data": {}})
    assert done == [("psw-core", "Bring up the apps", False, failed)]


def test_a_change_under_no_log_is_counted(run):
    run.handle(task("runner_on_ok", stdout="\x1b[0;33mchanged: [psw-core]\x1b[0m", res={"censored": "hidden"}))
    assert run.changes == [Change("psw-core", "", "Start it")]


def test_a_failing_loop_tells_why_its_item_failed(run):
    run.handle(task("runner_item_on_failed", res={"msg": "no space left"}))
    run.handle(task("runner_on_failed", res={"msg": "One or more items failed", "results": [{}]}))
    assert run.problems[0].reason == "no space left"


def test_a_machine_that_could_not_be_reached_and_need_not_be_is_no_problem(run):
    run.handle(task("runner_on_unreachable", stdout="fatal: [psw-ai -> pve1]: UNREACHABLE! => {}\r\n\x1b[0;36m...ignoring\x1b[0m", res={"msg": "no route"}))
    assert run.problems == []


def test_several_refusals_are_all_kept(run):
    refusals = [{"code": code, "message": code, "hint": ""} for code in ("no_pool", "no_gpu")]
    run.handle(task("runner_on_failed", res={"msg": "no", "refusals": refusals}))
    assert (run.problems[0].kind, run.problems[0].refusals) == ("refused", refusals)


def test_a_warning_is_kept_once_whoever_gives_it(run):
    for host in ("psw-ai", "psw-core"):
        run.handle(task("runner_on_ok", host=host, res={"warnings": ["psw-models is not on ZFS"]}))
    run.handle(task("runner_on_failed", res={"msg": "no", "warnings": ["the disk is nearly full"]}))
    assert run.warnings == ["psw-models is not on ZFS", "the disk is nearly full"]


def test_the_recap_counts_each_host(run):
    run.handle({"event": "playbook_on_stats", "event_data": {"ok": {"psw-ai": 3, "psw-core": 2}, "changed": {"psw-ai": 2}, "dark": {"pve1": 1}}})
    assert run.changed == 2
    assert run.hosts["psw-ai"] == {"ok": 3, "changed": 2, "failed": 0, "unreachable": 0, "skipped": 0, "rescued": 0}
    assert run.hosts["pve1"]["unreachable"] == 1


@pytest.mark.parametrize(
    ("res", "words"),
    [
        ({"msg": "Task failed: Module failed: no such unit"}, "no such unit"),
        ({"msg": "non-zero return code", "rc": 3, "stderr": "boom\n"}, "non-zero return code: boom"),
        ({"msg": "Failed to connect to the host via ssh: Warning: Permanently added 'x' (ED25519) to the list.\nssh: no route"}, "ssh: no route"),
        ({"censored": "hidden"}, "(the task works with secrets, so its output is not shown)"),
        ({"msg": "x" * 1600}, "x" * 1500 + " …"),
        ({}, "no reason given"),
    ],
)
def test_the_reason_is_short_and_without_noise(res, words):
    assert reason(res) == words
