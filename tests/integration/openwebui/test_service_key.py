"""The module against the real thing: every release line that psw's script knows, the running server asked through its API."""

import contextlib
import json
import re
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import yaml
from ansible.module_utils.testing import patch_module_args
from ansible_collections.psw.ai.plugins.module_utils import _openwebui_program
from ansible_collections.psw.ai.plugins.modules import openwebui_key_usage, openwebui_service_key

pytestmark = pytest.mark.integration

CHAT = "/api/models"
ADMIN = {"email": "admin@psw.local", "password": "sentinel-password"}
PINNED = yaml.safe_load((Path(__file__).parents[3] / "catalog/images.yml").read_text())["images"]["openwebui"]["tag"].removeprefix("v")
NO_ORM = Path(__file__).parent / "no_orm"  # shadows open_webui with a package that cannot be imported


@pytest.fixture
def keys(podman, capsys):
    """Call the module for a server and return its result."""

    def call(server, *consumers, state="present", check=False, fails=False, glance_only=False, **options):
        argv = podman(server, **({"PYTHONPATH": NO_ORM} if glance_only else {}))
        args = {"consumers": [{"consumer": name, **more} for name, more in consumers], "state": state, "_ansible_check_mode": check, **options}
        capsys.readouterr()
        with patch_module_args(args), pytest.raises(SystemExit):
            openwebui_service_key.main()
        result = json.loads(capsys.readouterr().out)
        assert bool(result.get("failed")) is fails, result["msg"]
        assert "sk-" not in argv.read_text()
        assert "sk-" not in json.dumps(result.get("diff", ""))
        return result if fails else {**result, **{item["consumer"]: item for item in result["consumers"]}}

    return call


# Appended to the program's text: it kills itself with -9 when it has done a step.
DEADLY = """
import signal
completed = {step}

async def deadly(*args):
    await completed(*args)
    os.kill(os.getpid(), signal.SIGKILL)

{step} = deadly
"""


@pytest.fixture
def killed_after(monkeypatch, keys):
    """Call the module for a server, and let the program in the container be killed right after one of its steps."""

    def call(step, server, *consumers, **options):
        text_of = _openwebui_program.text_of

        def text(part):
            return text_of(part) + (DEADLY.format(step=step) if part == "_openwebui_keys" else "")

        with monkeypatch.context() as patch:
            patch.setattr(_openwebui_program, "text_of", text)
            assert "(exit code -9)" in keys(server, *consumers, fails=True, **options)["msg"]

    return call


@pytest.fixture
def usage(podman, capsys):
    """Ask the module how the keys of a server are used."""

    def call(server):
        podman(server)
        capsys.readouterr()
        with patch_module_args({}), pytest.raises(SystemExit):
            openwebui_key_usage.main()
        return json.loads(capsys.readouterr().out)["usage"]

    return call


def users(server):
    return {user["email"]: user for user in server.get("/api/v1/users/", server.admin_token)[1]["users"]}


def test_a_minted_key_opens_the_two_endpoints_that_programs_need_and_no_other(webui, keys):
    minted = keys(webui, ("fresh", {}))

    assert (minted["changed"], minted["status"]) == (True, "minted")
    key = minted["fresh"]["key"]
    assert key.startswith("sk-")
    assert len(key) == 35
    assert webui.get("/api/models", key)[0] == 200
    assert webui.get("/api/v1/users/", key)[0] == 403
    assert webui.get("/api/v1/chats/", key)[0] == 403
    assert users(webui)["psw-fresh@psw.local"]["role"] == "user"


def test_a_stored_key_that_works_stays_and_nothing_changes(webui, keys):
    key = keys(webui, ("steady", {}))["steady"]["key"]

    again = keys(webui, ("steady", {"key": key}))

    assert (again["changed"], again["status"]) == (False, "valid")
    assert "key" not in again["steady"]


def test_a_look_that_finds_nothing_to_do_needs_no_orm(webui, keys):
    key = keys(webui, ("quick", {}), ("chief", {"role": "admin"}))

    for state in ("present", "validated"):
        again = keys(webui, ("quick", {"key": key["quick"]["key"]}), ("chief", {"key": key["chief"]["key"], "role": "admin"}), state=state, glance_only=True)
        assert (again["changed"], again["status"]) == (False, "valid")
    assert "no ORM here" in keys(webui, ("quick", {}), fails=True, glance_only=True)["msg"]


def test_a_service_user_that_left_its_group_is_drift_and_healed(webui, keys):
    key = keys(webui, ("leaver", {}))["leaver"]["key"]
    group = next(group for group in webui.get("/api/v1/groups/", webui.admin_token)[1] if group["name"] == "psw-service")
    gone = {"user_ids": [users(webui)["psw-leaver@psw.local"]["id"]]}
    assert webui.get(f"/api/v1/groups/id/{group['id']}/users/remove", webui.admin_token, gone)[0] == 200
    assert webui.get(CHAT, key)[0] == 403

    assert keys(webui, ("leaver", {"key": key}), state="validated")["status"] == "drift"
    healed = keys(webui, ("leaver", {"key": key}))["leaver"]

    assert webui.get(CHAT, healed["key"])[0] == 200


def test_a_service_user_made_admin_in_the_admin_panel_is_drift_and_healed_with_its_key(webui, keys):
    key = keys(webui, ("climber", {}))["climber"]["key"]
    user = users(webui)["psw-climber@psw.local"]
    update = {"role": "admin", "name": user["name"], "email": user["email"], "profile_image_url": user["profile_image_url"]}
    assert webui.get(f"/api/v1/users/{user['id']}/update", webui.admin_token, update)[0] == 200

    assert keys(webui, ("climber", {"key": key}), state="validated")["status"] == "drift"
    assert keys(webui, ("climber", {"key": key}))["changed"]

    assert users(webui)["psw-climber@psw.local"]["role"] == "user"
    assert webui.get(CHAT, key)[0] == 200


def test_rotation_makes_a_new_key_and_the_old_one_gets_401(webui, keys):
    old = keys(webui, ("rotor", {}))["rotor"]["key"]

    new = keys(webui, ("rotor", {"key": old}), state="rotated")["rotor"]

    assert new["status"] == "rotated"
    assert webui.get(CHAT, old)[0] == 401
    assert webui.get(CHAT, new["key"])[0] == 200


def test_a_lost_key_is_replaced_and_no_second_user_appears(webui, keys):
    lost = keys(webui, ("loser", {}))["loser"]["key"]

    found = keys(webui, ("loser", {}))["loser"]

    assert found["status"] == "minted"
    assert webui.get(CHAT, lost)[0] == 401
    assert [email for email in users(webui) if "loser" in email] == ["psw-loser@psw.local"]


def test_a_user_switched_off_in_the_admin_panel_is_drift_and_healed_with_another_key(webui, keys):
    key = keys(webui, ("drifter", {}))["drifter"]["key"]
    user = users(webui)["psw-drifter@psw.local"]
    update = {"role": "pending", "name": user["name"], "email": user["email"], "profile_image_url": user["profile_image_url"]}
    assert webui.get(f"/api/v1/users/{user['id']}/update", webui.admin_token, update)[0] == 200
    assert webui.get(CHAT, key)[0] == 401

    assert keys(webui, ("drifter", {"key": key}), state="validated")["status"] == "drift"
    assert webui.get(CHAT, key)[0] == 401
    healed = keys(webui, ("drifter", {"key": key}))["drifter"]

    assert healed["status"] == "rotated"
    assert webui.get(CHAT, healed["key"])[0] == 200
    assert webui.get(CHAT, key)[0] == 401


def test_a_user_given_a_password_in_the_admin_panel_is_drift_and_replaced_with_its_key(webui, keys):
    key = keys(webui, ("opened", {}))["opened"]["key"]
    session = given_a_password(webui, account(webui, "opened"))
    assert webui.get("/api/v1/auths/api_key", session) == (200, {"api_key": key})

    assert keys(webui, ("opened", {"key": key}), state="validated")["status"] == "drift"
    planned = keys(webui, ("opened", {"key": key}), check=True)
    assert (planned["status"], "$2b$" in json.dumps(planned)) == ("rotated", False)
    assert ('"nobody can log in": false' in planned["diff"]["before"], '"nobody can log in": true' in planned["diff"]["after"]) == (True, True)
    assert logged_in(webui, account(webui, "opened"))[0] == 200
    healed = keys(webui, ("opened", {"key": key}))["opened"]

    assert (webui.get(CHAT, healed["key"])[0], webui.get(CHAT, key)[0]) == (200, 401)
    assert logged_in(webui, account(webui, "opened"))[0] == 400
    assert webui.get("/api/v1/auths/api_key", session)[0] == 401
    assert keys(webui, ("opened", {"key": healed["key"]}), glance_only=True)["status"] == "valid"


def test_a_user_deleted_in_the_admin_panel_comes_back_with_another_key(webui, keys):
    key = keys(webui, ("deleted", {}))["deleted"]["key"]
    user = users(webui)["psw-deleted@psw.local"]
    assert webui.get(f"/api/v1/users/{user['id']}", webui.admin_token, method="DELETE")[0] == 200
    assert webui.get(CHAT, key)[0] == 401

    healed = keys(webui, ("deleted", {"key": key}))["deleted"]

    assert healed["status"] == "rotated"
    assert webui.get(CHAT, healed["key"])[0] == 200


def test_a_user_given_another_address_in_the_admin_panel_goes_with_its_key_and_one_renamed_too_stays(webui, keys):
    moved, taken = (keys(webui, (name, {}))[name]["key"] for name in ("moved", "taken"))
    update(webui, account(webui, "moved"), email="moved@home.example")
    update(webui, account(webui, "taken"), email="taken@home.example", name="Anna")

    assert keys(webui, ("moved", {"key": moved}), state="validated")["status"] == "drift"
    planned = keys(webui, ("moved", {"key": moved}), check=True)
    assert ("moved@home.example" in planned["diff"]["before"], reach(webui, moved)) == (True, 200)
    healed = keys(webui, ("moved", {"key": moved}), ("taken", {"key": taken}))

    assert [reach(webui, key) for key in (moved, healed["moved"]["key"], healed["taken"]["key"])] == [401, 200, 200]
    assert ("moved@home.example" in users(webui), "taken@home.example" in users(webui)) == (False, True)
    assert (healed["moved"].get("doubt"), healed["taken"]["doubt"]) == (None, "its old key still gets 200 from Open WebUI instead of 401")


def test_what_the_service_group_may_do_is_kept_exactly(webui, keys):
    key = keys(webui, ("grouped", {}))["grouped"]["key"]
    groups = webui.get("/api/v1/groups/", webui.admin_token)[1]
    group = next(group for group in groups if group["name"] == "psw-service")
    wider = {"name": group["name"], "description": group["description"], "permissions": {"features": {"api_keys": False, "web_search": True}}}
    assert webui.get(f"/api/v1/groups/id/{group['id']}/update", webui.admin_token, wider)[0] == 200
    assert webui.get(CHAT, key)[0] == 403

    healed = keys(webui, ("grouped", {"key": key}))["grouped"]

    assert webui.get(CHAT, healed["key"])[0] == 200
    assert webui.get(f"/api/v1/groups/id/{group['id']}", webui.admin_token)[1]["permissions"] == {"features": {"api_keys": True}}


def test_removal_takes_user_and_key_and_is_done_once(webui, keys):
    key = keys(webui, ("gone", {}))["gone"]["key"]

    assert keys(webui, ("gone", {"key": key}), state="absent")["changed"]
    assert not keys(webui, ("gone", {"key": key}), state="absent")["changed"]

    assert webui.get(CHAT, key)[0] == 401
    assert "psw-gone@psw.local" not in users(webui)


def test_check_mode_says_what_it_would_do_and_does_nothing(webui, keys):
    planned = keys(webui, ("planned", {}), check=True)

    assert (planned["changed"], planned["status"]) == (True, "minted")
    assert "key" not in planned["planned"]
    assert "psw-planned@psw.local" not in users(webui)


def test_no_password_opens_a_service_account(webui, keys):
    keys(webui, ("locked", {}))

    for password in ("", "psw", "password"):
        assert webui.get("/api/v1/auths/signin", data={"email": "psw-locked@psw.local", "password": password})[0] == 400


def test_fifty_consumers_are_minted_in_one_pass_and_checked_in_one_glance(webui, keys, podman):
    names = [f"crowd{number}" for number in range(50)]

    minted = keys(webui, *[(name, {}) for name in names])
    again = keys(webui, *[(name, {"key": minted[name]["key"]}) for name in names], glance_only=True)

    assert (minted["status"], again["status"], again["changed"]) == ("minted", "valid", False)
    assert len({minted[name]["key"] for name in names}) == 50
    assert podman(webui).read_text() == "exec --interactive openwebui python -\n" * 2


def test_who_is_no_consumer_any_more_loses_user_and_key_and_people_keep_theirs(start_server, webui, keys):
    own = start_server(webui.release)
    time.sleep(1)  # accounts are dated by the second, and one as old as the first account is no matter for a glance
    before = keys(own, ("stays", {}), ("goes", {}), ("moved", {}))
    account = {"name": "psw: moved", "email": "moved@home.example", "role": "user", "profile_image_url": "/user.png"}
    moved = next(user["id"] for user in users(own).values() if user["email"] == "psw-moved@psw.local")
    assert own.get(f"/api/v1/users/{moved}/update", own.admin_token, account)[0] == 200
    people = {"name": "Anna", "email": "anna@psw.local", "password": "a-long-password", "role": "user"}
    assert own.get("/api/v1/auths/add", own.admin_token, people)[0] == 200

    purged = keys(own, ("stays", {"key": before["stays"]["key"]}), purge=True)

    assert [(item["consumer"], item["status"]) for item in purged["consumers"]] == [("stays", "valid"), ("goes", "removed"), ("moved", "removed")]
    assert sorted(users(own)) == ["admin@psw.local", "anna@psw.local", "psw-stays@psw.local"]
    assert [own.get(CHAT, before[name]["key"])[0] for name in ("goes", "moved")] == [401, 401]
    assert not keys(own, ("stays", {"key": before["stays"]["key"]}), purge=True, glance_only=True)["changed"]


def test_a_key_that_the_server_does_not_open_the_api_to_is_in_doubt(start_server, webui, keys):
    shut = start_server(webui.release, ENABLE_API_KEYS="false")

    minted = keys(shut, ("doubted", {}))["doubted"]

    assert minted["doubt"] == "its new key is stored, and Open WebUI answers it with 403 instead of 200"
    assert minted["key"].startswith("sk-")


def test_a_consumer_with_the_key_of_another_gets_its_own(webui, keys):
    first = keys(webui, ("first", {}))["first"]["key"]

    second = keys(webui, ("second", {"key": first}))["second"]

    assert second["status"] == "rotated"
    assert webui.get(CHAT, first)[0] == 200


def test_the_first_account_can_never_be_a_service_user(webui, keys):
    refused = keys(webui, ("thief", {"email": "admin@psw.local"}), fails=True)

    assert refused["msg"] == "thief: admin@psw.local is Open WebUI's first account, which nobody can remove; a service user must not be that one"


def test_an_instance_without_any_account_gets_no_service_user(webui, start_server, keys):
    empty = start_server(webui.release, WEBUI_ADMIN_EMAIL="", WEBUI_ADMIN_PASSWORD="")

    refused = keys(empty, ("early", {}), fails=True)

    assert refused["msg"].startswith("Open WebUI has no account yet.")


def test_nobody_can_sign_up_before_or_after_the_first_account(webui):
    stranger = {"name": "stranger", "email": "stranger@example.com", "password": "a-long-password"}

    assert webui.get("/api/v1/auths/signup", data=stranger)[0] == 403


def test_ansible_ships_the_script_to_the_target(webui, podman):
    argv = podman(webui)
    task = [sys.executable, "-m", "ansible", "adhoc", "localhost", "-m", "psw.ai.openwebui_service_key"]

    done = subprocess.run([*task, "-a", json.dumps({"consumers": [{"consumer": "shipped"}]})], capture_output=True, text=True, check=False)

    assert '"status": "minted"' in done.stdout, done.stdout + done.stderr
    assert argv.read_text() == "exec --interactive openwebui python -\n"


def held(server):
    """Return what the database holds of service keys: each account, and each key whether it has an account or not."""
    with contextlib.closing(sqlite3.connect(f"file:{server.env['DATA_DIR']}/webui.db?mode=ro", uri=True)) as connection:
        accounts = [email for (email,) in connection.execute("SELECT email FROM user WHERE email LIKE 'psw-%'")]
        keys = connection.execute("SELECT u.email, k.key FROM api_key k LEFT JOIN user u ON u.id = k.user_id").fetchall()
    return sorted(accounts), sorted(keys, key=str)


def with_these(before, found):
    """Return what the database has to hold when each of these consumers has come to one account with one key, and nothing else has changed."""
    accounts = {name: f"psw-{name}@psw.local" for name in found}
    keys = [(email, found[name]["key"]) for name, email in accounts.items()]
    return sorted([*before[0], *accounts.values()]), sorted([*before[1], *keys], key=str)


# The program's own steps; after "serve" its answer is made, and nobody is told.
STEPS_OF_A_MINT = ("OpenWebUI.ensure_group", "OpenWebUI.add_user", "OpenWebUI.add_member", "OpenWebUI.set_key", "serve")
STEPS_OF_A_CHANGE = [
    *(("present", step) for step in ("OpenWebUI.remove_user", "OpenWebUI.add_user", "OpenWebUI.set_key", "serve")),
    *(("rotated", step) for step in ("OpenWebUI.set_key", "serve")),
    *(("absent", step) for step in ("OpenWebUI.remove_user", "serve")),
]


def test_killed_after_any_step_of_a_first_mint_the_next_run_leaves_one_user_and_one_key(webui, keys, killed_after):
    names = {step: f"mint-{number}" for number, step in enumerate(STEPS_OF_A_MINT)}
    before = held(webui)

    for step, name in names.items():
        killed_after(step, webui, (name, {}))
    minted = keys(webui, *((name, {}) for name in names.values()))
    made = {name: {"key": minted[name]["key"]} for name in names.values()}

    assert held(webui) == with_these(before, made)
    assert {name: reach(webui, stored["key"]) for name, stored in made.items()} == dict.fromkeys(made, 200)
    assert keys(webui, *made.items())["status"] == "valid"


def test_killed_after_any_step_of_a_change_the_next_run_leaves_one_user_and_one_key_or_neither(webui, keys, killed_after):
    names = {change: f"change-{number}" for number, change in enumerate(STEPS_OF_A_CHANGE)}
    before = held(webui)
    minted = keys(webui, *((name, {}) for name in names.values()))
    old = {name: {"key": minted[name]["key"]} for name in names.values()}

    for (state, step), name in names.items():
        if state == "present":
            update(webui, account(webui, name), password="chosen-by-an-administrator")  # so that all of it has to be made anew
        killed_after(step, webui, (name, old[name]), state=state)
    gone = {name: old[name] for (state, _), name in names.items() if state == "absent"}
    stay = {name: old[name] for name in old if name not in gone}
    keys(webui, *gone.items(), state="absent")
    healed = keys(webui, *stay.items())
    new = {name: {"key": healed[name]["key"]} for name in stay}

    assert held(webui) == with_these(before, new)
    assert {name: reach(webui, stored["key"]) for name, stored in old.items()} == dict.fromkeys(old, 401)
    assert {name: reach(webui, stored["key"]) for name, stored in new.items()} == dict.fromkeys(new, 200)
    assert keys(webui, *new.items())["status"] == "valid"


def reach(server, key):
    return server.get(CHAT, key)[0]


@contextlib.contextmanager
def traffic(server, key):
    """Use the API with a key all the while; yields the statuses that were answered."""
    statuses, over = [], threading.Event()

    def ask():
        while not over.wait(0.05):
            statuses.append(reach(server, key))

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield statuses
    finally:
        over.set()
        thread.join()


def life(server, keys):
    """Lead a key through its whole life, each way to revoke it by hand included, while another consumer uses the API."""
    used = keys(server, ("user", {}))["user"]["key"]
    with traffic(server, used) as statuses:
        key = keys(server, ("older", {}))["older"]["key"]
        assert reach(server, key) == 200
        assert keys(server, ("older", {"key": key}), state="validated")["status"] == "valid"

        for revoke in (switched_off_in_the_panel, deleted_by_its_own_account, deleted_in_the_panel):
            revoke(server, account(server, "older"))
            assert reach(server, key) in {401, 403}, revoke
            assert keys(server, ("older", {"key": key}), state="validated")["status"] == "drift", revoke
            dead, healed = key, keys(server, ("older", {"key": key}))["older"]
            key = healed["key"]
            assert (healed["status"], reach(server, key), reach(server, dead)) == ("rotated", 200, 401), revoke

        session = given_a_password(server, account(server, "older"))
        assert reach(server, key) == 200
        assert keys(server, ("older", {"key": key}), state="validated")["status"] == "drift"
        read, key = key, keys(server, ("older", {"key": key}))["older"]["key"]
        assert (reach(server, key), reach(server, read)) == (200, 401)
        assert logged_in(server, account(server, "older"))[0] == 400
        assert server.get("/api/v1/auths/api_key", session)[0] == 401  # else it would read the new key

        rotated = keys(server, ("older", {"key": key}), state="rotated")["older"]
        assert (reach(server, key), reach(server, rotated["key"]), rotated.get("doubt")) == (401, 200, None)  # the next question finds the old key dead

        assert keys(server, ("older", {"key": rotated["key"]}), state="absent")["changed"]
        assert reach(server, rotated["key"]) == 401
    assert len(statuses) > 10
    assert set(statuses) == {200}


def account(server, name):
    listed = server.get("/api/v1/users/", server.admin_token)[1]
    return next(user for user in (listed if isinstance(listed, list) else listed["users"]) if user["email"] == f"psw-{name}@psw.local")


def update(server, user, **more):
    form = {name: user[name] for name in ("role", "name", "email", "profile_image_url")}
    assert server.get(f"/api/v1/users/{user['id']}/update", server.admin_token, {**form, **more})[0] == 200


def switched_off_in_the_panel(server, user):
    update(server, user, role="pending")
    if account(server, "older")["role"] != "pending":  # the first of 0.6 have a form of its own for this
        assert server.get("/api/v1/users/update/role", server.admin_token, {"id": user["id"], "role": "pending"})[0] == 200


def logged_in(server, user):
    return server.get("/api/v1/auths/signin", data={"email": user["email"], "password": "chosen-by-an-administrator"})


def given_a_password(server, user):
    """An administrator may give any account a password, and whoever knows it reads the account's key; returns their session."""
    update(server, user, password="chosen-by-an-administrator")
    return logged_in(server, user)[1]["token"]


def deleted_by_its_own_account(server, user):
    token = given_a_password(server, user)
    assert server.get("/api/v1/auths/api_key", token, method="DELETE") == (200, True)


def deleted_in_the_panel(server, user):
    assert server.get(f"/api/v1/users/{user['id']}", server.admin_token, method="DELETE")[0] == 200


@pytest.mark.parametrize("release", ["0.6.5", "0.6.43", "0.8.12", "0.10.2"])  # the first keeps the key in the account
def test_every_release_line_takes_the_same_script(start_server, keys, usage, release):
    server = start_server(release, ENABLE_SIGNUP="true")
    server.get("/api/v1/auths/signup", data={**ADMIN, "name": "Administrator"})  # 0.6 does not know WEBUI_ADMIN_EMAIL; for others it is one account more
    time.sleep(1)  # accounts are dated by the second, and one as old as the first account is no matter for a glance

    life(server, keys)

    begun = int(time.time())
    key = keys(server, ("glanced", {}))["glanced"]["key"]
    if release != "0.6.5":
        assert keys(server, ("glanced", {"key": key}), glance_only=True)["status"] == "valid"
    used = usage(server)["psw-glanced@psw.local"]["last_used_at"]
    assert used is None or begun < used <= time.time()  # by the proof of the new key, where that did not fall into the second that the account was made in


def test_the_newest_release_leads_the_same_life_on_sqlite(webui, keys):
    life(webui, keys)


def test_the_newest_release_leads_the_same_life_on_postgresql(start_server, postgresql, keys, usage):
    server = start_server(PINNED, DATABASE_URL=postgresql)

    life(server, keys)

    key = keys(server, ("glanced", {}))["glanced"]["key"]
    assert keys(server, ("glanced", {"key": key}), glance_only=True)["status"] == "valid"
    assert usage(server)["psw-glanced@psw.local"]["created_at"] > time.time() - 600


def test_usage_tells_of_each_key_when_it_was_made_and_how_often_it_was_used(webui, keys, usage):
    key = keys(webui, ("counted", {}))["counted"]["key"]
    log, end = Path(webui.env["DATA_DIR"]) / "audit.log", time.monotonic() + 60
    for _ in range(2):
        webui.get("/api/chat/completions", key, {"model": "none", "messages": []})
    while log.read_text().count('"psw-counted@psw.local"') < 2 and time.monotonic() < end:  # Open WebUI notes a call once it has answered it
        time.sleep(0.1)

    told = usage(webui)["psw-counted@psw.local"]

    assert told["created_at"] > time.time() - 600
    assert told["requests"] == 2
    assert key not in json.dumps(usage(webui))


def test_what_an_audit_log_held_before_it_was_full_is_counted_too(start_server, keys, usage):
    server = start_server(PINNED, AUDIT_LOG_FILE_ROTATION_SIZE="1 KB")
    key = keys(server, ("busy", {}))["busy"]["key"]

    for _ in range(9):
        server.get("/api/chat/completions", key, {"model": "none", "messages": []})
    server.stop()  # by then it has noted each call, and zipped what is full

    assert len(list(Path(server.env["DATA_DIR"]).glob("audit.*.log.zip"))) > 1
    assert usage(server)["psw-busy@psw.local"]["requests"] == 9


def test_two_runs_at_once_take_turns_and_the_second_sees_what_the_first_did(webui, podman):
    podman(webui)
    task = [sys.executable, "-m", "ansible", "adhoc", "localhost", "-m", "psw.ai.openwebui_service_key", "-a", json.dumps({"consumer": "twice"})]

    runs = [subprocess.Popen(task, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) for _ in range(2)]
    said = [run.communicate()[0] for run in runs]

    minted = [re.search(r"sk-[0-9a-f]{32}", text) for text in said]
    assert all(minted), "\n".join(said)
    assert sorted(reach(webui, key[0]) for key in minted) == [200, 401]  # neither had a stored key: the later one replaced what the earlier one made
    assert len([email for email in users(webui) if "twice" in email]) == 1
