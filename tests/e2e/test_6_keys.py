# SPDX-License-Identifier: GPL-3.0-or-later
"""Service keys in a house that runs: programs use them, they change while others work, and they are found nowhere else.

By default the kills fall at a few moments in the life of a key. With PSW_FULL=1 they fall every tenth of a second, and fifty programs get keys.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from functools import cache
from pathlib import Path

import pytest

from lab.chat import Chat
from lab.project import MODEL
from lab.state import DOMAIN

pytestmark = pytest.mark.e2e
REPO = Path(__file__).parents[2]
# Every key, whoever has it, and every account of a consumer, whether it has a key or not.
KEYS = "select u.email, k.key from \"user\" u full join api_key k on k.user_id = u.id where k.key is not null or u.email like 'psw-%@psw.local';"
REVOKE = "delete from api_key where user_id = (select id from \"user\" where email = 'psw-{}@psw.local');"
BEFORE_KEEPING = "Keep Open WebUI as it should be"  # where hosts do not wait for each other, Ansible names a task when it has ended: the next one begins
KEEPING = "Keep one key per consumer, and prove those that are new"
ROTATING = "Bring the keys into the wished state"


@cache
def address(project, app):
    """Return where an app runs; `psw status` takes seconds, and targets do not move here."""
    return project.address(app)


def on_core(machines, *command, check=True, stdin=None):
    return machines.ssh(address(machines.project, "openwebui"), *command, check=check, stdin=stdin)


def sql(machines, statement):
    return on_core(machines, "podman exec -i postgres psql -U postgres -d openwebui -At", stdin=statement).stdout.split()


def live(machines):
    """Return {account: its key} of what Open WebUI's database holds."""
    rows = [row.partition("|")[::2] for row in sql(machines, KEYS)]
    assert len(rows) == len(dict(rows)), "an account has two keys, or two keys have no account"
    return dict(rows)


def stored(project):
    """Return {account: its key} of what the project keeps for its consumers."""
    apps = secrets(project)
    return {item["email"]: apps[item["consumer"]][item["secret"]] for item in project.json("consumer", "list")["consumers"]}


def secrets(project):
    """Return what secrets/apps.yml holds: {app or program: {name: value}}."""
    command = ["sops", "decrypt", "--output-type", "json", project.path / "secrets" / "apps.yml"]
    return json.loads(subprocess.run(command, env=project.environment, check=True, capture_output=True, text=True).stdout)["apps"]


def key_of(project, consumer):
    return project.run("secrets", "show", f"{consumer}.{consumer.replace('-', '_')}_openwebui_service_key").stdout.strip()


def status(project, key):
    return Chat(f"chat.{DOMAIN}", address(project, "caddy"), project.path / ".psw" / "ca.crt", key).models().status


def states(project):
    return {row["consumer"]: row["state"] for row in project.json("key", "list")["keys"]}


def check_settled(project, machines):
    """Each consumer has one account with one key, and it is the stored one; nobody else has any."""
    assert live(machines) == stored(project)


def wish_for(project, *names):
    """Write the user's programs into psw.yml by hand."""
    text = re.sub(r"(?ms)^consumers:.*?(?=^\S|\Z)", "", (project.path / "psw.yml").read_text(encoding="utf-8"))
    wishes = "consumers:\n" + "".join(f"  {name}: {{}}\n" for name in names) if names else ""
    (project.path / "psw.yml").write_text(text + wishes, encoding="utf-8")


@pytest.fixture(scope="module", autouse=True)
def house(project, converged):
    yield
    wish_for(project)
    project.run("deploy", "converge")


# Programs


@pytest.fixture(scope="module")
def program(project, tmp_path_factory):
    """Run a program as in a house whose DNS knows the chat page, with what `psw consumer add` says to give it."""
    use = project.json("consumer", "add", "e2e-program")
    hosts = tmp_path_factory.mktemp("house") / "hosts"
    hosts.write_text(f"127.0.0.1 localhost\n{address(project, 'caddy')} chat.{DOMAIN}\n", encoding="utf-8")
    names = {"OPENAI_BASE_URL": use["base_url"], "OPENAI_API_KEY": use["key"], "SSL_CERT_FILE": use["ca_file"], "NODE_EXTRA_CA_CERTS": use["ca_file"]}
    environment = {**os.environ, **names, "NO_PROXY": f"chat.{DOMAIN}"}

    def run(*command, cwd=None):
        inside = ["unshare", "--mount", "sh", "-c", 'mount --bind "$0" /etc/hosts && exec "$@"', hosts, *command]
        done = subprocess.run(inside, cwd=cwd, env=environment, capture_output=True, text=True, check=False, timeout=180)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def example(title, language):
    """Return the code of a section of the guide."""
    return re.search(rf"## {title}\n.*?```{language}\n(.*?)```", (REPO / "docs/api.md").read_text(encoding="utf-8"), re.DOTALL).group(1)


def test_the_guides_python_chats_and_streams_with_the_openai_sdk(program, tmp_path):
    (tmp_path / "chat.py").write_text(example("Python", "python"), encoding="utf-8")
    whole, _, streamed = program(sys.executable, tmp_path / "chat.py").partition("\n")
    assert whole.strip() != ""
    assert streamed.strip() != ""


def test_the_openai_sdk_gets_a_stream_piece_by_piece(program, tmp_path):
    text = (
        "from openai import OpenAI\n"
        f"chunks = list(OpenAI().chat.completions.create(model={MODEL!r}, messages=[{{'role': 'user', 'content': 'Count to ten.'}}], stream=True))\n"
        "print(len([chunk for chunk in chunks if chunk.choices and chunk.choices[0].delta.content]))\n"
    )
    (tmp_path / "stream.py").write_text(text, encoding="utf-8")
    assert int(program(sys.executable, tmp_path / "stream.py")) > 1


def test_the_guides_curl_streams(program):
    command = example("curl", "console").removeprefix("$ ").replace("llama3.2:3b", MODEL)
    lines = program("sh", "-c", command).strip().splitlines()
    assert lines[0].startswith("data: {")
    assert lines[-1] == "data: [DONE]"


def test_the_guides_javascript_chats_and_streams(program, tmp_path):
    if not shutil.which("npm"):
        pytest.skip("this machine has no node and npm")
    if subprocess.run(["npm", "install", "--silent", "openai"], cwd=tmp_path, capture_output=True, check=False, timeout=120).returncode:
        pytest.skip("npm cannot install openai here")
    (tmp_path / "chat.mjs").write_text(example("JavaScript", "javascript"), encoding="utf-8")
    whole, _, streamed = program("node", "chat.mjs", cwd=tmp_path).partition("\n")
    assert whole.strip() != ""
    assert streamed.strip() != ""


# The life of a key


def test_a_key_comes_changes_and_goes_and_nobody_else_notices(project, machines):
    others = live(machines)
    first = project.json("consumer", "add", "e2e-script")["key"]
    assert status(project, first) == 200

    project.run("deploy", "reset", "e2e-script")
    second = key_of(project, "e2e-script")
    assert (status(project, first), status(project, second)) == (401, 200)
    assert live(machines) == {**others, "psw-e2e-script@psw.local": second}
    check_settled(project, machines)

    project.run("consumer", "remove", "e2e-script")
    assert status(project, second) == 401
    assert live(machines) == others
    check_settled(project, machines)


def test_a_key_revoked_by_hand_is_shown_and_healed_by_a_converge(project, machines):
    project.run("consumer", "add", "e2e-script")
    before = live(machines)
    sql(machines, REVOKE.format("e2e-script"))
    assert states(project)["e2e-script"] == "missing"

    project.run("deploy", "converge")
    check_settled(project, machines)
    assert set(states(project).values()) == {"valid"}
    after = live(machines)
    assert {account for account in after if after[account] != before[account]} == {"psw-e2e-script@psw.local"}


# Two at once


def start(project, *words):
    return subprocess.Popen(["psw", "-C", str(project.path), *words], env=project.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def await_lock(project):
    """Wait until somebody has signed the project's lock."""
    deadline = time.monotonic() + 30
    while not (project.path / ".psw" / "lock").read_text(encoding="utf-8"):
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("first", [("deploy", "converge"), ("deploy", "reset")])
def test_a_converge_beside_another_psw_is_refused_or_waits_as_told(first, project, machines):
    running = start(project, *first)
    await_lock(project)
    refused = project.run("deploy", "converge", "--lock-timeout", "0", check=False)
    waited = project.run("deploy", "converge", "--lock-timeout", "120")
    assert running.wait() == 0, running.stdout.read()
    assert "another psw is at work" in refused.stderr
    assert refused.returncode == 3
    assert "waiting for" in waited.stderr
    check_settled(project, machines)


def test_ansible_playbook_and_psw_change_keys_one_after_the_other(project, machines):
    before = live(machines)
    playbook = [Path(sys.executable).parent / "ansible-playbook", "-i", project.path / "psw.yml"]
    rotate = [*playbook, "psw.ai.keys", "-e", "psw_key_state=rotated"]
    running = [
        start(project, "deploy", "reset"),
        *(subprocess.Popen(command, env=project.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) for command in (rotate, rotate)),
    ]
    assert [(process.communicate()[0], process.returncode)[1] for process in running] == [0, 0, 0]
    check_settled(project, machines)
    assert set(live(machines).values()) & set(before.values()) == set()


# Many


def seconds_of_keeping(process):
    """Return how long a run, which has to succeed, was busy with the keys."""
    named = {}
    for line in process.stdout:
        named.update({task: time.monotonic() for task in (BEFORE_KEEPING, KEEPING) if line.startswith("TASK [") and task in line})
    assert process.wait() == 0
    return named[KEEPING] - named[BEFORE_KEEPING]


@pytest.mark.skipif("PSW_FULL" not in os.environ, reason="takes a minute; the same on a bare Open WebUI is in tests/integration")
def test_fifty_programs_get_their_keys_in_one_converge_and_cost_the_next_one_next_to_nothing(project, machines):
    wish_for(project, *(f"e2e-crowd-{number}" for number in range(50)))
    converge = ("-v", "deploy", "converge", "--tags", "apps", "--limit", "psw-core")

    mint = seconds_of_keeping(start(project, *converge))
    check_settled(project, machines)
    look = seconds_of_keeping(start(project, *converge))

    assert len(live(machines)) == 51
    assert mint < 30
    assert look < 3
    assert set(states(project).values()) == {"valid"}


# Killed


def children(pid):
    """Return the processes that this one started, and those that they started."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
    found = [pid]
    for parent in found:
        found += [child for child, its in parents.items() if its == parent]
    return found[1:]


def kill_psw(process, _machines):
    os.kill(process.pid, signal.SIGKILL)


def kill_ansible(process, _machines):
    for pid in children(process.pid):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue


def kill_program(_process, machines):
    on_core(machines, "pkill -9 -fx 'python -'", check=False)  # what works with Open WebUI's database, in its container


VICTIMS = {"psw": kill_psw, "ansible-playbook": kill_ansible, "the program in the container": kill_program}


def killed(process, moment, delay, kill):
    """Kill with -9, that long into a task."""
    for line in process.stdout:
        if moment in line:
            time.sleep(delay)
            kill(process)
            break
    else:
        pytest.fail(f"there was no task {moment}")
    process.communicate()


# Who is killed, and how many seconds into the task: Open WebUI's account, its key, the answer on its way, sops, the proof.
KILLS = [("the program in the container", 0.7), ("the program in the container", 1.3), ("ansible-playbook", 1.0), ("psw", 1.3)]
if os.environ.get("PSW_FULL"):
    KILLS = [(victim, tenth / 10) for victim in VICTIMS for tenth in range(19)]
CONVERGE = ("deploy", "converge", "--tags", "apps", "--limit", "psw-core")


@pytest.fixture(scope="module")
def three_programs(project):
    wish_for(project, "e2e-one", "e2e-two", "e2e-three")
    project.run(*CONVERGE)


@pytest.mark.parametrize(("victim", "delay"), KILLS)
@pytest.mark.usefixtures("three_programs")
def test_after_a_kill_while_keys_change_the_next_run_ends_with_one_key_each(victim, delay, project, machines):
    killed(start(project, "-v", "deploy", "reset"), ROTATING, delay, lambda process: VICTIMS[victim](process, machines))
    project.run(*CONVERGE, "--lock-timeout", "60")
    check_settled(project, machines)
    assert len(live(machines)) == 4


@pytest.mark.parametrize(("victim", "delay"), KILLS)
def test_after_a_kill_in_a_first_mint_the_next_run_ends_with_one_key_each(victim, delay, project, machines):
    new = f"e2e-{list(VICTIMS).index(victim)}-{delay * 10:.0f}"
    wish_for(project, f"{new}-one", f"{new}-two", f"{new}-three")  # and those of the test before go
    killed(start(project, "-v", *CONVERGE), BEFORE_KEEPING, delay, lambda process: VICTIMS[victim](process, machines))
    project.run(*CONVERGE, "--lock-timeout", "60")
    check_settled(project, machines)
    assert len(live(machines)) == 4
