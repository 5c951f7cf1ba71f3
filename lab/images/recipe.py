"""Recipes: what goes into an image. The image's name and tag are the catalogue's, never the recipe's."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from lab.host import LabError

HERE = Path(__file__).parent
CATALOGUE = HERE.parent.parent / "catalog/images.yml"
# What tools leave behind in a checkout.
NOISE = frozenset({"__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache"})


@dataclass(frozen=True)
class Image:
    """A pinned name: where product code pulls the image from."""

    name: str
    tag: str

    @property
    def version(self) -> str:
        """The upstream version: the tag without its decoration."""
        return self.tag.removeprefix("v").partition("-")[0]

    def __str__(self) -> str:
        """Return the reference that podman pulls."""
        return f"{self.name}:{self.tag}"


@dataclass(frozen=True)
class Wheels:
    """Python packages, installed as wheels for the image's Python by a program outside the image."""

    python: str
    into: str
    requirements: tuple[str, ...]
    without: tuple[str, ...] = ()


@dataclass(frozen=True)
class Recipe:
    """One image: a Debian release, packages, wheels, files, a last script, and how it starts."""

    key: str
    image: Image
    debian: str
    packages: tuple[str, ...]
    wheels: tuple[Wheels, ...]
    config: dict[str, Any]
    directory: Path

    @property
    def files(self) -> Path:
        """The tree that is laid over the root file system."""
        return self.directory / "files"

    @property
    def script(self) -> Path:
        """The script that runs inside the image last, while it is built."""
        return self.directory / "finish.sh"

    @property
    def constraints(self) -> Path:
        """The versions of packages that the requirements pull in."""
        return self.directory / "constraints.txt"

    def fingerprint(self, base: str) -> str:
        """Return a hash that changes with everything that shapes the image."""
        return fingerprint(f"{base} {self.image}", self.directory)


def fingerprint(words: str, directory: Path | None = None) -> str:
    """Return a hash of some words, of a directory's files and of the builder itself."""
    digest = hashlib.sha256(words.encode())
    files = [path for path in directory.rglob("*") if path.is_file() and not NOISE.intersection(path.parts)] if directory else []
    for file in (*sorted(files), HERE / "tree.py", HERE / "assemble.sh", HERE / "layer.py", HERE / "push.py"):
        digest.update(f"{file.relative_to(HERE)} {file.stat().st_mode:o}\n".encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def catalogued(catalogue: Path = CATALOGUE) -> dict[str, Image]:
    """Return the catalogue's images by key."""
    entries = yaml.safe_load(catalogue.read_text(encoding="utf-8"))["images"]
    return {key: Image(entry["name"], str(entry["tag"])) for key, entry in entries.items()}


def load(directory: Path, images: dict[str, Image]) -> Recipe:
    """Return the recipe in a directory; `{version}` in its requirements is the image's."""
    key = directory.name
    if key not in images:
        raise LabError(f"lab/images/{key} has a recipe, but catalog/images.yml has no image {key!r}")
    data = yaml.safe_load((directory / "recipe.yml").read_text(encoding="utf-8"))
    if "like" in data:  # another tag of the same image: its last script knows the tag
        directory = directory.parent / data["like"]
        data = yaml.safe_load((directory / "recipe.yml").read_text(encoding="utf-8"))
    wheels = tuple(
        Wheels(
            python=str(entry["python"]),
            into=entry["into"],
            requirements=tuple(line.format(version=images[key].version) for line in entry["requirements"]),
            without=tuple(entry.get("without", ())),
        )
        for entry in data.get("wheels", ())
    )
    return Recipe(key, images[key], data["debian"], tuple(data.get("packages", ())), wheels, data["config"], directory)


def recipes(names: tuple[str, ...] = ()) -> list[Recipe]:
    """Return the named recipes, or all; sorted by name."""
    images = catalogued()
    found = {path.parent.name: path.parent for path in sorted(HERE.glob("*/recipe.yml"))}
    for name in names:
        if name not in found:
            raise LabError(f"no recipe for an image called {name!r}; there are: {', '.join(found)}")
    return [load(found[name], images) for name in (names or found)]
