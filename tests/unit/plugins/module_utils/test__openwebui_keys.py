# SPDX-License-Identifier: GPL-3.0-or-later
"""What the script in the container decides, on an Open WebUI in memory; the real ones are in tests/integration/openwebui."""

import asyncio
import itertools
import os
import sys
from types import SimpleNamespace

import pytest
from ansible_collections.psw.ai.plugins.module_utils import _openwebui_keys as keys

OURS = {"name": "psw: ", "email": "@psw.local"}


class Table:
    """Accounts, keys and groups behind the names of Open WebUI's ORM; asynchronous or not, as the releases are."""

    def __init__(self, *, waits):
        self.waits, self.numbers = waits, itertools.count(1)
        self.accounts, self.keys, self.groups, self.members, self.writes, self.passwords = [], {}, [], {}, [], {}

    def __getattr__(self, name):
        call = getattr(type(self), f"_{name}")

        async def later(*args, **kwargs):
            return call(self, *args, **kwargs)

        return later if self.waits else lambda *args, **kwargs: call(self, *args, **kwargs)

    def _get_user_by_email(self, email):
        return next((user for user in self.accounts if user.email == email), None)

    def _get_first_user(self):
        return self.accounts[0] if self.accounts else None

    def _get_user_by_api_key(self, key):
        return next((user for user in self.accounts if self.keys.get(user.id) == key), None)

    def _get_user_api_key_by_id(self, user):
        return self.keys.get(user)

    def _get_users(self):
        return {"users": self.accounts, "total": len(self.accounts)} if self.waits else list(self.accounts)

    def _insert_new_auth(self, email, password, name, role):
        assert password == ""
        self.writes.append("user")
        self.accounts.append(SimpleNamespace(id=f"id-{next(self.numbers)}", email=email, name=name, role=role))
        return self.accounts[-1]

    def _update_user_role_by_id(self, user, role):
        self.writes.append("role")
        next(account for account in self.accounts if account.id == user).role = role

    def _update_user_api_key_by_id(self, user, key):
        self.writes.append("key")
        self.keys[user] = key
        return True

    def _delete_user_api_key_by_id(self, user):
        self.keys.pop(user, None)

    def _delete_auth_by_id(self, user):
        self.writes.append("removal")
        self.accounts = [account for account in self.accounts if account.id != user]
        return True

    def _get_all_groups(self):
        return self.groups

    def _insert_new_group(self, _owner, form):
        self.writes.append("group")
        self.groups.append(SimpleNamespace(id="group", **form))
        return self.groups[-1]

    def _update_group_by_id(self, _group, form):
        self.writes.append("permissions")
        self.groups[0].permissions = form["permissions"]

    def _get_group_user_ids_by_id(self, group):
        return list(self.members.get(group, []))

    def _add_users_to_group(self, group, users):
        self.writes.append("member")
        self.members.setdefault(group, []).extend(users)


@pytest.fixture(params=[True, False], ids=["asynchronous", "synchronous"])
def table(request):
    found = Table(waits=request.param)
    found.accounts.append(SimpleNamespace(id="first", email="admin@home.example", name="Administrator", role="admin"))
    return found


class InMemory(keys.OpenWebUI):
    async def password(self, user):
        return self.users.Users.passwords.get(user.id, "")


def asker(table):
    """Return a call that asks for a state of consumers, each with the key that is stored for it."""
    groups = SimpleNamespace(Groups=table, GroupForm=dict, GroupUpdateForm=dict)
    webui = InMemory(SimpleNamespace(Users=table), SimpleNamespace(Auths=table), groups, None, {"features": {"api_keys": True}})

    def call(state, *stored, ours=None, check=False, **more):
        wanted = [{"consumer": name, "email": f"psw-{name}@psw.local", "name": f"psw: {name}", "role": "user", "key": key, **more} for name, key in stored]
        table.writes.clear()
        request = {"state": state, "check": check, "group": "psw-service", "ours": ours, "consumers": wanted}
        return asyncio.run(keys.serve(webui, request))["consumers"]

    return call


@pytest.fixture
def ask(table):
    def call(key=None, state="present", *, ours=None, **more):
        answers = asker(table)(state, ("probe", key), ours=ours, **more)
        return answers if ours else answers[0]

    return call


@pytest.fixture
def ask_all(table):
    return lambda *names: asker(table)("present", *[(name, None) for name in names])


def test_the_first_time_makes_user_group_membership_and_key(table, ask):
    answer = ask()

    assert (answer["status"], answer["before"]) == ("minted", {"user": "absent"})
    assert table.keys == {"id-1": answer["key"]}
    assert table.writes == ["group", "user", "member", "key"]


def test_a_key_that_works_is_left_alone(table, ask):
    again = ask(ask()["key"])

    assert (again["status"], again["changed"], table.writes) == ("valid", False, [])


@pytest.mark.parametrize(
    "revoke",
    [
        lambda table: table.keys.clear(),
        lambda table: setattr(table.accounts[1], "role", "pending"),
        lambda table: table.members.clear(),
        lambda table: setattr(table.groups[0], "permissions", {}),
        lambda table: table.accounts.pop(),
        lambda table: table.passwords.update({"id-1": "$2b$12$"}),
    ],
    ids=["key deleted", "account switched off", "taken out of the group", "group without its permission", "account deleted", "account with a password"],
)
def test_whatever_revoked_a_key_it_is_drift_and_never_works_again(table, ask, revoke):
    old = ask()["key"]
    revoke(table)

    assert ask(old, "validated")["status"] == "drift"
    assert table.writes == []
    healed = ask(old)

    assert healed["status"] == "rotated"
    assert list(table.keys.values()) != [old]
    assert ask(healed["key"])["status"] == "valid"


def test_an_account_that_was_given_a_password_is_replaced_with_its_key(table, ask):
    old = ask()["key"]
    table.passwords["id-1"] = "$2b$12$"

    planned = ask(old, check=True)
    assert (planned["status"], planned["before"]["nobody can log in"], planned["after"]["nobody can log in"], table.writes) == ("rotated", False, True, [])
    healed = ask(old)

    assert table.writes == ["removal", "user", "member", "key"]
    assert ([user.id for user in table.accounts], table.keys, healed["old"]) == (["first", "id-2"], {"id-2": healed["key"]}, [old])


def test_an_account_that_was_given_another_address_goes_with_its_key_when_the_new_one_comes(table, ask):
    old = ask()["key"]
    table.accounts[1].email = "somebody@home.example"

    assert (ask(old, "validated")["status"], ask(old, check=True)["before"]) == ("drift", {"user": "absent", "stray": "somebody@home.example"})
    assert table.writes == []
    healed = ask(old)

    assert (healed["status"], healed["old"], table.writes) == ("rotated", [old], ["removal", "user", "member", "key"])
    assert ([user.email for user in table.accounts[1:]], table.keys) == (["psw-probe@psw.local"], {"id-2": healed["key"]})
    assert not ask(healed["key"])["changed"]


def test_a_removed_consumer_leaves_no_account_with_another_address_either(table, ask):
    old = ask()["key"]
    table.accounts[1].email = "somebody@home.example"

    assert (ask(old, "absent")["changed"], ask(old, "absent")["changed"]) == (True, False)

    assert ([user.id for user in table.accounts], table.keys) == (["first"], {})


@pytest.mark.parametrize(("which", "name"), [(1, "Anna"), (0, "psw: probe")], ids=["somebody's own", "the first"])
def test_the_stored_key_makes_no_other_account_a_stray(table, ask, which, name):
    ask()
    table.accounts[1].email = "somebody@home.example"
    table.accounts[which].name = name
    table.keys = {table.accounts[which].id: "sk-stored"}

    healed = ask("sk-stored")

    assert (healed["status"], "stray" in healed["before"], table.writes) == ("rotated", False, ["user", "member", "key"])
    assert healed["old"] == ["sk-stored"]  # so that it is told that this one still works
    assert len(table.accounts) == 3


def test_a_kill_while_an_account_is_replaced_is_mended_by_the_next_run(table, ask, monkeypatch):
    old = ask()["key"]
    table.passwords["id-1"] = "$2b$12$"
    with monkeypatch.context() as patch:
        patch.setattr(InMemory, "add_user", lambda *_args: sys.exit(137))
        with pytest.raises(SystemExit):
            ask(old)
    assert ([user.id for user in table.accounts], table.keys) == (["first"], {})

    healed = ask(old)

    assert ([user.id for user in table.accounts], table.keys) == (["first", "id-2"], {"id-2": healed["key"]})


def test_a_wider_group_is_narrowed_again(table, ask):
    key = ask()["key"]
    table.groups[0].permissions = {"features": {"api_keys": True, "web_search": True}}

    ask(key)

    assert table.groups[0].permissions == {"features": {"api_keys": True}}


def test_another_role_changes_the_account_and_not_the_key(table, ask):
    key = ask()["key"]

    answer = ask(key, role="admin")

    assert (answer["status"], answer["changed"], table.writes) == ("valid", True, ["role"])


@pytest.mark.parametrize("state", ["present", "rotated", "absent"])
def test_check_mode_writes_nothing(table, ask, state):
    key = ask()["key"]
    table.keys.clear()

    assert ask(key, state, check=True)["changed"]
    assert table.writes == []


def test_a_removed_consumer_leaves_neither_user_nor_key(table, ask):
    ask(state="absent")
    assert table.writes == []

    ask(ask()["key"], "absent")

    assert ([user.id for user in table.accounts], table.keys) == (["first"], {})


def test_both_the_stored_and_the_live_key_are_named_as_dead_after_a_change(table, ask):
    live = ask()["key"]

    assert ask("sk-stored", "rotated")["old"] == sorted([live, "sk-stored"])


def test_accounts_of_consumers_that_are_gone_are_removed_and_people_stay(table, ask):
    key = ask()["key"]
    for name, email in (("psw: past", "psw-past@psw.local"), ("psw: first", "psw-first@home.example"), ("Anna", "anna@psw.local")):
        table.accounts.append(SimpleNamespace(id=name, email=email, name=name, role="user"))
    table.keys["psw: past"] = "sk-past"

    planned = ask(key, ours=OURS, check=True)
    assert table.writes == []
    done = ask(key, ours=OURS)

    assert [(item["consumer"], item["status"], item["changed"]) for item in planned] == [("probe", "valid", False), ("past", "removed", True)]
    assert (done[1]["old"], table.writes, table.keys) == (["sk-past"], ["removal"], {"id-1": key})
    assert [user.id for user in table.accounts] == ["first", "id-1", "psw: first", "Anna"]


def test_an_account_of_a_consumer_that_is_gone_is_removed_at_whatever_address_it_has_now(table, ask, ask_all):
    moved, kept = (answer["key"] for answer in ask_all("past", "probe"))
    table.accounts[1].email = "moved@home.example"

    planned = ask(kept, ours=OURS, check=True)
    assert table.writes == []
    done = ask(kept, ours=OURS)

    assert [(item["consumer"], item["status"], item["changed"]) for item in planned] == [("probe", "valid", False), ("past", "removed", True)]
    assert (done[1]["old"], table.writes, table.keys) == ([moved], ["removal"], {"id-2": kept})


def test_an_account_with_another_address_whose_consumer_stays_is_removed_once(table, ask):
    old = ask()["key"]
    table.accounts[1].email = "moved@home.example"

    planned = ask(old, ours=OURS, check=True)
    done = ask(old, ours=OURS)

    assert [(item["consumer"], item["status"]) for item in planned] == [(item["consumer"], item["status"]) for item in done] == [("probe", "rotated")]
    assert [user.email for user in table.accounts] == ["admin@home.example", "psw-probe@psw.local"]


def test_the_first_account_is_no_leftover(table, ask):
    table.accounts[0].name, table.accounts[0].email = "psw: admin", "admin@psw.local"

    assert len(ask(ours=OURS)) == 1


def test_the_first_account_is_never_made_here(table, ask):
    table.accounts.clear()

    with pytest.raises(keys.RefusedError, match="Open WebUI has no account yet"):
        ask()
    assert table.writes == []


def test_the_first_account_is_never_touched(table, ask):
    for state in ("present", "rotated", "absent"):
        assert ask(email="admin@home.example", state=state)["error"].endswith("which nobody can remove; a service user must not be that one")
    assert table.writes == []


def test_one_that_fails_keeps_no_other_from_its_key(table, ask_all, monkeypatch):
    def breaks(self, user, key):
        if self.accounts[-1].name == "psw: second":
            raise ValueError(f"no row for {key}\nparameters: {key}")
        self.keys[user] = key
        return True

    monkeypatch.setattr(Table, "_update_user_api_key_by_id", breaks)

    first, second, third = ask_all("first", "second", "third")

    assert [first["status"], second["status"], third["status"]] == ["minted", "failed", "minted"]
    assert second["error"] == "Open WebUI's ORM broke off with ValueError: no row for sk-…"
    assert table.keys == {"id-1": first["key"], "id-3": third["key"]}


class OldTable(Table):
    """The first releases of 0.6: the key goes with its account, and a group's members are set with the group."""

    gone = frozenset({"get_all_groups", "delete_user_api_key_by_id", "add_users_to_group"})

    def __getattr__(self, name):
        if name in self.gone:
            raise AttributeError(name)
        return super().__getattr__(name)

    def _get_groups(self):
        return self.groups

    def _update_group_by_id(self, group, form):
        super()._update_group_by_id(group, form)
        if "user_ids" in form:
            self.members[group] = form["user_ids"]


def test_the_first_releases_of_0_6_do_with_what_they_have():
    table = OldTable(waits=False)
    table.accounts.append(SimpleNamespace(id="first", email="admin@home.example", name="Administrator", role="admin"))
    call = asker(table)

    minted = call("present", ("one", None), ("two", None))
    again = call("present", ("one", minted[0]["key"]), ("two", minted[1]["key"]))
    removed = call("absent", ("one", minted[0]["key"]))

    assert [item["status"] for item in minted + again + removed] == ["minted", "minted", "valid", "valid", "removed"]
    assert table.members == {"group": ["id-1", "id-2"]}
    assert [account.id for account in table.accounts] == ["first", "id-2"]


def test_whoever_comes_second_waits_for_the_first_and_is_refused_after_a_while(tmp_path):
    first = keys.take_turns(tmp_path)

    with pytest.raises(keys.RefusedError, match="another run is still busy with Open WebUI's keys after 0 s"):
        keys.take_turns(tmp_path, limit=0)
    os.close(first)

    os.close(keys.take_turns(tmp_path, limit=0))
