# SPDX-License-Identifier: GPL-3.0-or-later
"""An installed psw has no docs/ beside it, so whatever it says of a page is that page's address."""

import ast
import re
from pathlib import Path

import yaml
from ansible_collections.psw.ai.plugins.plugin_utils import _manual

REPO = Path(__file__).parents[3]
DOCUMENTATION = yaml.safe_load((REPO / "galaxy.yml").read_text(encoding="utf-8"))["documentation"]
WRITER = REPO / "psw_cli/_docs.py"  # writes docs/cli.md, in a checkout
SOURCES = sorted(file for folder in ("psw_cli", "plugins") for file in (REPO / folder).rglob("*.py") if file != WRITER)


def said(file):
    """Every text in a source file; comments are none."""
    return [node.value for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))) if isinstance(node, ast.Constant) and isinstance(node.value, str)]


def test_the_documentation_is_where_galaxy_yml_says():
    assert DOCUMENTATION == _manual.DOCUMENTATION


def test_no_message_names_a_page_without_its_address():
    texts = [(file.name, text.replace(DOCUMENTATION, "")) for file in SOURCES for text in said(file)]
    assert [(name, text) for name, text in texts if re.search(r"\bdocs/", text)] == []


def test_pages_that_are_named_are_there():
    text = "".join(file.read_text(encoding="utf-8") for file in SOURCES)
    named = re.findall(r"\bpage\(\W([\w.-]+)\W\)", text) + re.findall(re.escape(DOCUMENTATION) + r"/([\w.-]+)", text)
    assert {"api.md", "project.md", "gpus.md", "doctor.md"} <= set(named)
    assert [name for name in named if not (REPO / "docs" / name).is_file()] == []
