# SPDX-License-Identifier: GPL-3.0-or-later
"""The user's own playbooks read the same file, with community.sops."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from ansible_collections.psw.ai.plugins.plugin_utils import _sops

from .conftest import REPO


@pytest.fixture
def play(community_sops, tmp_path, monkeypatch):
    """Run a play with the real ansible-playbook and the sops that came with psw."""
    (tmp_path / "ansible.cfg").write_text("")
    for name, value in {
        "ANSIBLE_CONFIG": str(tmp_path / "ansible.cfg"),
        "ANSIBLE_COLLECTIONS_PATH": str(community_sops),
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), str(Path(_sops.program()).parent), os.environ["PATH"]]),
    }.items():
        monkeypatch.setenv(name, value)

    def run(text):
        (tmp_path / "play.yml").write_text(text)
        argv = ["ansible-playbook", "-i", "localhost,", "-c", "local", "-e", f"ansible_python_interpreter={sys.executable}", tmp_path / "play.yml"]
        return subprocess.run(argv, capture_output=True, text=True, cwd=tmp_path, check=False)

    return run


def test_the_playbook_of_the_guide_reads_what_psw_wrote(secrets, play, tmp_path):
    guide = (REPO / "docs/project.md").read_text(encoding="utf-8")
    (plays,) = (yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", guide, re.DOTALL) if "community.sops" in block)
    plays[0]["gather_facts"] = False
    plays[0]["tasks"].append({"ansible.builtin.copy": {"content": "{{ house.apps | to_json }}", "dest": str(tmp_path / "read.json"), "mode": "0600"}})
    done = play(yaml.safe_dump(plays))
    assert done.returncode == 0, done.stdout
    assert json.loads((tmp_path / "read.json").read_text()) == secrets.read()


def test_a_single_secret_comes_out_of_the_lookup(secrets, play, tmp_path):
    lookup = "lookup('community.sops.sops', 'my-home/secrets/apps.yml', extract='[\"apps\"][\"probe\"][\"pin\"]')"
    task = {"ansible.builtin.copy": {"content": f"{{{{ {lookup} }}}}", "dest": str(tmp_path / "read"), "mode": "0600"}}
    done = play(yaml.safe_dump([{"hosts": "localhost", "gather_facts": False, "tasks": [task]}]))
    assert done.returncode == 0, done.stdout
    assert (tmp_path / "read").read_text() == secrets.get("probe", "pin")
