# SPDX-License-Identifier: GPL-3.0-or-later
"""The tasks that work on the project itself."""

import pytest
import yaml
from ansible_collections.psw.ai.plugins.plugin_utils._lock import project_lock
from ansible_collections.psw.ai.plugins.plugin_utils._project import Project
from ansible_collections.psw.ai.plugins.plugin_utils._secrets import Secrets

from .conftest import RECORD

PREFLIGHT = {"psw.ai.preflight": {}}
SECRETS = {"psw.ai.project_secrets": {"apps": "{{ psw_planned_apps }}"}}


def files(project):
    return {str(path.relative_to(project.path)): path.read_bytes() for path in project.path.rglob("*") if path.is_file()}


# --- preflight -------------------------------------------------------------------------------------------------------
def test_preflight_writes_the_plan_once(ready, play):
    first, second = play(ready, PREFLIGHT, PREFLIGHT)
    assert (first["changed"], second["changed"]) == (True, False)
    assert Project.open(ready.path).plan == first["plan"] == second["plan"]


def test_preflight_shows_what_is_new_in_the_plan(ready, play):
    play(ready, PREFLIGHT)
    ready.remove_apps(["openwebui"])
    (result,) = play(ready, PREFLIGHT, check=True)
    assert result["diff"]["before_header"] == "deployment-plan.yml"
    assert ("psw-core" in result["diff"]["before"], "psw-core" in result["diff"]["after"]) == (True, False)


def test_preflight_in_check_mode_says_that_it_would_write_and_does_not(ready, play):
    before = files(ready)
    (result,) = play(ready, PREFLIGHT, check=True)
    assert (result["changed"], files(ready)) == (True, before)


def test_preflight_refuses_with_code_message_and_hint(project, play):
    (result,) = play(project, PREFLIGHT)
    assert (result["failed"], result["changed"]) == (True, False)
    assert result["refusal"] == {
        "code": "node_not_set_up",
        "message": "no GPU is recorded for pve1, and the planned apps need one",
        "hint": "run: psw node setup-gpu pve1",
    }
    assert result["msg"] == "no GPU is recorded for pve1, and the planned apps need one; run: psw node setup-gpu pve1"


def test_preflight_refuses_a_vendor_other_than_the_planned_one_and_leaves_the_plan(ready, play):
    play(ready, PREFLIGHT)
    plan = (ready.path / "deployment-plan.yml").read_bytes()
    ready.write_record(
        "pve1", {**{key: value for key, value in RECORD.items() if key != "nvidia"}, "vendor": "amd", "amd": {"gfx": "gfx1100", "devices": ["/dev/kfd"]}}
    )
    (result,) = play(ready, PREFLIGHT)
    assert result["refusal"]["code"] == "vendor_mismatch"
    assert (ready.path / "deployment-plan.yml").read_bytes() == plan


def test_preflight_does_not_work_beside_a_psw(ready, play, monkeypatch):
    with project_lock(ready.path, command="psw app add"):
        monkeypatch.delenv("PSW_LOCK_HELD")
        (result,) = play(ready, PREFLIGHT)
    assert "another psw is at work" in result["msg"]
    assert "psw app add" in result["msg"]


def test_preflight_that_psw_itself_started_does_not_wait_for_psw(ready, play):
    with project_lock(ready.path):
        (result,) = play(ready, PREFLIGHT)
    assert result["changed"]


# --- secrets ---------------------------------------------------------------------------------------------------------
def test_secrets_are_made_once_and_never_shown(ready, play):
    first, second = play(ready, SECRETS, SECRETS)
    assert (first["changed"], second["changed"]) == (True, False)
    assert "postgres.postgres_password" in first["made"]
    values = [value for app in Secrets(ready).read().values() for value in app.values()]
    assert len(values) == len(first["made"])
    assert not [value for value in values if value in str((first, second))]


def test_secrets_in_check_mode_are_not_made(ready, play):
    before = files(ready)
    (result,) = play(ready, SECRETS, check=True)
    assert (result["changed"], files(ready)) == (True, before)


def test_a_secret_is_stored_once_and_removed_once(ready, play):
    def store(**options):
        return {"psw.ai.project_secrets": {"app": "probe", "name": "probe_openwebui_service_key", **options}}

    present, absent = store(value="sk-0123"), store(state="absent")
    results = play(ready, present, present, absent, absent)
    assert [result["changed"] for result in results] == [True, False, True, False]
    assert "sk-0123" not in str([{key: value for key, value in result.items() if key != "invocation"} for result in results])


def test_storing_a_secret_without_its_value_is_an_error(ready, play):
    (result,) = play(ready, {"psw.ai.project_secrets": {"app": "probe", "name": "probe_openwebui_service_key"}})
    assert result["failed"]
    assert result["msg"] == "state is present but any of the following are missing: apps, value"


# --- record ----------------------------------------------------------------------------------------------------------
def test_a_record_is_written_for_the_host_of_the_task(project, play):
    task = {"psw.ai.project_record": {"record": RECORD}}
    first, second = play(project, task, {**task, "vars": {}}, hosts="pve1")
    assert (first["changed"], second["changed"]) == (True, False)
    assert Project.open(project.path).records == {"pve1": RECORD}


def test_a_record_shows_what_is_new_in_it(ready, play):
    (result,) = play(ready, {"psw.ai.project_record": {"record": {**RECORD, "kernel": "6.18.0-1-pve"}}}, hosts="pve1")
    assert result["diff"]["before_header"] == "nodes/pve1/gpu.yml"
    assert ("6.17.2-1-pve" in result["diff"]["before"], "6.18.0-1-pve" in result["diff"]["after"]) == (True, True)


def test_a_record_made_of_expressions_is_written_as_plain_yaml(project, play):
    record = {**RECORD, "kernel": "{{ '6.17' ~ '.2-1-pve' }}", "node": "{{ inventory_hostname }}", "gpus": "{{ found }}"}
    play(project, {"psw.ai.project_record": {"record": record}, "vars": {"found": RECORD["gpus"]}}, hosts="pve1")
    assert yaml.safe_load((project.path / "nodes/pve1/gpu.yml").read_text()) == RECORD


def test_a_record_that_is_not_right_is_an_error_with_its_key(project, play):
    (result,) = play(project, {"psw.ai.project_record": {"record": {**RECORD, "vendor": "nvidea"}}}, hosts="pve1")
    assert "vendor must be one of nvidia, amd, intel, not 'nvidea'; did you mean 'nvidia'?" in result["msg"]
    assert not (project.path / "nodes").exists()


def test_a_record_in_check_mode_is_not_written(project, play):
    (result,) = play(project, {"psw.ai.project_record": {"record": RECORD}}, hosts="pve1", check=True)
    assert result["changed"]
    assert not (project.path / "nodes").exists()


# --- targets ---------------------------------------------------------------------------------------------------------
KEYS = {"host_keys": ["ssh-ed25519 AAA {{ inventory_hostname }}"], "ca_certificate": "PEM"}
FOUND = {"psw.ai.project_targets": {"vmid": 101, "address": "192.0.2.31", "groups": {"render": 993}, **KEYS}}


def test_what_was_found_of_targets_is_kept_by_all_workers_at_once(ready, play):
    results = play(ready, FOUND, FOUND, hosts="targets")
    assert sorted(result["changed"] for result in results) == [False, False, True, True]
    assert yaml.safe_load((ready.path / ".psw/targets.yml").read_text())["targets"] == {
        "psw-ai": {"vmid": 101, "address": "192.0.2.31", "groups": {"render": 993}},
        "psw-core": {"vmid": 101, "address": "192.0.2.31", "groups": {"render": 993}},
    }
    assert sorted((ready.path / ".psw/known_hosts").read_text().splitlines()) == ["psw-ai ssh-ed25519 AAA", "psw-core ssh-ed25519 AAA"]
    assert (ready.path / ".psw/ca.crt").read_text() == "PEM\n"


def test_in_check_mode_nothing_is_kept(ready, play):
    before = files(ready)
    assert all(result["changed"] for result in play(ready, FOUND, hosts="targets", check=True))
    assert files(ready) == before


def test_a_target_that_is_gone_is_forgotten(ready, play):
    gone = {"psw.ai.project_targets": {"state": "absent"}}
    assert [result["changed"] for result in play(ready, FOUND, gone, gone, hosts="psw-ai")] == [True, True, False]


# --- outside a project -----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("task", [PREFLIGHT, {"psw.ai.project_secrets": {"apps": []}}, {"psw.ai.project_targets": {"name": "x", "vmid": 1}}])
def test_without_a_project_the_error_says_what_to_do(ready, play, task):
    (result,) = play(ready, {**task, "vars": {"psw_project_dir": ""}})
    assert result["msg"] == "psw_project_dir is not set; take a project as inventory (-i DIR/psw.yml), or set it to the project's directory"
