# SPDX-License-Identifier: GPL-3.0-or-later
"""What the audit log and the database tell of keys; real ones are in tests/integration/openwebui."""

import json
import sqlite3

from ansible_collections.psw.ai.plugins.module_utils import _openwebui_usage as usage

CALL = {"user": {"email": "one"}, "request_uri": "http://chat/api/chat/completions"}


def test_lines_that_tell_of_nobody_or_are_none_are_passed_over():
    tokens = {"user": {"email": "one"}, "extra": {"event": "model_usage"}, "usage": {"total_tokens": 7}}
    lines = [json.dumps(line) for line in ({"user": {}}, {}, {"user": None}, [], CALL, tokens, CALL)]

    assert usage.logged([*lines, "half a li"]) == {"one": {"requests": 2, "tokens": 7}}


def test_a_release_that_keeps_the_key_in_the_account_does_not_know_its_age():
    connection = sqlite3.connect(":memory:")
    connection.execute('CREATE TABLE "user" (email, api_key, last_active_at, created_at)')
    connection.execute("INSERT INTO user VALUES ('used', 'sk-1', 20, 10), ('unused', 'sk-2', 10, 10), ('person', NULL, 20, 10)")
    connection.commit()

    assert usage.times(connection) == {"used": {"created_at": None, "last_used_at": 20}, "unused": {"created_at": None, "last_used_at": None}}
