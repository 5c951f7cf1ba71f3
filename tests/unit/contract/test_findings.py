# SPDX-License-Identifier: GPL-3.0-or-later
"""The ids of psw doctor's findings are a promise: each is explained in the docs, and none of those once given goes away."""

import re
from pathlib import Path

from ansible_collections.psw.ai.plugins.module_utils._finding import LAYERS

REPO = Path(__file__).parents[3]
DOCS = (REPO / "docs" / "doctor.md").read_text(encoding="utf-8")
ROWS = dict(re.findall(r"^\| `(\w+)` \| ([\w ]+) \|", DOCS, re.MULTILINE))
USED = re.compile(r'"([a-z_]+)"')
HELPERS, MODULES = REPO / "plugins" / "module_utils", REPO / "plugins" / "modules"
SOURCES = [*HELPERS.glob("_gpu_health*.py"), HELPERS / "_ollama_proof.py", MODULES / "gpu_health.py", MODULES / "ollama_health.py"]


def test_every_finding_stands_in_the_docs_with_its_layer():
    assert ROWS == LAYERS


def test_every_finding_of_the_docs_can_really_be_found():
    used = {name for file in SOURCES for name in USED.findall(file.read_text(encoding="utf-8"))}
    assert set(LAYERS) <= used
