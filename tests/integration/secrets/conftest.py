# SPDX-License-Identifier: GPL-3.0-or-later
"""A project with secrets, psw as a program of its own, and the collection community.sops."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from ansible_collections.psw.ai.plugins.plugin_utils._project import init_project
from ansible_collections.psw.ai.plugins.plugin_utils._secrets import Secrets

REPO = Path(__file__).parents[3]
CACHE = REPO / ".cache" / "collections"
BUNDLE = "ansible==12.3.0"  # the community's collections as one wheel; only community.sops is taken out of it
VALUE = "sk-a-secret-that-nobody-sees"


@pytest.fixture(scope="session")
def community_sops(tmp_path_factory):
    """The directory with community.sops: from the cache, else out of the bundle (54 MB, seconds)."""
    if not (CACHE / "ansible_collections/community/sops").exists():
        scratch = tmp_path_factory.mktemp("bundle")
        done = subprocess.run(
            [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", scratch, BUNDLE], capture_output=True, text=True, check=False
        )
        if done.returncode:
            pytest.skip(f"{BUNDLE} cannot be had here: {done.stderr.strip().splitlines()[-1]}")
        (wheel,) = scratch.glob("*.whl")
        with zipfile.ZipFile(wheel) as bundle:
            bundle.extractall(CACHE, [name for name in bundle.namelist() if name.startswith("ansible_collections/community/sops/")])
    return CACHE


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """A home of one's own, without anybody's age identity or editor."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    for name in ("XDG_CONFIG_HOME", "XDG_RUNTIME_DIR", "SOPS_AGE_KEY", "SOPS_AGE_KEY_FILE", "SOPS_EDITOR", "VISUAL", "PSW_LOCK_HELD"):
        monkeypatch.delenv(name, raising=False)
    return home


@pytest.fixture
def secrets(tmp_path, monkeypatch, home):
    """A project with three secrets, in the current directory."""
    project = init_project(tmp_path / "my-home", "home.example").project
    monkeypatch.chdir(project.path)
    secrets = Secrets(project)
    secrets.change({}, {"postgres": {"postgres_password": "first"}, "probe": {"token": VALUE, "pin": "0123"}})
    return secrets


@pytest.fixture
def psw():
    """Start psw, not waited for."""

    def start(*args, **options):
        return subprocess.Popen([sys.executable, "-c", "from psw_cli.main import main; main()", *map(str, args)], text=True, **options)

    return start
