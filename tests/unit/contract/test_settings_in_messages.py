# SPDX-License-Identifier: GPL-3.0-or-later
"""A message that tells a user to set a role's variable names something that can be set in a project."""

import ast
import re
from pathlib import Path

import pytest
import yaml
from ansible_collections.psw.ai.plugins.plugin_utils._catalog import Catalog

REPO = Path(__file__).parents[3]
ROLES = [path.parents[1] for path in (REPO / "roles").glob("*/defaults/main.yml")]
OPTIONS = {name: role.name for role in ROLES for name in yaml.safe_load((role / "defaults/main.yml").read_text(encoding="utf-8")) or {}}
NAMED = re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, OPTIONS))})(?!\w)")
IN_A_PROJECT = re.compile(r"\bin psw\.yml\b|\bwith --\w+")  # its own settings, and the options of its commands


def texts(file):
    """Return the texts of a source that are several words; neither its docs nor what templates are made of."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    alone = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    names = {"DOCUMENTATION", "EXAMPLES", "RETURN"}
    alone |= {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Assign) and any(getattr(name, "id", "") in names for name in node.targets)}
    joined = [ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr)]
    return [*joined, *(node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in alone)]


SAID = [
    (file.name, name, text)
    for folder in ("plugins/module_utils", "plugins/modules", "plugins/plugin_utils", "plugins/action", "psw_cli")
    for file in sorted((REPO / folder).glob("*.py"))
    for text in texts(file)
    if " " in text
    for name in NAMED.findall(text)
]


def test_messages_name_settings():
    assert {name for _file, name, _text in SAID} >= {"container_host_mirrors", "lxc_target_storage", "ollama_allow_split"}


@pytest.mark.parametrize(("file", "name", "text"), SAID)
def test_a_setting_that_a_message_names_can_be_set_in_a_project(file, name, text):
    """An app's has its file, services/<app>/defaults.yml; for others the message says what a project sets instead."""
    assert OPTIONS[name] in Catalog.load().apps or IN_A_PROJECT.search(text), f"{file}: {name}"
