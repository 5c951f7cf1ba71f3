# SPDX-License-Identifier: GPL-3.0-or-later
"""What people are told to install is psw: on the package index, `psw` is somebody else's stopwatch, and no index has a name that is ours."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

REPO = Path(__file__).parents[3]
REPOSITORY = yaml.safe_load((REPO / "galaxy.yml").read_text(encoding="utf-8"))["repository"]
PROJECT = tomllib.loads((REPO / "pyproject.toml").read_text(encoding="utf-8"))["project"]
BY_NAME = re.compile(r"\binstall(?: -\S+)* psw\S*")
FROM_GIT = re.compile(r"\bgit\+https:[^\s`]+")


@pytest.fixture(scope="module")
def read():
    """All that people read to install psw, by file: docs, messages, comments in examples."""
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=REPO, capture_output=True, text=True, check=True).stdout.split("\0")
    ours = [name for name in tracked if not name.startswith(("tests/", "changelogs/")) and Path(name).suffix in {".md", ".py", ".yml", ".txt", ".j2"}]
    return {name: (REPO / name).read_text(encoding="utf-8") for name in ours if (REPO / name).is_file()}


def test_nobody_is_told_to_ask_an_index_for_psw(read):
    assert {name: BY_NAME.findall(text) for name, text in read.items() if BY_NAME.search(text)} == {}


def test_psw_is_installed_from_its_repository(read):
    urls = {name: set(FROM_GIT.findall(text)) for name, text in read.items() if FROM_GIT.search(text)}
    assert {url for found in urls.values() for url in found} == {f"git+{REPOSITORY}"}
    assert {"README.md", "docs/awx.md"} <= set(urls)


def test_a_scheduler_fetches_the_collection_from_its_repository():
    fetched = yaml.safe_load((REPO / "examples/awx/collections/requirements.yml").read_text(encoding="utf-8"))
    assert fetched == {"collections": [{"name": REPOSITORY, "type": "git"}]}


def test_the_package_has_a_name_of_its_own_and_brings_the_command_psw():
    assert PROJECT["name"] == "psw-ai"
    assert PROJECT["scripts"] == {"psw": "psw_cli.main:main"}
    assert PROJECT["urls"]["Source"] == REPOSITORY
