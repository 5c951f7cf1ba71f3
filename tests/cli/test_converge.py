"""Runs of real playbooks through psw: what people and programs are told, and what is left behind."""

from __future__ import annotations

import json
import os
import re
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

WARY = """\
#!/usr/bin/python3
from ansible.module_utils.basic import AnsibleModule
module = AnsibleModule(argument_spec={})
module.warn("models are not on ZFS")
module.exit_json()
"""
# What ssh says, to the letter, of a node that knows none of our keys, and of one that was installed anew.
DENIED = "root@192.0.2.10: Permission denied (publickey,password).\n"
OTHER_KEY = """\
@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@
@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @
@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@
IT IS POSSIBLE THAT SOMEONE IS DOING SOMETHING NASTY!
Someone could be eavesdropping on you right now (man-in-the-middle attack)!
It is also possible that a host key has just been changed.
The fingerprint for the ED25519 key sent by the remote host is
SHA256:8nn6/N/goEsHfPcV80KOXfHNf/IvZhGtWLReo7kkmds.
Please contact your system administrator.
Add correct host key in /home/me/.psw/known_hosts to get rid of this message.
Offending ED25519 key in /home/me/.psw/known_hosts:1
  remove with:
  ssh-keygen -f "/home/me/.psw/known_hosts" -R "192.0.2.10"
Host key for 192.0.2.10 has changed and you have requested strict checking.
Host key verification failed.
"""
PSW = [sys.executable, "-c", "from psw_cli.main import main; main()"]


@pytest.fixture
def converge(on_this_machine, psw, tmp_path, monkeypatch):
    """Run `psw deploy converge` with these tasks in place of the collection's; both targets are this machine."""
    on_this_machine("psw-ai", "psw-core")

    def run(tasks, *args, hosts="psw-core"):
        play = {"name": "Bring up the apps", "hosts": hosts, "gather_facts": False, "tasks": tasks}
        playbook = tmp_path / "playbook.yml"
        playbook.write_text(json.dumps([play]))
        monkeypatch.setattr("psw_cli.deploy.PLAYBOOK", str(playbook))
        return psw("deploy", "converge", *args)

    return run


@pytest.fixture
def turned_away(converge, edit, tmp_path, monkeypatch):
    """Converge with a node that is to be logged in to like this, where ssh says this and gives up."""

    def run(login, words):
        edit("psw.yml", "{host: 192.0.2.10}", f"{{{login}}}")
        program = tmp_path / "bin" / "ssh"
        program.parent.mkdir()
        program.write_text(f"#!/bin/sh\ncat >&2 <<'SAID'\n{words}SAID\nexit 255\n")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
        return converge([{"name": "Look", "ansible.builtin.command": "true"}], hosts="pve1")

    return run


def logs(project):
    return sorted((project / ".psw" / "runs").glob("*.log"))


def write(path, content="new\n"):
    return {"name": "Write a file", "ansible.builtin.copy": {"dest": str(path), "content": content, "mode": "0644"}}


def test_a_run_tells_what_changed_where_and_how_long_it_took(converge, project, tmp_path):
    answer = converge([write(tmp_path / "file")])
    assert answer.exit_code == 0, answer.output
    lines = answer.stdout.splitlines()
    assert lines[0] == "wrote deployment-plan.yml"
    assert lines[1].startswith("changed 1 thing (")
    assert lines[3:] == ["HOST      OK  CHANGED", "psw-core  1   1"]
    assert answer.stderr.startswith("psw deploy converge\n  psw-core       Bring up the apps        changed  ")


def test_a_step_whose_every_task_was_skipped_is_not_shown(converge):
    skipped = {"name": "Look", "ansible.builtin.include_role": {"name": "psw.ai.lxc_target", "tasks_from": "find"}, "when": False}
    answer = converge([skipped, {"name": "Loop", "ansible.builtin.command": "true", "loop": [1, 2], "when": False}])
    assert (answer.exit_code, answer.stderr) == (0, "psw deploy converge\n")


def test_a_second_run_has_nothing_to_do(converge, tmp_path):
    converge([write(tmp_path / "file")])
    assert converge([write(tmp_path / "file")]).stdout.startswith("nothing to do: all is as it should be (")


def test_a_run_without_any_task_does_not_claim_that_all_is_well(converge, tmp_path):
    answer = converge([write(tmp_path / "file")], "--", "--list-tasks")
    assert answer.stdout.splitlines()[1].startswith("ansible-playbook ran no task; what it said is in the log (")


def test_what_modules_warn_of_is_said_at_the_end(converge, tmp_path):
    module = tmp_path / "library" / "wary.py"
    module.parent.mkdir()
    module.write_text(WARY)
    tasks = [{"name": "Take care", "wary": {}}]
    assert converge(tasks).stdout.splitlines()[-1] == "warning: models are not on ZFS"
    assert json.loads(converge(tasks, "--json").stdout)["warnings"] == ["models are not on ZFS"]


def test_a_run_in_json_is_one_object(converge, project, tmp_path):
    answer = converge([write(tmp_path / "file")], "--json")
    said = json.loads(answer.stdout)
    assert {key: said[key] for key in ("ok", "check", "plan_written", "changed", "changes")} == {
        "ok": True,
        "check": False,
        "plan_written": True,
        "changed": 1,
        "changes": [{"host": "psw-core", "role": "", "task": "Write a file"}],
    }
    assert said["hosts"]["psw-core"] == {"ok": 1, "changed": 1, "failed": 0, "unreachable": 0, "skipped": 0, "rescued": 0}
    assert said["log"] == str(logs(project)[0])
    assert 0 < said["duration_s"] < 120


def test_a_check_shows_the_difference_and_changes_nothing(converge, project, tmp_path):
    file = tmp_path / "file"
    file.write_text("old\n")
    answer = converge([write(file)], "--check", "--diff")
    assert answer.exit_code == 0
    assert answer.stdout.startswith("would change 1 thing; nothing was changed (")
    assert "psw-core  -     Write a file\n" in answer.stdout
    assert "psw-core, Write a file\n--- before: " in answer.stdout
    assert "\n-old\n+new\n" in answer.stdout
    assert file.read_text() == "old\n"
    assert not (project / "deployment-plan.yml").exists()


def test_a_failure_names_the_layer_the_task_the_reason_and_the_log(converge, project, documented):
    answer = converge([{"name": "Start it", "ansible.builtin.fail": {"msg": "the unit did not start"}}])
    assert (answer.exit_code, answer.stdout) == (1, "")
    log = f".psw/runs/{logs(project)[0].name}"
    assert answer.stderr.endswith(f"\nerror: target psw-core, task 'Start it' failed: the unit did not start\n  the log of this run: {log}\n")
    assert documented(answer.stderr[answer.stderr.index("error: ") :])


def test_a_failure_in_an_apps_role_names_the_app(converge, project, tmp_path, monkeypatch):
    (tmp_path / "roles/openwebui/tasks").mkdir(parents=True)
    (tmp_path / "roles/openwebui/tasks/main.yml").write_text(json.dumps([{"name": "Answer", "ansible.builtin.fail": {"msg": "no answer"}}]))
    monkeypatch.setenv("ANSIBLE_ROLES_PATH", str(tmp_path / "roles"))
    said = json.loads(converge([{"ansible.builtin.include_role": {"name": "openwebui"}}], "--json").stdout)
    assert said["error"]["message"] == "app openwebui on psw-core, task 'Answer' failed: no answer"
    assert (said["layer"], said["host"], said["task"]) == ("app openwebui on psw-core", "psw-core", "Answer")


def test_a_delegated_failure_names_the_node(converge, on_this_machine):
    on_this_machine("pve1")
    task = {"name": "Make the container", "ansible.builtin.command": "false", "delegate_to": "pve1"}
    answer = converge([task])
    # The reason is the module's own, and releases of ansible-core word it differently.
    assert re.search(r"error: node pve1, task 'Make the container' failed: .*non-zero return code", answer.stderr)


def test_a_refusal_of_a_task_is_a_refusal(converge, tmp_path, monkeypatch):
    (tmp_path / "library").mkdir()
    (tmp_path / "library/refuse.py").write_text(
        "#!/usr/bin/python\nfrom ansible.module_utils.basic import AnsibleModule\n"
        "AnsibleModule({}).fail_json(msg='no', refusal={'code': 'no_pool', 'message': 'no local NVMe pool', 'hint': 'name one'})\n"
    )
    monkeypatch.setenv("ANSIBLE_LIBRARY", str(tmp_path / "library"))
    answer = converge([{"name": "Refuse", "refuse": {}}], "--json")
    assert answer.exit_code == 3
    assert json.loads(answer.stdout)["refusal"] == {"code": "no_pool", "message": "no local NVMe pool", "hint": "name one"}


def test_a_node_that_does_not_answer_is_named_with_what_to_try(converge, edit, documented):
    edit("psw.yml", "{host: 192.0.2.10}", "{host: 127.0.0.1, port: 1}")
    answer = converge([{"name": "Look", "ansible.builtin.command": "true"}], hosts="pve1")
    assert (answer.exit_code, answer.stdout) == (4, "")
    assert documented(answer.stderr[answer.stderr.index("error: ") :])


@pytest.mark.parametrize(
    ("said", "login", "hint"),
    [
        (DENIED, "host: 192.0.2.10", "ssh-copy-id root@192.0.2.10, or"),
        (DENIED, "host: 192.0.2.10, port: 2222, ssh_key: /keys/psw", "ssh-copy-id -p 2222 -i /keys/psw root@192.0.2.10, or"),
        (OTHER_KEY, "host: 192.0.2.10", "ssh-keygen -R 192.0.2.10 -f "),
        (OTHER_KEY, "host: 192.0.2.10, port: 2222", "ssh-keygen -R '[192.0.2.10]:2222' -f "),
    ],
)
def test_a_node_that_lets_nobody_in_is_named_with_what_opens_it(turned_away, documented, said, login, hint):
    answer = turned_away(login, said)
    assert (answer.exit_code, answer.stdout) == (4, "")
    assert hint in answer.stderr
    assert "try: ssh" not in answer.stderr
    assert documented(answer.stderr[answer.stderr.index("error: ") :]) or login != "host: 192.0.2.10"


@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_run_needs_nobody_to_talk_to(project, edit, number):
    edit("psw.yml", "{host: 192.0.2.10}", "{host: 127.0.0.1, port: 1}")
    streams = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)
    assert subprocess.run([*PSW, "node", "setup-gpu", "pve1"], preexec_fn=lambda: os.close(number), check=False, **streams).returncode == 4


def test_an_ignored_failure_is_none(converge):
    assert converge([{"ansible.builtin.command": "false", "ignore_errors": True, "changed_when": False}]).exit_code == 0


def test_an_ignored_failure_is_not_to_blame_for_a_later_one(converge):
    ignored = {"name": "Try", "ansible.builtin.command": "false", "ignore_errors": True, "changed_when": False}
    answer = converge([ignored, {"name": "Insist", "ansible.builtin.fail": {"msg": "no"}}])
    assert "error: target psw-core, task 'Insist' failed: no\n" in answer.stderr


def test_what_ansible_cannot_read_is_told_in_its_words(converge):
    answer = converge([{"name": "x", "no.such.module": {}}])
    assert answer.exit_code == 1
    assert "error: couldn't resolve module/action 'no.such.module'" in answer.stderr


def test_arguments_after_the_dashes_reach_ansible(converge):
    answer = converge([{"ansible.builtin.fail": {"msg": "{{ why }}"}}], "--", "-e", "why=because", "--forks", "1")
    assert "failed: because\n" in answer.stderr


def test_the_users_own_settings_and_files_do_not_get_in_the_way(converge, project, monkeypatch):
    (project / "ansible.cfg").write_text("[defaults]\nstrategy = no.such.strategy\n")
    (project / "secrets.py").write_text("raise SystemExit('imported from the current directory')")
    monkeypatch.setenv("ANSIBLE_CONFIG", str(project / "ansible.cfg"))
    monkeypatch.setenv("ANSIBLE_STDOUT_CALLBACK", "no.such.callback")
    answer = converge([{"ansible.builtin.debug": {"msg": "hello"}}], "--json")
    assert answer.exit_code == 0, answer.stdout
    assert list(json.loads(answer.stdout)["hosts"]) == ["psw-core"]


def test_a_limit_leaves_the_other_targets_alone(converge):
    answer = converge([{"ansible.builtin.command": "true", "changed_when": True}], "--limit", "psw-ai", hosts="targets")
    assert answer.stdout.splitlines()[-1] == "psw-ai  1   1"


def test_v_shows_what_ansible_says(converge):
    assert "ok: [psw-core] => {\n" in converge([{"ansible.builtin.debug": {"msg": "hello"}}], "-v").stderr.replace("\r", "")


def test_the_log_is_the_owners_alone_and_has_no_colours(converge, project):
    converge([{"name": "Say it", "ansible.builtin.debug": {"msg": "hello"}}])
    (log,) = logs(project)
    assert stat.S_IMODE(log.stat().st_mode) == 0o600
    assert log.name.endswith("-deploy-converge.log")
    text = log.read_text()
    assert "TASK [Say it]" in text
    assert "\x1b" not in text


@pytest.fixture
def secret(project):
    """A secret that the project's file holds."""
    init = subprocess.run([*PSW, "init", str(project / "other"), "--domain", "x.example"], capture_output=True, text=True, check=False)
    assert init.returncode == 0, init.stderr
    (project / "other/.sops.yaml").rename(project / ".sops.yaml")
    code = (
        "import sys\nfrom ansible_collections.psw.ai.plugins.plugin_utils._project import Project\n"
        "from ansible_collections.psw.ai.plugins.plugin_utils._secrets import Secrets\n"
        "Secrets(Project.open(sys.argv[1])).set('postgres', 'postgres_password', 'Tr0ub4dor-and-3')"
    )
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    subprocess.run([sys.executable, "-c", code, project], check=True, env={**os.environ, "PATH": path})
    return "Tr0ub4dor-and-3"


def test_no_log_results_and_known_secrets_reach_neither_log_nor_output(converge, project, secret):
    hidden = {"name": "Hide it", "ansible.builtin.command": f"echo {secret}", "no_log": True}
    slips = {"name": "Let it slip", "ansible.builtin.fail": {"msg": f"password is {secret}"}}
    answer = converge([hidden, slips], "--json", "-v")
    assert answer.exit_code == 1
    assert json.loads(answer.stdout)["error"]["message"] == "target psw-core, task 'Let it slip' failed: password is ********"
    left = [file for file in (project / ".psw").rglob("*") if file.is_file()]
    assert logs(project)[0] in left
    assert [file for file in left if secret in file.read_text()] == []
    assert secret not in answer.output


def test_a_secret_that_is_made_during_a_run_is_no_longer_in_its_log(converge, project, secret):
    slip = {"ansible.builtin.debug": {"msg": "the key is sk-brand-new-key"}}
    store = {"psw.ai.project_secrets": {"app": "probe", "name": "probe_openwebui_service_key", "value": "sk-brand-new-key"}, "no_log": True}
    assert converge([slip, store]).exit_code == 0
    text = logs(project)[0].read_text()
    assert "the key is ********" in text
    assert "sk-brand-new-key" not in text


def test_a_run_leaves_nothing_but_its_log(converge, project):
    converge([{"ansible.builtin.debug": {"msg": "hello"}}])
    assert sorted(path.name for path in (project / ".psw").iterdir()) == ["lock", "runs"]


def test_secrets_that_cannot_be_opened_stop_a_run_before_it_starts(converge, project, secret, tmp_path, monkeypatch):
    monkeypatch.setenv("SOPS_AGE_KEY_FILE", str(tmp_path / "none.txt"))
    answer = converge([{"ansible.builtin.debug": {"msg": "hello"}}])
    assert (answer.exit_code, answer.stdout) == (2, "")
    assert logs(project) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_stops_ansible_and_may_be_repeated(project, on_this_machine, documented, tmp_path, number):
    on_this_machine("psw-core")
    with running(project, tmp_path) as process:
        os.kill(process.pid, number)
        out, err = process.communicate(timeout=300)
    assert process.returncode == 130, err
    assert json.loads(out)["error"] == {
        "code": "interrupted",
        "message": "psw deploy converge: stopped as you asked",
        "hint": "it is safe to run it again",
    }
    assert documented("interrupted: psw deploy converge: stopped as you asked\n  it is safe to run it again")
    assert workers(project) == []
    assert sorted(path.name for path in (project / ".psw").iterdir()) == ["lock", "runs"]
    assert (project / ".psw/lock").read_text() == ""


def test_a_killed_psw_takes_ansible_along_and_the_next_one_tidies_up(project, tmp_path, converge):
    with running(project, tmp_path) as process:
        process.kill()
        process.wait()
    deadline = time.monotonic() + 300
    while workers(project) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert workers(project) == []
    assert converge([{"ansible.builtin.debug": {"msg": "hello"}}]).exit_code == 0
    assert sorted(path.name for path in (project / ".psw").iterdir()) == ["lock", "runs"]


def test_a_run_under_nohup_outlives_the_terminal(project, on_this_machine, tmp_path):
    on_this_machine("psw-core")
    with running(project, tmp_path, "nohup") as process:
        os.kill(process.pid, signal.SIGHUP)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(timeout=3)
        assert workers(project) != []
        os.kill(process.pid, signal.SIGTERM)
        process.communicate(timeout=300)
    assert process.returncode == 130


def running(project, tmp_path, *before):
    """Start a converge that waits in its task, and return when it does."""
    started = tmp_path / "started"
    started.unlink(missing_ok=True)
    wait = {"name": "Wait", "ansible.builtin.shell": f"touch {started}; exec sleep 300"}
    (tmp_path / "wait.yml").write_text(json.dumps([{"hosts": "psw-core", "gather_facts": False, "tasks": [wait]}]))
    code = f"import psw_cli.deploy\npsw_cli.deploy.PLAYBOOK = {str(tmp_path / 'wait.yml')!r}\nfrom psw_cli.main import main\nmain()"
    process = subprocess.Popen(
        [*before, sys.executable, "-c", code, "deploy", "converge", "--json"], cwd=project, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 300
    while not started.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.1)
    assert started.exists(), process.communicate()[1]
    return process


def workers(project):
    """Return the command lines of what still runs for this project."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = entry.read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
        if str(project / "psw.yml") in line:
            found.append(line)
    return found
