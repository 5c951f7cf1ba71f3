# SPDX-License-Identifier: GPL-3.0-or-later
"""The small parts of the proof; the modules' tests give it against an engine."""

import datetime as dt

import pytest
from ansible_collections.psw.ai.plugins.module_utils import _ollama_proof as proof

NOW = dt.datetime(2026, 11, 26, 12, 0, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2026-11-26T12:30:00.123456789Z", 1800),
        ("2026-11-26T13:30:00.1+01:00", 1800),
        ("2026-11-26T12:00:05Z", 5),
        ("2026-11-26T11:59:00Z", -60),
    ],
)
def test_the_engines_dates_are_read_in_any_zone_and_precision(text, seconds):
    assert proof.until(text, NOW) == dt.timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "soon", "0001-01-01"])
def test_what_is_no_date_is_none(text):
    assert proof.until(text, NOW) is None


@pytest.mark.parametrize("text", [None, "", "[]", "{}", "{"])
def test_a_note_that_cannot_be_read_is_no_note(tmp_path, text):
    if text is not None:
        (tmp_path / "note").write_text(text, encoding="utf-8")
    assert proof.last(tmp_path / "note") is None
