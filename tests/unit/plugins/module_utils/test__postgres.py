# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked of PostgreSQL, and what is done about the answer."""

import pytest
from ansible_collections.psw.ai.plugins.module_utils import _postgres as postgres
from ansible_collections.psw.ai.plugins.module_utils._errors import PswModuleError

# From RFC 7677: user "user", password "pencil".
RFC = "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="


def state(**change):
    return {**postgres.goal("app", ["vector"]), **change}


def test_a_password_is_recognised_by_what_postgresql_stores_for_it():
    assert postgres.opens("pencil", RFC)
    assert not postgres.opens("pen", RFC)
    assert not postgres.opens("pencil", None)
    assert not postgres.opens("pencil", "md5abc")


def test_the_password_is_in_no_statement():
    text = postgres.statements("app", "pencil", state(role=False, password=False), state())

    assert "pencil" not in text
    assert "SCRAM-SHA-256$4096:" in text


@pytest.mark.parametrize(
    ("before", "expected"),
    [
        (state(owner="postgres"), "ALTER DATABASE app OWNER TO app;\n"),
        (state(extensions=[]), '\\connect app\nCREATE EXTENSION IF NOT EXISTS "vector";\n'),
        (state(owner=None), "CREATE DATABASE app OWNER app ENCODING 'UTF8' TEMPLATE template0;\nREVOKE ALL ON DATABASE app FROM PUBLIC;\n"),
    ],
)
def test_only_what_is_missing_is_done(before, expected):
    assert postgres.statements("app", "pencil", before, state()) == expected


@pytest.mark.parametrize("name", ["app; DROP TABLE x", "App", "1app", "", "a" * 64])
def test_a_name_that_would_need_care_in_sql_is_refused(name):
    with pytest.raises(PswModuleError, match="cannot be the name of a database"):
        postgres.checked_name(name, "database")


def test_the_answer_is_read_from_its_json_lines():
    answer = f'{{"owner" : "app", "login" : true, "stored" : "{RFC}"}}\n{{"extensions" : ["plpgsql", "vector"]}}\n'

    assert postgres.state_of(answer, "pencil", ["vector"]) == state()
