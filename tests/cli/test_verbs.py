"""The verbs that work on the project alone: init, node, app, plan."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

PLAN = """\
TARGET    NODE  GPU     GPU MEMORY MIB  CORES  MEMORY MIB  DISK GIB
psw-ai    pve1  nvidia  4096 of 12288   4      8704        24
psw-core  pve1  -       -               2      3200        17

home.example
└─ pve1
   ├─ psw-ai (GPU 0000:01:00.0)
   │  ├─ ollama (wished)
   │  └─ dataset models: 100G on pool auto
   └─ psw-core
      ├─ postgres (needed by openwebui)
      ├─ openwebui (wished)
      └─ caddy (needed by openwebui)
"""


def test_init_makes_a_project_and_says_what_comes_next(psw, tmp_path):
    answer = psw("init", "my-home", "--domain", "home.example")
    assert answer.exit_code == 0
    assert answer.stdout == (
        "project  my-home\n"
        "domain   home.example\n"
        f"age key  {tmp_path}/age/keys.txt (made now: keep a copy in a safe place)\n"
        "next: cd my-home && psw node add pve1 --host ADDRESS\n"
    )
    assert Path("my-home/psw.yml").exists()


def test_the_next_command_can_be_pasted_whatever_the_project_is_called(psw):
    answer = psw("init", "my home's", "--domain", "home.example")
    assert answer.stdout.splitlines()[-1] == """next: cd 'my home'"'"'s' && psw node add pve1 --host ADDRESS"""


def test_init_uses_an_age_key_that_is_there(psw):
    psw("init", "one", "--domain", "home.example")
    assert "keys.txt (was there, and is used)\n" in psw("init", "two", "--domain", "home.example").stdout


def test_init_makes_the_project_that_c_names(psw_json, tmp_path):
    code, said = psw_json("init", "--domain", "home.example", "-C", tmp_path / "there")
    assert (code, said["ok"], said["project"]) == (0, True, str(tmp_path / "there"))
    assert said["age"]["new"] is True
    assert said["age"]["recipients"][0].startswith("age1")


def test_init_never_prints_the_age_secret(psw, tmp_path):
    answer = psw("--json", "init", "my-home", "--domain", "home.example")
    secret = next(line for line in (tmp_path / "age/keys.txt").read_text().splitlines() if line.startswith("AGE-SECRET-KEY"))
    assert secret not in answer.output


def test_a_node_is_added_once_and_comments_stay(psw, project):
    assert psw("node", "add", "pve2", "--host", "192.0.2.11").stdout == "added pve2 at 192.0.2.11\nnext: psw node setup-gpu pve2\n"
    assert psw("node", "add", "pve2", "--host", "192.0.2.11").stdout.startswith("nothing to add: there was pve2")
    assert "# the box under the stairs" in (project / "psw.yml").read_text()


def test_a_node_keeps_how_to_log_in(psw_json, project):
    code, said = psw_json("node", "add", "pve2", "--host", "pve2.lan", "--user", "root", "--port", "2222", "--ssh-key", "~/.ssh/pve")
    assert (code, said["changed"]) == (0, True)
    assert said["node"] == {"name": "pve2", "host": "pve2.lan", "user": "root", "port": 2222, "ssh_key": "~/.ssh/pve", "budget": {}}


def test_a_node_that_another_user_than_root_would_log_in_to_is_refused(psw_json, project, edit):
    before = (project / "psw.yml").read_text()
    code, said = psw_json("node", "add", "pve2", "--host", "192.0.2.11", "--user", "admin")
    assert (code, said["refusal"]["code"], said["refusal"]["message"]) == (3, "not_built_yet", "nodes.pve2.user: admin is not built yet")
    assert (project / "psw.yml").read_text() == before
    edit("psw.yml", "{host: 192.0.2.10}", "{host: 192.0.2.10, user: admin}")
    code, said = psw_json("node", "setup-gpu", "pve1")
    assert (code, said["refusal"]["message"]) == (3, "nodes.pve1.user: admin is not built yet")


def test_nodes_are_listed_with_their_gpus(psw, project):
    psw("node", "add", "pve2", "--host", "192.0.2.11")
    assert psw("node", "list").stdout == (
        "NODE  ADDRESS     VENDOR  GPU               RECORDED\n"
        "pve1  192.0.2.10  nvidia  GeForce RTX 3060  2026-11-22T10:00:00Z\n"
        "pve2  192.0.2.11  -       -                 -\n"
    )


def test_a_recorded_node_shows_its_record_and_its_verdict(psw, project):
    text = psw("node", "show", "pve1").stdout
    assert "driver version   580.159.04\n" in text
    assert "verdict          ready: 12288 MiB of GPU memory for models\n" in text
    assert text.endswith("0000:01:00.0  GeForce RTX 3060  Ampere  12288     12288       driver\n")


def test_a_recorded_node_shows_its_pools_and_what_is_against_them(psw, project):
    pools = [("tank", True, "ok", 64.0, 886), ("rust", False, "lies on sda (spinning)", None, 7000)]
    rows = [dict(zip(("name", "suitable", "reason", "link", "free_gib"), pool, strict=True)) for pool in pools]
    record = project / "nodes" / "pve1" / "gpu.yml"
    record.write_text(record.read_text() + f"host: {json.dumps({'memory_mib': 65536, 'cores': 16, 'pools': rows})}\n")
    text = psw("node", "show", "pve1").stdout
    assert "memory           65536 MiB\n" in text
    assert text.endswith(
        "ZFS POOL  LINK GT/S  FREE GIB  FOR MODELS\ntank      64.0       886       yes\nrust      -          7000      not by itself: lies on sda (spinning)\n"
    )


def test_a_node_without_record_says_how_to_get_one(psw_json, project):
    psw_json("node", "add", "pve2", "--host", "192.0.2.11")
    code, said = psw_json("node", "show", "pve2")
    assert (code, said["record"]) == (0, None)
    assert said["verdict"] == {"ready": False, "code": "node_not_set_up", "message": "no GPU is recorded; run: psw node setup-gpu pve2"}


@pytest.fixture
def empty(project, edit):
    """The project before any app was wished for."""
    edit("psw.yml", "apps: [ollama, openwebui]", "apps: []")
    return project


def test_an_added_stack_shows_what_came_in_and_why(psw, empty):
    assert psw("app", "add", "@ai").stdout == (
        "added ollama\nadded postgres (needed by openwebui)\nadded openwebui\nadded caddy (needed by openwebui)\nnext: psw deploy converge\n"
    )


def test_adding_what_is_there_changes_nothing(psw, psw_json, project):
    assert psw("app", "add", "@ai").stdout == "nothing to add: @ai was there\n"
    assert psw_json("app", "add", "ollama") == (0, {"ok": True, "changed": False, "added": [], "apps": ["ollama", "openwebui"]})


def test_a_removed_app_takes_along_what_only_it_needed(psw, project):
    assert psw("app", "remove", "openwebui").stdout == (
        "removed postgres (was needed by openwebui)\nremoved openwebui\nremoved caddy (was needed by openwebui)\nnext: psw deploy converge\n"
    )


def test_the_list_tells_wished_needed_available_and_later(psw_json, project, edit):
    edit("psw.yml", "apps: [ollama, openwebui]", "apps: [ollama]")
    _, said = psw_json("app", "list")
    assert {app["name"]: app["state"] for app in said["apps"]} == {"caddy": "available", "ollama": "wished", "openwebui": "available", "postgres": "available"}
    assert {stack["name"]: stack["state"] for stack in said["stacks"]}["@voice"] == "not built yet"


def test_the_list_says_why_an_app_runs(psw, project):
    assert "postgres   needed by openwebui  Keeps the apps' databases, with pgvector\n" in psw("app", "list").stdout


def test_the_plan_is_a_table_and_a_tree(psw, project):
    assert psw("plan").stdout == f"{PLAN}\nnot written yet: psw plan --write\n"
    assert not (project / "deployment-plan.yml").exists()


def test_the_plan_names_the_storage_that_was_wished_for(psw, psw_json, project):
    with (project / "psw.yml").open("a") as file:
        file.write("storage: {models: {storage: local-lvm, weekly_snapshots: 2}}\ntargets: {psw-ai: {storage: fast}}\n")
    assert psw("plan").stdout.count("root disk on storage fast\n") == 1
    assert "dataset models: 100G on storage local-lvm, not on ZFS\n" in psw("plan").stdout
    planned = psw_json("plan")[1]["plan"]["targets"]["psw-ai"]["datasets"]
    assert planned == {"models": {"pool": "auto", "quota": "100G", "storage": "local-lvm", "weekly_snapshots": 2}}


def recorded_pools(project, *pools):
    rows = [dict(zip(("name", "suitable", "reason", "link", "free_gib"), pool, strict=True)) for pool in pools]
    record = project / "nodes" / "pve1" / "gpu.yml"
    record.write_text(record.read_text() + f"host: {json.dumps({'memory_mib': 65536, 'cores': 16, 'pools': rows})}\n")


def test_the_plan_says_which_pool_models_would_go_to_and_why(psw, psw_json, project):
    recorded_pools(project, ("tank", True, "ok", 64.0, 886), ("rpool", True, "ok", 31.5, 400))
    why = "the fastest link, 64.0 GT/s before 31.5 of rpool"
    assert f"dataset models: 100G on pool auto: tank, {why}\n" in psw("plan").stdout
    assert psw_json("plan")[1]["pools"] == {"psw-ai": {"models": {"pool": "tank", "why": why}}}


def test_the_plan_says_when_no_pool_will_do(psw, project):
    recorded_pools(project, ("rust", False, "lies on sda (spinning)", None, 7000))
    assert "dataset models: 100G on pool auto: none fits: rust lies on sda (spinning)\n" in psw("plan").stdout


def test_the_plan_says_what_its_reader_may_not_expect(psw, psw_json, project):
    psw("plan", "--write")
    (project / "psw.yml").write_text((project / "psw.yml").read_text() + "targets: {psw-core: {ip: 192.0.2.32/24}}\n")
    note = "psw-core has a fixed address and no gateway, so it reaches nothing beyond its own network (targets.psw-core.gateway)"
    assert f"\n\nnote: {note}\nnot written yet" in psw("plan").stdout
    assert psw_json("plan")[1]["notes"] == [note]


def test_the_plan_is_drawn_into_a_file(psw, psw_json, project):
    assert psw("plan", "--graph", "house.svg").stdout.endswith("not written yet: psw plan --write\ndrawn in house.svg\n")
    drawn = Path("house.svg").read_text()
    assert drawn.startswith("<svg ")
    assert "GeForce RTX 3060, 0000:01:00.0" in drawn
    assert psw_json("plan", "--graph", "other.svg")[1]["graph"] == str(Path("other.svg").absolute())
    assert not (project / "deployment-plan.yml").exists()


def test_only_svg_is_drawn(psw, project):
    answer = psw("plan", "--graph", "house.png")
    assert answer.exit_code == 2
    assert "house.png has to end in .svg, which is what psw draws" in answer.stderr
    assert not Path("house.png").exists()


def test_a_picture_that_cannot_be_written_is_named(psw, project):
    Path("taken.svg").mkdir()
    answer = psw("plan", "--graph", "taken.svg")
    assert (answer.exit_code, answer.stderr) == (1, "error: cannot write taken.svg, it is as it was\n  is a directory\n")
    assert list(Path().glob(".taken*")) == []


def test_a_written_plan_is_current_until_wishes_change(psw, psw_json, project):
    assert psw("plan", "--write").stdout == f"{PLAN}\nwritten to deployment-plan.yml\n"
    assert psw("plan").stdout == f"{PLAN}\nas in deployment-plan.yml\n"
    psw("app", "remove", "openwebui")
    assert psw_json("plan")[1]["current"] is False


def test_the_plan_of_no_apps_is_empty(psw, empty):
    assert psw("plan").stdout.startswith("nothing to run: psw.yml names no apps; add some with: psw app add @ai\n")


def test_status_before_the_first_converge_says_so(psw, project):
    assert psw("status").stdout == "nothing is deployed yet; do so with: psw deploy converge\n"


@pytest.mark.parametrize("args", [("-C", "DIR", "app", "list", "--json"), ("app", "--json", "-C", "DIR", "list"), ("--json", "app", "list", "-C", "DIR")])
def test_global_options_may_stand_anywhere(psw, project, monkeypatch, args):
    monkeypatch.chdir("/")
    answer = psw(*(project if arg == "DIR" else arg for arg in args))
    assert answer.exit_code == 0
    assert json.loads(answer.stdout)["ok"] is True


def test_the_project_may_come_from_the_environment(psw_json, project, monkeypatch):
    monkeypatch.chdir("/")
    monkeypatch.setenv("PSW_PROJECT", str(project))
    assert psw_json("app", "list")[0] == 0


def test_c_wins_over_the_environment(psw_json, project, monkeypatch):
    monkeypatch.setenv("PSW_PROJECT", "/nowhere")
    assert psw_json("app", "list", "-C", project)[0] == 0
