"""Whatever is wrong with the input, psw says what, where and what to do, with the right exit code, and changes nothing."""

from __future__ import annotations

import errno
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from ansible_collections.psw.ai.plugins.plugin_utils import _lock

from psw_cli.deploy import TAGS

PSW = [sys.executable, "-c", "from psw_cli.main import main; main()"]
REPO = Path(__file__).parents[2]


def test_no_project_here(psw, tmp_path, documented):
    answer = psw("app", "list")
    assert (answer.exit_code, answer.stdout) == (2, "")
    assert answer.stderr == f"error: no psw.yml in {tmp_path}/here or above\n  make one with: psw init\n"
    assert documented(answer.stderr)


def test_a_directory_that_cannot_be_looked_into_is_named(psw):
    answer = psw("-C", "x" * 300, "app", "list")
    assert (answer.exit_code, answer.stdout) == (2, "")
    assert answer.stderr.endswith(f"{'x' * 300}: file name too long\n")


def test_a_current_directory_that_is_gone_is_named(psw, tmp_path, monkeypatch):
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    answer = psw("app", "list")
    assert (answer.exit_code, answer.stderr) == (2, "error: the current directory is gone\n  change to one that is there\n")
    assert psw("init", "--domain", "home.example").exit_code == 2


def test_the_home_of_nobody_is_an_error(psw):
    answer = psw("-C", "~nobody-here/x", "app", "list")
    assert (answer.exit_code, answer.stderr) == (2, "error: ~nobody-here/x: could not determine home directory\n")


@pytest.mark.parametrize(("encoding", "said"), [("utf-8:strict", "cd 'my-\\udcff'"), ("latin-1", "\\u2514\\u2500 pve1")])
def test_what_the_terminal_cannot_show_is_spelled_out(project, encoding, said):
    args = ("init", os.fsdecode(b"my-\xff"), "--domain", "home.example") if "utf" in encoding else ("plan",)
    done = subprocess.run([*PSW, *args], env={**os.environ, "PYTHONIOENCODING": encoding}, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert said in done.stdout.decode("latin-1")


@pytest.mark.parametrize("args", [("app", "list"), ("app", "list", "--json"), ("app", "add", "olama", "--json")])
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_an_answer_that_cannot_be_written_is_told_without_a_traceback(project, args, unbuffered):
    environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        done = subprocess.run([*PSW, *args], env=environment, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode in {1, 2}
    assert done.stderr.startswith("error: ")
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


def test_a_disk_that_is_full_under_a_run_is_told_without_a_traceback(psw_json, project, monkeypatch):
    def no_room(*_):
        raise OSError(errno.ENOSPC, "No space left on device", str(project / ".psw/run-1/ansible.cfg"))

    monkeypatch.setattr("psw_cli.runner.run", no_room)
    code, said = psw_json("node", "setup-gpu", "pve1")
    assert (code, said["error"]) == (
        1,
        {"code": "failed", "message": ".psw/run-1/ansible.cfg: no space left on device", "hint": "the disk is full: make room, then run the command again"},
    )


def test_an_error_is_one_object_too(psw_json, tmp_path):
    message = f"no psw.yml in {tmp_path}/here or above"
    assert psw_json("app", "list") == (2, {"ok": False, "error": {"code": "project", "message": message, "hint": "make one with: psw init"}})


@pytest.mark.parametrize(
    ("slip", "message"),
    [
        (("{host: 192.0.2.10}", "{host: 192.0.2.10, hots: 1}"), "psw.yml:4: unknown key 'hots' in nodes.pve1, did you mean 'host'?"),
        (("{host: 192.0.2.10}", "{host: [1]}"), "psw.yml:4: nodes.pve1.host must be a host name or an IP address, not a list"),
        (("apps: [", "apps: [["), "psw.yml:5: this is not YAML: did not find expected ',' or ']'"),
        (("openwebui]", "openwebiu]"), "psw.yml:5: no app called 'openwebiu', did you mean 'openwebui'?"),
    ],
)
def test_a_mistake_in_psw_yml_is_named_with_its_line(psw, edit, documented, slip, message):
    edit("psw.yml", *slip)
    answer = psw("plan")
    assert (answer.exit_code, answer.stdout, answer.stderr) == (2, "", f"error: {message}\n")
    assert documented(answer.stderr)


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("app", "add", "olama"), "no app called 'olama', did you mean 'ollama'?"),
        (("app", "add", "@ia"), "no stack called '@ia', did you mean '@ai'?"),
        (("app", "remove", "postgrs"), "no app called 'postgrs', did you mean 'postgres'?"),
        (("node", "show", "pve"), "psw.yml: no node called 'pve', did you mean 'pve1'?"),
        (("node", "setup-gpu", "pv1"), "psw.yml: no node called 'pv1', did you mean 'pve1'?"),
    ],
)
def test_an_unknown_name_is_answered_with_the_near_match(psw, project, documented, args, message):
    answer = psw(*args)
    assert (answer.exit_code, answer.stdout, answer.stderr) == (2, "", f"error: {message}\n")
    assert documented(answer.stderr)


def test_a_stack_that_is_not_built_is_refused_by_name(psw, project, documented):
    answer = psw("app", "add", "@voice")
    assert (answer.exit_code, answer.stdout) == (3, "")
    assert answer.stderr == "refused: the stack @voice (speech in and out for Home Assistant) is not built yet\n  psw runs: @ai\n"
    assert documented(answer.stderr)


def test_an_app_that_others_need_is_not_removed(psw, psw_json, project, documented):
    refusal = {"code": "needed_by_others", "message": "openwebui needs ollama", "hint": "remove both: psw app remove ollama openwebui"}
    assert psw_json("app", "remove", "ollama") == (3, {"ok": False, "error": refusal, "refusal": refusal})
    assert documented(psw("app", "remove", "ollama").stderr)


def test_a_node_that_is_there_with_another_address_is_not_overwritten(psw, project, documented):
    answer = psw("node", "add", "pve1", "--host", "192.0.2.99")
    assert (answer.exit_code, answer.stdout) == (2, "")
    assert answer.stderr == "error: psw.yml:4: there is a node pve1 already, with other settings\n  change it there by hand\n"
    assert documented(answer.stderr)


@pytest.mark.parametrize("verb", [("plan",), ("deploy", "converge"), ("deploy", "converge", "--check")])
def test_a_node_that_was_not_set_up_is_refused_with_the_command_to_run(psw, psw_json, project, documented, verb):
    (project / "nodes/pve1/gpu.yml").unlink()
    code, said = psw_json(*verb)
    assert code == 3
    assert said["refusal"] == {
        "code": "node_not_set_up",
        "message": "no GPU is recorded for pve1, and the planned apps need one",
        "hint": "run: psw node setup-gpu pve1",
    }
    assert documented(psw(*verb).stderr)


@pytest.mark.parametrize("verb", [("plan",), ("deploy", "converge"), ("deploy", "converge", "--check")])
def test_a_recorded_vendor_that_differs_from_the_plan_is_refused(psw, psw_json, edit, documented, verb):
    assert psw("plan", "--write").exit_code == 0
    edit("deployment-plan.yml", "vendor: nvidia", "vendor: amd")
    code, said = psw_json(*verb)
    assert (code, said["refusal"]["code"]) == (3, "vendor_mismatch")
    assert said["refusal"]["message"] == "psw-ai is planned for amd, but the GPU recorded for pve1 is nvidia"
    assert documented(psw(*verb).stderr)


def test_a_project_without_nodes_is_refused_with_the_command_to_run(psw, psw_json, edit, documented):
    edit("psw.yml", "\n  pve1: {host: 192.0.2.10} # the box under the stairs", "")
    assert psw_json("plan")[1]["refusal"]["code"] == "no_node"
    assert documented(psw("plan").stderr)


def test_a_node_that_left_while_its_data_stayed_is_refused(psw, psw_json, edit, documented):
    assert psw("plan", "--write").exit_code == 0
    edit("psw.yml", "pve1:", "pve2:")
    assert psw_json("deploy", "converge")[1]["refusal"]["code"] == "unknown_node"
    assert documented(psw("deploy", "converge").stderr)


@pytest.mark.parametrize(
    ("file", "slip"),
    [
        ("nodes/pve1/gpu.yml", ("usable_mib: 12288", "usable_mib: 2048")),
        ("psw.yml", ("{host: 192.0.2.10}", "{host: 192.0.2.10, budget: {memory_mib: 8192}}")),
    ],
)
def test_a_plan_that_does_not_fit_is_an_error_that_counts(psw, edit, documented, file, slip):
    edit(file, *slip)
    answer = psw("plan")
    assert (answer.exit_code, answer.stdout) == (2, "")
    assert documented(answer.stderr)


def test_a_setting_that_its_app_does_not_have_is_named_with_its_line(psw, project, documented):
    (project / "services/ollama").mkdir(parents=True)
    (project / "services/ollama/defaults.yml").write_text("ollama_keep_alvie: 5m\n")
    answer = psw("deploy", "converge")
    assert (answer.exit_code, answer.stdout) == (2, "")
    assert documented(answer.stderr)
    assert not (project / "deployment-plan.yml").exists()


def test_a_converge_of_nothing_is_an_error(psw, edit, documented):
    edit("psw.yml", "apps: [ollama, openwebui]", "apps: []")
    answer = psw("deploy", "converge")
    assert (answer.exit_code, answer.stderr) == (2, "error: there is nothing to run: psw.yml names no apps\n  add some with: psw app add @ai\n")
    assert documented(answer.stderr)


def test_a_limit_that_the_plan_does_not_have_is_an_error(psw, project, documented):
    answer = psw("deploy", "converge", "--limit", "psw-cor")
    assert (answer.exit_code, answer.stderr) == (2, "error: --limit: no target called 'psw-cor', did you mean 'psw-core'?\n  see: psw deploy converge --help\n")
    assert documented(answer.stderr)
    assert not (project / "deployment-plan.yml").exists()


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("--tags", "aps"), "--tags: no tag called 'aps', did you mean 'apps'?"),
        (("--tags", "verify,target"), "--tags: no tag called 'target', did you mean 'targets'?"),
        (("--tags", ""), "--tags: names nothing"),
        (("--limit", ""), "--limit: names nothing"),
        (("--limit", ","), "--limit: names nothing"),
    ],
)
def test_what_would_select_nothing_or_by_mistake_all_is_an_error(psw, project, documented, args, message):
    answer = psw("deploy", "converge", *args)
    assert (answer.exit_code, answer.stderr) == (2, f"error: {message}\n  see: psw deploy converge --help\n")
    if args == ("--tags", "aps"):  # one of its kind is enough in the docs
        assert documented(answer.stderr)
    assert not (project / "deployment-plan.yml").exists()


def test_the_tags_are_those_of_the_playbook():
    plays = yaml.safe_load((REPO / "playbooks/converge.yml").read_text(encoding="utf-8"))
    assert {tag for play in plays for tag in play.get("tags", [])} == {*TAGS, "always"}


@pytest.mark.parametrize(
    ("args", "text"),
    [
        (("ap", "list"), "there is no 'psw ap'; did you mean 'app'?\n  see: psw --help"),
        (("app", "lsit"), "there is no 'psw app lsit'; did you mean 'list'?\n  see: psw app --help"),
        (("app", "x"), "there is no 'psw app x'; there is: add, remove, list\n  see: psw app --help"),
        (("app", "add"), "Missing argument 'NAME|@STACK...'\n  see: psw app add --help"),
        (("app", "list", "--", "-x"), "psw app list runs no playbook, so it takes nothing after --\n  see: psw app list --help"),
    ],
)
def test_wrong_usage_is_answered_in_two_lines(psw, args, text):
    answer = psw(*args)
    assert (answer.exit_code, answer.stdout, answer.stderr) == (2, "", f"error: {text}\n")


@pytest.mark.parametrize("args", [("deploy", "reset", "--destroy")])
def test_a_verb_that_is_not_built_yet_is_refused_by_name(psw_json, args):
    code, said = psw_json(*args)
    verb = " ".join(args)
    assert (code, said["refusal"]["code"], said["refusal"]["message"]) == (3, "not_built_yet", f"psw {verb} is not built yet")


def test_a_bug_keeps_its_traceback_and_json_its_one_object(psw_json, monkeypatch):
    monkeypatch.setattr("psw_cli.app.opened", lambda _settings: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        psw_json("app", "list")


@pytest.fixture
def other_psw(project):
    """Another psw at work in the project."""
    code = (
        "import sys, time\nfrom pathlib import Path\nfrom ansible_collections.psw.ai.plugins.plugin_utils._lock import project_lock\n"
        "with project_lock(Path(sys.argv[1]), command='psw deploy converge'):\n    print('held', flush=True)\n    time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code, project], stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        yield process
        process.kill()


def test_another_psw_at_work_is_named(psw, psw_json, project, other_psw, documented):
    code, said = psw_json("app", "add", "@ai", "--lock-timeout", "0")
    assert (code, said["refusal"]["code"]) == (3, "locked")
    assert f"psw deploy converge (pid {other_psw.pid}, since " in said["refusal"]["message"]
    assert documented(psw("app", "add", "@ai", "--lock-timeout", "0").stderr)


def test_psw_waits_for_another_one_and_says_so(psw, project, other_psw, monkeypatch):
    def sleep(_seconds):
        other_psw.kill()
        other_psw.wait()

    monkeypatch.setattr(_lock, "time", SimpleNamespace(monotonic=time.monotonic, strftime=time.strftime, sleep=sleep))
    answer = psw("app", "remove", "openwebui", "--lock-timeout", "600")
    assert answer.exit_code == 0
    assert answer.stderr.startswith(f"waiting for psw deploy converge (pid {other_psw.pid}, ")
    assert other_psw.returncode is not None


def test_looking_needs_no_lock(psw, project, other_psw):
    assert psw("app", "list", "--lock-timeout", "0").exit_code == 0


def test_a_full_disk_leaves_psw_yml_whole(project, documented):
    before = (project / "psw.yml").read_text()

    def no_room():
        resource.setrlimit(resource.RLIMIT_FSIZE, (16, 16))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    done = subprocess.run(
        [*PSW, "-C", project, "app", "remove", "openwebui"],
        preexec_fn=no_room,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        check=False,
    )
    assert done.returncode == 1, done.stderr
    assert documented(done.stderr)
    assert (project / "psw.yml").read_text() == before
