# SPDX-License-Identifier: GPL-3.0-or-later
"""Every code that psw may refuse with is explained."""

import re
from pathlib import Path

import pytest

REPO = Path(__file__).parents[3]
CODE = re.compile(r'\b(?:Module)?Refusal\(\s*"(\w+)"')
DOCS = "".join((REPO / "docs" / name).read_text(encoding="utf-8") for name in ("messages.md", "gpus.md"))


def codes(folder):
    texts = [file.read_text(encoding="utf-8") for file in (REPO / "plugins" / folder).glob("*.py")]
    return sorted({code for text in texts for code in CODE.findall(text)})


CODES = {folder: codes(folder) for folder in ("module_utils", "plugin_utils")}


@pytest.mark.parametrize("folder", CODES)
def test_nodes_and_planning_refuse_something(folder):
    assert CODES[folder] != []


@pytest.mark.parametrize("code", sorted({code for found in CODES.values() for code in found}))
def test_the_code_stands_in_the_docs(code):
    assert f"`{code}`" in DOCS
