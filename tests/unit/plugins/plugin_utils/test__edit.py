# SPDX-License-Identifier: GPL-3.0-or-later
"""A user's file after psw has edited it."""

import pytest
from ansible_collections.psw.ai.plugins.plugin_utils import _edit
from ansible_collections.psw.ai.plugins.plugin_utils._errors import ProjectError

BLOCK = """\
# head
schema: 1
apps:
  - ollama # the engine
  - openwebui

# storage
storage: {models: {pool: auto}} # tail
"""


def test_an_app_is_appended_and_every_comment_stays_where_it_was():
    assert _edit.edited(BLOCK, lambda tree: _edit.add_apps(tree, ["caddy"])) == BLOCK.replace("  - openwebui\n", "  - openwebui\n  - caddy\n")


def test_an_app_is_removed_and_the_comment_below_it_stays():
    assert _edit.edited(BLOCK, lambda tree: _edit.remove_apps(tree, ["openwebui"], ["ollama"])) == BLOCK.replace("  - openwebui\n", "")


def test_the_comment_on_the_line_of_a_removed_app_goes_with_it():
    assert _edit.edited(BLOCK, lambda tree: _edit.remove_apps(tree, ["ollama"], ["openwebui"])) == BLOCK.replace("  - ollama # the engine\n", "")


def test_when_the_last_app_goes_an_empty_list_stays():
    expected = BLOCK.replace("apps:\n  - ollama # the engine\n  - openwebui\n", "apps: []\n")
    assert _edit.edited(BLOCK, lambda tree: _edit.remove_apps(tree, ["ollama", "openwebui"], [])) == expected


def test_a_list_that_is_not_indented_stays_so():
    assert _edit.edited("apps:\n- ollama\n# tail\n", lambda tree: _edit.add_apps(tree, ["caddy"])) == "apps:\n- ollama\n- caddy\n# tail\n"


def test_a_list_on_one_line_stays_on_it():
    assert _edit.edited("apps: [ollama] # mine\n", lambda tree: _edit.add_apps(tree, ["caddy"])) == "apps: [ollama, caddy] # mine\n"


@pytest.mark.parametrize("text", ["apps: # none\n", "apps: [] # none\n"])
def test_an_empty_list_is_filled(text):
    assert _edit.edited(text, lambda tree: _edit.add_apps(tree, ["caddy"])) == "apps: [caddy] # none\n"


def test_a_missing_list_is_made_at_the_end():
    assert _edit.edited('domain: "x.y" # mine\n', lambda tree: _edit.add_apps(tree, ["caddy"])) == 'domain: "x.y" # mine\napps: [caddy]\n'


def test_a_stack_that_loses_an_app_becomes_what_is_left_of_it():
    assert _edit.edited('apps: ["@ai"] # all\n', lambda tree: _edit.remove_apps(tree, ["openwebui"], ["ollama"])) == "apps: [ollama] # all\n"


def test_a_node_gets_a_line_of_its_own():
    text = "nodes: {} # mine\ndomain: x.y\n"
    assert _edit.edited(text, lambda tree: _edit.set_entry(tree, "nodes", "pve1", {"host": "h", "port": 2222})) == (
        "nodes: # mine\n  pve1: {host: h, port: 2222}\ndomain: x.y\n"
    )


def test_a_further_node_leaves_the_others_as_they_are():
    text = "nodes:\n  # the big one\n  pve1:\n    host: 'a' # rack\ndomain: x.y\n"
    assert _edit.edited(text, lambda tree: _edit.set_entry(tree, "nodes", "pve2", {"host": "b"})) == (
        "nodes:\n  # the big one\n  pve1:\n    host: 'a' # rack\n  pve2: {host: b}\ndomain: x.y\n"
    )


def test_a_long_line_is_not_broken():
    text = f"nodes:\n  pve1: {{host: h, ssh_key: /{'long/' * 60}key}}\napps: []\n"
    assert _edit.edited(text, lambda tree: _edit.add_apps(tree, ["caddy"])) == text.replace("[]", "[caddy]")


def test_lines_end_as_the_user_ended_them():
    assert _edit.edited("apps: [] # a\r\n# b\r\n", lambda tree: _edit.add_apps(tree, ["caddy"])) == "apps: [caddy] # a\r\n# b\r\n"


def test_an_edit_that_would_lose_a_comment_is_not_made():
    with pytest.raises(ProjectError) as caught:
        _edit.edited("apps: [\n  ollama, # the engine\n]\n", lambda tree: _edit.add_apps(tree, ["caddy"]))
    assert str(caught.value) == "psw cannot change psw.yml and keep this comment: # the engine; make the change by hand, or move the comment"
