# SPDX-License-Identifier: GPL-3.0-or-later
from ansible_collections.psw.ai.plugins.plugin_utils._near import near, unknown


def test_a_typing_mistake_finds_what_was_meant():
    assert near("olama", ["ollama", "openwebui"]) == "ollama"


def test_what_resembles_nothing_finds_nothing():
    assert near("zebra", ["ollama", "openwebui"]) == ""


def test_capitals_do_not_hide_what_was_meant():
    assert near("OLLAMA", ["ollama"]) == "ollama"


def test_an_unknown_name_is_answered_with_the_one_that_was_meant():
    assert unknown("app", "olama", ["openwebui", "ollama"]) == "no app called 'olama', did you mean 'ollama'?"


def test_an_unknown_name_like_no_other_is_answered_with_all_there_are():
    assert unknown("app", "zebra", ["openwebui", "ollama"]) == "no app called 'zebra'; there is ollama, openwebui"


def test_where_there_is_nothing_the_answer_says_so():
    assert unknown("node", "pve1", []) == "no node called 'pve1'; there is none"
