# SPDX-License-Identifier: GPL-3.0-or-later
"""What users get is exactly what they need, by both roads: the galaxy artefact and the wheel."""

import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
import yaml

REPO = Path(__file__).parents[3]
SHIPPED = {"CHANGELOG.md", "LICENSE", "README.md", "CONTRIBUTING.md", "catalog", "meta", "playbooks", "plugins", "roles"}
BY_GALAXY = {"FILES.json", "MANIFEST.json"}
TOOL = Path(sys.executable).parent


def tracked(top):
    listed = subprocess.run(["git", "ls-files", top], cwd=REPO, capture_output=True, text=True, check=True).stdout
    return {line for line in listed.splitlines() if (REPO / line).is_file()}


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A copy of what git knows, so that leftovers of a working tree can neither help nor harm."""
    copy = tmp_path_factory.mktemp("source")
    for name in tracked("."):
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(REPO / name, copy / name)
    return copy


@pytest.fixture(scope="module")
def artefact(source, tmp_path_factory):
    out = tmp_path_factory.mktemp("artefact")
    subprocess.run([TOOL / "ansible-galaxy", "collection", "build", "--output-path", out, source], check=True, capture_output=True)
    (found,) = out.glob("psw-ai-*.tar.gz")
    with tarfile.open(found) as archive:
        return {member.name for member in archive.getmembers() if member.isfile()}


@pytest.fixture(scope="module")
def wheel(source, tmp_path_factory):
    out = tmp_path_factory.mktemp("wheel")
    build = [TOOL / "uv", "build", "--quiet", "--wheel", "--no-build-isolation", "--python", sys.executable, "--out-dir", out, source]
    subprocess.run(build, check=True, capture_output=True)
    (found,) = out.glob("psw_ai-*.whl")
    return zipfile.ZipFile(found)


def test_the_artefact_holds_nothing_but_collection_content(artefact):
    assert {name.partition("/")[0] for name in artefact} <= SHIPPED | BY_GALAXY


@pytest.mark.parametrize("top", ["catalog", "meta", "playbooks", "plugins", "roles"])
def test_the_artefact_holds_all_collection_content(artefact, top):
    assert {name for name in artefact if name.startswith(top + "/")} == tracked(top)


@pytest.mark.parametrize("top", ["catalog", "meta", "playbooks", "plugins", "roles"])
def test_the_wheel_carries_the_collection(wheel, top):
    prefix = "ansible_collections/psw/ai/"
    shipped = {name.removeprefix(prefix) for name in wheel.namelist() if name.startswith(f"{prefix}{top}/")}
    assert shipped == tracked(top)


def test_the_wheel_damages_no_other_collection(wheel):
    names = set(wheel.namelist())
    assert "ansible_collections/__init__.py" not in names
    assert "ansible_collections/psw/__init__.py" not in names


def test_wheel_and_collection_have_one_version(wheel):
    version = yaml.safe_load((REPO / "galaxy.yml").read_text(encoding="utf-8"))["version"]
    assert any(name.startswith(f"psw_ai-{version}.dist-info/") for name in wheel.namelist())


def test_neither_lab_nor_tests_are_shipped(wheel, artefact):
    assert [name for name in {*wheel.namelist(), *artefact} if name.startswith(("lab/", "tests/", "molecule/", "benchmarks/", "examples/"))] == []
