# SPDX-License-Identifier: GPL-3.0-or-later
"""The project directory, as the user's files and as what psw reads from them."""

import re
from pathlib import Path

import pytest
from ansible_collections.psw.ai.plugins.plugin_utils import _files, _project
from ansible_collections.psw.ai.plugins.plugin_utils._catalog import Catalog
from ansible_collections.psw.ai.plugins.plugin_utils._errors import CatalogError, ProjectError, PswError, Refusal
from ansible_collections.psw.ai.plugins.plugin_utils._preflight import current_plan
from ansible_collections.psw.ai.plugins.plugin_utils._project import Project

from .conftest import AMD, NVIDIA

WISHES = Path("psw.yml")


def error(work, kind=ProjectError):
    with pytest.raises(kind) as caught:
        work()
    return str(caught.value)


def write(text):
    WISHES.write_text(f"schema: 1\ndomain: home.example\n{text}")
    return Project.open()


# --- opening ---------------------------------------------------------------------------------------------------------
def test_a_project_is_found_from_a_directory_inside_it(project, monkeypatch):
    (project.path / "services/ollama").mkdir(parents=True)
    monkeypatch.chdir(project.path / "services/ollama")
    assert Project.open().path == project.path


def test_a_project_is_found_by_its_file(project):
    assert Project.open(project.path / "psw.yml").path == project.path


def test_no_project_here_says_how_to_make_one(tmp_path):
    assert error(lambda: Project.open(tmp_path)) == f"no psw.yml in {tmp_path} or above; make one with: psw init"


def test_a_directory_that_is_not_there_is_not_searched_from_above(project):
    assert error(lambda: Project.open("nowhere")) == f"there is no {project.path}/nowhere; make a project there with: psw init"


def test_a_project_that_is_not_valid_does_not_open(project):
    assert error(lambda: write("aps: []\n")) == "psw.yml:3: unknown key 'aps', did you mean 'apps'?"


# --- wishes ----------------------------------------------------------------------------------------------------------
def test_what_the_user_did_not_say_has_its_default(project):
    wishes = write("nodes:\n  pve1: {host: h}\nstorage: {models: {quota: 2T}}\napps:\n").wishes
    assert wishes == {
        "schema": 1,
        "domain": "home.example",
        "nodes": {"pve1": {"host": "h", "user": "root", "port": 22, "ssh_key": None, "budget": {}}},
        "network": {"bridge": "vmbr0", "ip": "dhcp"},
        "targets": {},
        "sso": {"mode": "local"},
        "gpu": {"vendor": None, "backend": None, "gfx_override": None},
        "storage": {"models": {"pool": "auto", "quota": "2T"}},
        "registries": {"mirrors": []},
        "apps": [],
        "consumers": {},
    }


def test_one_projects_wishes_are_not_anothers(project):
    write("").wishes["nodes"]["pve1"] = {}
    assert write("").wishes["nodes"] == {}


# --- nodes -----------------------------------------------------------------------------------------------------------
def test_a_node_is_written_and_read_back(project):
    assert project.add_node("pve1", "192.0.2.10", port=2222, user=None)
    assert Project.open().node("pve1") == {"host": "192.0.2.10", "user": "root", "port": 2222, "ssh_key": None, "budget": {}}


def test_the_project_that_wrote_sees_what_it_wrote(project):
    project.add_node("pve1", "192.0.2.10")
    assert list(project.wishes["nodes"]) == ["pve1"]


def test_adding_a_node_again_changes_nothing(project):
    project.add_node("pve1", "192.0.2.10")
    before = WISHES.read_bytes()
    assert not project.add_node("pve1", "192.0.2.10")
    assert WISHES.read_bytes() == before


def test_a_node_that_is_there_with_other_settings_is_not_overwritten(project):
    project.add_node("pve1", "192.0.2.10")
    line = WISHES.read_text().splitlines().index("  pve1: {host: 192.0.2.10}") + 1
    assert error(lambda: project.add_node("pve1", "192.0.2.11")) == (
        f"psw.yml:{line}: there is a node pve1 already, with other settings; change it there by hand"
    )


def test_a_node_that_cannot_be_is_not_written(project):
    before = WISHES.read_bytes()
    assert "nodes.pve1.host must be a host name or an IP address, not '-oX'" in error(lambda: project.add_node("pve1", "-oX"))
    assert WISHES.read_bytes() == before


def test_an_unknown_node_is_named_with_the_one_that_was_meant(project):
    project.add_node("pve1", "192.0.2.10")
    assert error(lambda: project.node("pev1")) == "psw.yml: no node called 'pev1', did you mean 'pve1'?"


def test_without_any_node_the_error_says_how_to_add_one(project):
    assert error(lambda: project.node("pve1")) == "psw.yml: no node called 'pve1'; there is none; add it with: psw node add NAME --host ADDRESS"


# --- apps ------------------------------------------------------------------------------------------------------------
def test_adding_a_stack_says_what_came_in_and_why(project):
    assert project.add_apps(["@ai"]) == [
        ("ollama", "wished"),
        ("postgres", "needed by openwebui"),
        ("openwebui", "wished"),
        ("caddy", "needed by openwebui"),
    ]
    assert project.wishes["apps"] == ["ollama", "openwebui"]


def test_adding_what_is_there_changes_nothing(project):
    project.add_apps(["@ai"])
    before = WISHES.read_bytes()
    assert project.add_apps(["ollama", "@ai"]) == []
    assert WISHES.read_bytes() == before


def test_adding_what_came_as_a_dependency_makes_it_a_wish(project):
    project.add_apps(["@ai"])
    assert project.add_apps(["postgres"]) == [("postgres", "wished")]


def test_an_unknown_app_is_named_with_the_one_that_was_meant(project):
    before = WISHES.read_bytes()
    assert error(lambda: project.add_apps(["ollama", "openwebiu"]), CatalogError) == "no app called 'openwebiu', did you mean 'openwebui'?"
    assert WISHES.read_bytes() == before


def test_an_unknown_app_in_the_file_is_named_with_its_line(project):
    project = write("apps:\n  - ollama\n  - openwebiu\n")
    assert error(lambda: project.wished_apps(Catalog.load())) == "psw.yml:5: no app called 'openwebiu', did you mean 'openwebui'?"


def test_removing_an_app_says_what_no_longer_runs(project):
    project.add_apps(["@ai"])
    assert project.remove_apps(["openwebui"]) == [
        ("postgres", "needed by openwebui"),
        ("openwebui", "wished"),
        ("caddy", "needed by openwebui"),
    ]
    assert project.wishes["apps"] == ["ollama"]


@pytest.mark.parametrize("name", ["ollama", "postgres"])
def test_removing_what_others_need_is_refused_by_their_names(project, name):
    project.add_apps(["@ai"])
    before = WISHES.read_bytes()
    assert error(lambda: project.remove_apps([name]), Refusal) == f"openwebui needs {name}; remove both: psw app remove {name} openwebui"
    assert WISHES.read_bytes() == before


def test_removing_what_is_needed_through_another_names_the_wishes_that_lead_to_it(project):
    catalog = Catalog({"a": {"requires": ["b"]}, "b": {"requires": ["c"]}, "c": {}, "d": {"requires": ["c"]}}, {})
    project.add_apps(["a", "d"], catalog)
    assert error(lambda: project.remove_apps(["c"], catalog), Refusal) == "a, d need c; remove all of them: psw app remove c a d"


def test_removing_an_app_together_with_what_needs_it_is_fine(project):
    project.add_apps(["@ai"])
    assert [name for name, _ in project.remove_apps(["ollama", "openwebui"])] == ["ollama", "postgres", "openwebui", "caddy"]
    assert project.wishes["apps"] == []


def test_removing_an_app_that_is_not_there_says_which_are(project):
    project.add_apps(["ollama"])
    assert error(lambda: project.remove_apps(["openwebui"])) == "openwebui is not among the apps of psw.yml; there is ollama"


def test_comments_stay_when_apps_come_and_go(project):
    before = WISHES.read_text()
    project.add_apps(["@ai"])
    project.remove_apps(["@ai"])
    assert WISHES.read_text() == before


def test_a_file_from_windows_stays_one(project):
    WISHES.write_bytes(b"schema: 1\r\ndomain: home.example\r\n")
    Project.open().add_apps(["ollama"])
    assert WISHES.read_bytes() == b"schema: 1\r\ndomain: home.example\r\napps: [ollama]\r\n"


# --- records ---------------------------------------------------------------------------------------------------------
def test_a_record_is_written_and_read_back(project):
    project.add_node("pve1", "h")
    assert project.write_record("pve1", NVIDIA)
    assert Project.open().records == {"pve1": NVIDIA}


def test_a_record_in_which_only_the_time_is_new_is_not_written(project):
    project.add_node("pve1", "h")
    project.write_record("pve1", NVIDIA)
    assert not project.write_record("pve1", {**NVIDIA, "recorded_at": "2027-01-01T00:00:00Z"})
    assert Project.open().records["pve1"]["recorded_at"] == "2026-11-22T10:00:00Z"


def test_when_only_looking_a_record_is_not_written(project):
    project.add_node("pve1", "h")
    assert project.write_record("pve1", NVIDIA, write=False)
    assert not Path("nodes").exists()


def test_a_record_that_is_not_right_is_not_written(project):
    project.add_node("pve1", "h")
    project.write_record("pve1", NVIDIA)
    assert re.fullmatch(r"nodes/pve1/gpu.yml:\d+: amd does not belong here", error(lambda: project.write_record("pve1", {**NVIDIA, "amd": AMD["amd"]})))
    assert Project.open().records == {"pve1": NVIDIA}


def test_a_record_of_an_unknown_node_is_not_written(project):
    assert "no node called 'pve9'" in error(lambda: project.write_record("pve9", NVIDIA))


def test_a_record_that_was_copied_to_another_node_is_noticed(project):
    project.add_node("pve1", "h")
    project.write_record("pve1", NVIDIA)
    Path("nodes/pve1").rename("nodes/pve2")
    assert error(lambda: Project.open().records) == "nodes/pve2/gpu.yml:3: this is the record of pve1, in the directory of pve2"


# --- plan ------------------------------------------------------------------------------------------------------------
def test_a_new_project_has_no_plan(project):
    assert project.plan is None


def test_a_plan_is_written_once_and_read_back(ready):
    plan = current_plan(ready, Catalog.load())
    assert (ready.write_plan(plan), ready.write_plan(plan)) == (True, False)
    assert Project.open().plan == plan


def test_a_plan_edited_into_nonsense_is_an_error_with_its_line(ready):
    ready.write_plan(current_plan(ready, Catalog.load()))
    Path("deployment-plan.yml").write_text(Path("deployment-plan.yml").read_text().replace("cores: 4", "cores: four"))
    assert re.fullmatch(r"deployment-plan.yml:\d+: targets.psw-ai.cores must be a whole number, not 'four'", error(lambda: Project.open().plan))


# --- the disk --------------------------------------------------------------------------------------------------------
def test_a_disk_that_is_full_leaves_every_file_as_it_was(ready, monkeypatch):
    def full(_handle):
        raise OSError(28, "No space left on device")

    before = {path: path.read_bytes() for path in ready.path.rglob("*") if path.is_file()}
    monkeypatch.setattr(_files.os, "fsync", full)
    expected = "cannot write psw.yml, it is as it was; the disk is full: make room, then run the command again"
    assert error(lambda: ready.add_node("pve2", "h"), PswError) == expected
    assert error(lambda: ready.remove_apps(["openwebui"]), PswError) == expected
    assert error(lambda: ready.write_plan(current_plan(ready, Catalog.load())), PswError) == expected.replace("psw.yml", "deployment-plan.yml")
    assert {path: path.read_bytes() for path in ready.path.rglob("*") if path.is_file()} == before


def test_the_comments_at_the_top_of_what_psw_writes_say_so(ready):
    ready.write_plan(current_plan(ready, Catalog.load()))
    assert Path("deployment-plan.yml").read_text().startswith(f"# {_project.PLAN_COMMENT}\n")
    assert Path("nodes/pve1/gpu.yml").read_text().startswith(f"# {_project.RECORD_COMMENT}\n")
