# SPDX-License-Identifier: GPL-3.0-or-later
"""The logic on the controller works where Ansible is not installed."""

import subprocess
import sys
from pathlib import Path

import pytest

REPO = Path(__file__).parents[4]
PACKAGE = "ansible_collections.psw.ai.plugins.plugin_utils"
MODULES = sorted(f"{PACKAGE}.{file.stem}" for file in (REPO / "plugins/plugin_utils").glob("_*.py"))
PROBE = "import sys; sys.modules['ansible'] = None; __import__(sys.argv[1])"
HEAVY = "import sys; __import__(sys.argv[1]); print(sorted({'jsonschema', 'ruamel.yaml', 'pyrage'} & set(sys.modules)))"


@pytest.mark.parametrize("module", MODULES)
def test_logic_imports_without_ansible(module):
    subprocess.run([sys.executable, "-c", PROBE, module], check=True)


def test_opening_the_door_to_projects_does_not_load_what_only_some_verbs_need():
    done = subprocess.run([sys.executable, "-c", HEAVY, f"{PACKAGE}._secrets"], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"
