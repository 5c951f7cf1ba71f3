# SPDX-License-Identifier: GPL-3.0-or-later
"""Recipes say what goes into an image; the catalogue alone says what it is called."""

import re
import shutil

import pytest
import yaml

from lab.host import LabError
from lab.images import recipe as recipes
from lab.images.recipe import HERE, NOISE, Image, catalogued, load

RECIPES = recipes.recipes()


def test_every_image_in_the_catalogue_has_a_recipe():
    assert {recipe.key for recipe in RECIPES} == set(catalogued())


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.key)
def test_a_recipe_never_repeats_the_version_that_the_catalogue_pins(recipe):
    for file in recipe.directory.rglob("*"):
        if file.is_file() and not NOISE.intersection(file.parts):
            assert not re.search(rf"(?<![\d.]){re.escape(recipe.image.version)}(?![\d.])", file.read_text(encoding="utf-8")), file


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.key)
def test_a_recipe_has_no_file_that_git_would_lose(recipe):
    assert not [path for path in recipe.files.rglob("*") if path.is_dir() and not any(path.iterdir())]


@pytest.mark.parametrize(("tag", "version"), [("v0.12.4", "0.12.4"), ("0.32.15", "0.32.15"), ("0.8.6-pg17-bookworm", "0.8.6"), ("2.11.4", "2.11.4")])
def test_the_upstream_version_is_the_tag_without_its_decoration(tag, version):
    assert Image("docker.io/some/image", tag).version == version


def test_a_requirement_takes_its_version_from_the_catalogue(tmp_path):
    directory = tmp_path / "app"
    directory.mkdir()
    (directory / "recipe.yml").write_text(
        yaml.safe_dump({"debian": "trixie", "wheels": [{"python": 3.13, "into": "opt", "requirements": ["app=={version}"]}], "config": {}})
    )
    loaded = load(directory, {"app": Image("ghcr.io/some/app", "v1.2.3")})
    assert loaded.wheels[0].requirements == ("app==1.2.3",)
    assert str(loaded.image) == "ghcr.io/some/app:v1.2.3"


def test_a_recipe_without_an_image_in_the_catalogue_is_named(tmp_path):
    directory = tmp_path / "stray"
    directory.mkdir()
    with pytest.raises(LabError, match=re.escape("lab/images/stray has a recipe, but catalog/images.yml has no image 'stray'")):
        load(directory, {})


def test_an_unknown_image_is_answered_with_the_ones_that_exist():
    with pytest.raises(LabError, match=r"no recipe for an image called 'olama'; there are: caddy, ollama, ollama_rocm, openwebui, postgres"):
        recipes.recipes(("olama",))


@pytest.fixture
def copied(tmp_path, monkeypatch):
    """A recipe in a place where it can be changed."""
    directory = tmp_path / "caddy"
    shutil.copytree(HERE / "caddy", directory)
    for builder in ("tree.py", "assemble.sh", "layer.py", "push.py"):
        shutil.copy(HERE / builder, tmp_path / builder)
    monkeypatch.setattr(recipes, "HERE", tmp_path)
    return directory


def _fingerprint(directory, image=None):
    return load(directory, {"caddy": image or Image("docker.io/library/caddy", "1.0")}).fingerprint("base")


def test_an_image_is_built_again_when_a_file_of_its_recipe_changes(copied):
    before = _fingerprint(copied)
    file = copied / "files/etc/caddy/Caddyfile"
    file.write_text(file.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    assert _fingerprint(copied) != before


def test_an_image_is_built_again_when_the_catalogue_names_another_version(copied):
    assert _fingerprint(copied) != _fingerprint(copied, Image("docker.io/library/caddy", "1.1"))


def test_an_image_is_built_again_when_the_builder_changes(copied):
    before = _fingerprint(copied)
    (copied.parent / "assemble.sh").write_text("true\n", encoding="utf-8")
    assert _fingerprint(copied) != before


def test_an_image_is_not_built_again_for_what_python_leaves_behind(copied):
    before = _fingerprint(copied)
    (copied / "files/__pycache__").mkdir()
    (copied / "files/__pycache__/x.pyc").write_bytes(b"x")
    assert _fingerprint(copied) == before
