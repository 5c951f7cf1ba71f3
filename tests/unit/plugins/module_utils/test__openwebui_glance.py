# SPDX-License-Identifier: GPL-3.0-or-later
"""When a glance at the database may say that all keys are right, on tables as Open WebUI has them; the real ones are in tests/integration/openwebui."""

import contextlib
import json
import sqlite3

import pytest
from ansible_collections.psw.ai.plugins.module_utils import _openwebui_glance as glance

KEY = "sk-11111111111111111111111111111111"
PERMISSIONS = {"features": {"api_keys": True}}
OURS = {"name": "psw: ", "email": "@psw.local"}
TABLES = """
CREATE TABLE "user" (id TEXT, name TEXT, email TEXT, role TEXT, created_at INTEGER);
CREATE TABLE auth (id TEXT, password TEXT);
CREATE TABLE api_key (user_id TEXT, key TEXT);
CREATE TABLE "group" (id TEXT, name TEXT, permissions JSON);
CREATE TABLE group_member (group_id TEXT, user_id TEXT);
INSERT INTO "user" VALUES
    ('first', 'Administrator', 'admin@home.example', 'admin', 100), ('one', 'psw: one', 'psw-one@psw.local', 'user', 200);
INSERT INTO auth VALUES ('first', '$2b$12$'), ('one', '');
INSERT INTO api_key VALUES ('one', 'sk-11111111111111111111111111111111');
INSERT INTO "group" VALUES ('service', 'psw-service', '{"features": {"api_keys": true}}');
INSERT INTO group_member VALUES ('service', 'one');
"""


@pytest.fixture
def database():
    connection = sqlite3.connect(":memory:")
    connection.executescript(TABLES)
    return connection


@pytest.fixture
def look(database):
    """Glance at the database for one consumer; True when all is said to be right."""

    def call(key=KEY, role="user", state="present"):
        wanted = [{"consumer": "one", "email": "psw-one@psw.local", "name": "psw: one", "role": role, "key": key}]
        request = {"state": state, "check": False, "group": "psw-service", "permissions": PERMISSIONS, "ours": OURS, "consumers": wanted}
        return glance.glance(request, lambda query, values: database.execute(query, values).fetchall(), "?")

    return call


@pytest.mark.parametrize("state", ["present", "validated"])
def test_a_key_with_all_that_was_promised_is_valid(look, state):
    answer = look(state=state)["consumers"][0]

    assert (answer["consumer"], answer["status"], answer["changed"]) == ("one", "valid", False)
    assert answer["before"] == answer["after"] == {"user": "present", "role": "user", "in service group": True, "nobody can log in": True, "key": "valid"}
    assert KEY not in json.dumps(answer)


@pytest.mark.parametrize(
    "change",
    [
        "DELETE FROM api_key",
        "UPDATE api_key SET key = 'sk-another'",
        "UPDATE api_key SET user_id = 'first'",
        "INSERT INTO api_key VALUES ('one', 'sk-a-second-one')",
        "UPDATE \"user\" SET role = 'pending' WHERE id = 'one'",
        "UPDATE \"user\" SET role = 'admin' WHERE id = 'one'",
        "DELETE FROM \"user\" WHERE id = 'one'",
        "UPDATE \"user\" SET created_at = 100 WHERE id = 'one'",
        "UPDATE auth SET password = '$2b$12$' WHERE id = 'one'",
        "DELETE FROM group_member",
        "UPDATE group_member SET group_id = 'another'",
        "UPDATE \"group\" SET permissions = '{}'",
        'UPDATE "group" SET permissions = \'{"features": {"api_keys": true, "web_search": true}}\'',
        "UPDATE \"group\" SET name = 'renamed'",
        "INSERT INTO \"user\" VALUES ('two', 'psw: two', 'psw-two@psw.local', 'user', 300)",
        "INSERT INTO \"user\" VALUES ('two', 'psw: two', 'two@home.example', 'user', 300); INSERT INTO group_member VALUES ('service', 'two')",
    ],
)
def test_whatever_differs_is_left_to_the_orm(database, look, change):
    assert look() is not None
    database.executescript(change)

    with contextlib.suppress(ValueError):  # no service group at all: main() takes any error as a reason to ask the ORM
        assert look() is None


@pytest.mark.parametrize(("key", "role"), [(None, "user"), ("sk-another", "user"), (KEY, "admin")])
def test_other_wishes_than_what_is_there_are_left_to_the_orm(look, key, role):
    assert look(key=key, role=role) is None


@pytest.mark.parametrize("state", ["rotated", "absent"])
def test_what_shall_change_something_is_left_to_the_orm(look, state):
    assert look(state=state) is None


def test_people_are_nobody_that_is_left_over(database, look):
    people = "('anna', 'anna', 'anna@psw.local', 'user', 300), ('ben', 'psw: ben', 'ben@home.example', 'user', 300)"
    database.executescript(f'INSERT INTO "user" VALUES {people}')

    assert look()


def test_an_admin_needs_no_group(database, look):
    database.executescript("UPDATE \"user\" SET role = 'admin' WHERE id = 'one'; DELETE FROM group_member")

    assert look(role="admin")


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"DATABASE_URL": "mysql://openwebui@host/db"},
        {"DATABASE_URL": "sqlite:////nowhere/webui.db"},
        {"DATA_DIR": "/nowhere"},
        {"DATA_DIR": "/nowhere", "DATABASE_TYPE": "postgresql"},
        {"DATABASE_URL": "sqlite:////nowhere/webui.db", "DATABASE_SCHEMA": "another"},
    ],
)
def test_a_database_that_cannot_be_read_is_left_to_the_orm(monkeypatch, capsys, environment):
    for name in ("DATABASE_URL", "DATA_DIR", "DATABASE_TYPE", "DATABASE_SCHEMA"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    assert glance.main(json.dumps({"state": "present", "group": "psw-service", "permissions": PERMISSIONS, "consumers": []})) is False
    assert capsys.readouterr().out == ""
