# SPDX-License-Identifier: GPL-3.0-or-later
"""Apps that hold keys get them as their catalogue entries say.

The apps are in the collection for these tests only: `scribe` is two programs with a key each, beside Open WebUI; `outpost` has a key on another target.
"""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import uuid
from dataclasses import dataclass
from pathlib import Path

import pytest

from lab.project import LabProject

pytestmark = pytest.mark.e2e
REPO = Path(__file__).parents[2]
CONVERGE = ("deploy", "converge", "--tags", "apps", "--limit", "psw-core")
PROGRAMS = ("scribe", "scribe-notes")
APPS = ("scribe", "outpost")
ASK = "podman exec systemd-{} python -c 'import urllib.request as u; print(u.urlopen(\"http://127.0.0.1:8000\").read().decode())'"
ACCOUNT = "(select id from \"user\" where email = 'psw-{}@psw.local')"
REVOKE = f"delete from api_key where user_id = {ACCOUNT};"
BREAK = f"""create function no_key() returns trigger language plpgsql as $$
begin if new.user_id = {ACCOUNT} then raise 'not this one'; end if; return new; end $$;
create trigger no_key before insert on api_key for each row execute function no_key();"""
COUNT = """table inet e2e { chain out { type filter hook output priority 0; ip daddr %s tcp dport 443 ct state new counter; }; }"""
BEFORE_HANDING_ON = "Say that an app is left as it is"
MEND = "drop trigger if exists no_key on api_key; drop function if exists no_key;"


@dataclass(frozen=True)
class House(LabProject):
    """The lab's project, in the hands of a psw that knows one app more."""

    collections: Path

    @property
    def environment(self):
        return {**super().environment, "PYTHONPATH": str(self.collections)}

    def keys(self):
        """Return {account: stored key} of the app's programs."""
        return {name: self.secret(name, f"{name.replace('-', '_')}_openwebui_service_key") for name in PROGRAMS}


@pytest.fixture(scope="module")
def house(converged, tmp_path_factory):
    place = tmp_path_factory.mktemp("collections")
    collection = place / "ansible_collections" / "psw" / "ai"
    for part in ("catalog", "meta", "playbooks", "plugins", "roles"):
        shutil.copytree(REPO / part, collection / part, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(REPO / "galaxy.yml", collection)
    shutil.copytree(Path(__file__).parent / "scribe", collection, dirs_exist_ok=True)
    house = House(converged.lab, place)
    house.run("app", "add", *APPS)
    house.run("deploy", "converge")
    yield house
    if "outpost" in (house.path / "psw.yml").read_text(encoding="utf-8"):
        house.run("app", "remove", *APPS)
        house.run("deploy", "converge", "--tags", "apps")


@pytest.fixture(scope="module")
def core(house, machines):
    """Run a command on the target of Open WebUI and its apps."""
    address = house.address("openwebui")
    return lambda *command, stdin=None: machines.ssh(address, *command, stdin=stdin).stdout


def sql(core, statement):
    return core("podman exec -i postgres psql -U postgres -d openwebui -At -v ON_ERROR_STOP=1", stdin=statement)


def answers(core):
    """Return what Open WebUI answers to each program, with the key that the program has."""
    return {name: json.loads(core(ASK.format(name)))["status"] for name in PROGRAMS}


def started(core):
    """Return since when each container runs."""
    return dict(line.split(" ", 1) for line in core("podman ps --format '{{.Names}} {{.StartedAt}}'").splitlines())


def restarted(before, after):
    return {name for name in before if before[name] != after.get(name)}


def test_its_programs_use_the_api_with_the_keys_that_it_was_given(house, core):
    assert answers(core) == {"scribe": 200, "scribe-notes": 200}
    assert {row["consumer"]: (row["app"], row["state"]) for row in house.json("key", "list")["keys"]} == {
        "outpost": ("outpost", "valid"),
        "probe": ("openwebui", "valid"),
        "scribe": ("scribe", "valid"),
        "scribe-notes": ("scribe", "valid"),
    }
    assert core("stat -c '%a %u' /srv/scribe/notes.key") == "600 0\n"
    told = core("cat /etc/containers/systemd/*.container /run/systemd/generator/*.service; podman ps -aq | xargs podman inspect; cat /proc/[0-9]*/cmdline")
    assert [name for name, key in house.keys().items() if key in told] == []


def test_a_second_converge_finds_nothing_to_do(house, core):
    before = started(core)
    assert house.run("deploy", "converge").stdout.startswith("nothing to do")
    assert restarted(before, started(core)) == set()


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_new_key_reaches_its_program_and_nothing_else_is_restarted(house, core, program):
    keys, before = house.keys(), started(core)

    house.run("deploy", "reset", program)

    assert {name for name, key in house.keys().items() if key != keys[name]} == {program}
    assert restarted(before, started(core)) == {f"systemd-{program}"}
    assert answers(core) == {"scribe": 200, "scribe-notes": 200}


def kill_9_at(house, task, *words):
    """Run a psw command, and kill it with all that it started here as soon as it comes to a task."""
    mark = uuid.uuid4().hex
    command = ["psw", "-C", str(house.path), "-v", *words]
    process = subprocess.Popen(command, env={**house.environment, "PSW_E2E": mark}, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    assert any(task in line for line in process.stderr), f"there was no task {task}"
    for place in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has ended by itself
            if mark.encode() in (place / "environ").read_bytes():
                os.kill(int(place.name), signal.SIGKILL)
    process.communicate()


def test_a_run_killed_between_store_and_hand_on_is_finished_by_the_next_converge(house, core):
    old = house.keys()
    kill_9_at(house, BEFORE_HANDING_ON, "deploy", "reset", "scribe")
    stored = house.keys()
    assert {name for name in PROGRAMS if stored[name] != old[name]} == {"scribe"}
    assert answers(core) == {"scribe": 401, "scribe-notes": 200}

    house.run(*CONVERGE, "--lock-timeout", "60")

    assert answers(core) == {"scribe": 200, "scribe-notes": 200}
    assert house.keys() == stored


def test_a_key_revoked_by_hand_is_healed_and_handed_on_by_a_converge_and_no_other_program_notices(house, core):
    before = started(core)
    sql(core, REVOKE.format("scribe"))
    assert answers(core) == {"scribe": 401, "scribe-notes": 200}

    house.run(*CONVERGE)

    assert restarted(before, started(core)) == {"systemd-scribe"}
    assert answers(core) == {"scribe": 200, "scribe-notes": 200}


def test_where_one_key_cannot_be_made_the_others_are_handed_on_and_the_one_is_named(house, core):
    house.run("consumer", "add", "e2e-unlucky")
    for name in ("scribe", "e2e-unlucky"):
        sql(core, REVOKE.format(name))
    sql(core, BREAK.format("e2e-unlucky"))
    try:
        failed = house.run(*CONVERGE, check=False)
        assert failed.returncode == 1
        assert re.search("e2e-unlucky: Open WebUI's ORM broke off .*not this one", failed.stderr)
        assert answers(core) == {"scribe": 200, "scribe-notes": 200}
    finally:
        sql(core, MEND)
        house.run("consumer", "remove", "e2e-unlucky")


def test_an_app_whose_key_cannot_be_made_is_left_as_it_is_until_a_converge_can(house, core):
    before = started(core)
    sql(core, REVOKE.format("scribe") + BREAK.format("scribe"))
    try:
        failed = house.run("deploy", "reset", "scribe", "scribe-notes", check=False)
        assert failed.returncode == 1
        assert re.search("scribe: Open WebUI's ORM broke off .*not this one", failed.stderr)
        assert restarted(before, started(core)) == set()
    finally:
        sql(core, MEND)

    house.run(*CONVERGE)

    assert restarted(before, started(core)) == {"systemd-scribe", "systemd-scribe-notes"}
    assert answers(core) == {"scribe": 200, "scribe-notes": 200}


def test_a_key_on_another_target_is_proven_from_there_by_the_road_that_its_app_goes(house, machines):
    door, here = house.address("caddy"), house.address("ollama")
    assert door != here

    def afar(*command, stdin=None):
        return machines.ssh(here, *command, stdin=stdin).stdout

    afar("nft -f -", stdin=COUNT % door)
    try:
        house.run("deploy", "reset", "outpost")
        assert int(re.search(r"counter packets (\d+)", afar("nft list table inet e2e"))[1]) > 0
    finally:
        afar("nft delete table inet e2e")
    assert afar("cat /srv/outpost/key").strip() == house.secret("outpost", "outpost_openwebui_service_key")
    assert afar("stat -c '%a %u' /srv/outpost/key") == "600 0\n"


def test_an_app_that_goes_takes_users_and_keys_along(house, core):
    keys = house.keys()
    house.run("app", "remove", *APPS)
    house.run("deploy", "converge", "--tags", "apps")

    assert sql(core, "select email from \"user\" where email like 'psw-%'") == "psw-probe@psw.local\n"
    assert not set(keys.values()) & set(sql(core, "select key from api_key").split())
    assert [name for name in PROGRAMS if name in house.run("secrets", "list").stdout] == []
    assert core("podman secret ls --format '{{.Name}}' | grep scribe; ls /srv/scribe/notes.key 2>/dev/null; podman ps -aq --filter name=scribe; true") == ""
