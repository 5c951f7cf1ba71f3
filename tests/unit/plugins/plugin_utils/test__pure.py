# SPDX-License-Identifier: GPL-3.0-or-later
"""The logic on the controller works where Ansible is not installed."""

import subprocess
import sys
from pathlib import Path

import pytest

REPO = Path(__file__).parents[4]
PACKAGE = "ansible_collections.psw.ai.plugins.plugin_utils"
ADAPTERS = {"_progress", "_remote"}  # what only Ansible's own action plugins are made of
MODULES = sorted(f"{PACKAGE}.{file.stem}" for file in (REPO / "plugins/plugin_utils").glob("_*.py") if file.stem not in ADAPTERS)
PROBE = "import sys; sys.modules['ansible'] = None; __import__(sys.argv[1])"
PLAN = """
import sys
from ansible_collections.psw.ai.plugins.plugin_utils._catalog import Catalog
from ansible_collections.psw.ai.plugins.plugin_utils._inventory import build_inventory
from ansible_collections.psw.ai.plugins.plugin_utils._project import Project
from ansible_collections.psw.ai.plugins.plugin_utils._secrets import Secrets
build_inventory(Project.open(sys.argv[1]), Catalog.load())
print(sorted({"jsonschema", "ruamel.yaml", "pyrage"} & set(sys.modules)))
"""


@pytest.mark.parametrize("module", MODULES)
def test_logic_imports_without_ansible(module):
    subprocess.run([sys.executable, "-c", PROBE, module], check=True)


def test_reading_and_planning_a_valid_project_loads_nothing_that_takes_long():
    done = subprocess.run([sys.executable, "-c", PLAN, REPO / "inventory/example"], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"
