# SPDX-License-Identifier: GPL-3.0-or-later
"""Every code a node may refuse with is explained."""

import re
from pathlib import Path

import pytest

REPO = Path(__file__).parents[3]
CODE = re.compile(r'ModuleRefusal\(\s*"(\w+)"')
CODES = sorted({code for file in (REPO / "plugins" / "module_utils").glob("*.py") for code in CODE.findall(file.read_text(encoding="utf-8"))})


def test_nodes_refuse_something():
    assert CODES != []


@pytest.mark.parametrize("code", CODES)
def test_the_code_stands_in_the_docs(code):
    assert f"`{code}`" in (REPO / "docs" / "messages.md").read_text(encoding="utf-8")
