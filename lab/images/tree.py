"""Root file systems of images: Debian's base, and what a recipe adds to it."""

import json
import os
import shutil
import sys
from pathlib import Path

from lab.host import LabError, apt_settings, apt_uris, run, say
from lab.images.layer import Layer, pack
from lab.images.recipe import HERE, NOISE, Recipe, Wheels, fingerprint
from lab.paths import CACHE
from lab.rootfs import DPKG_EXCLUDES, KEYRING

BASES = CACHE / "bases"
# Wheels are chosen for the oldest C library among the images' Debian releases.
PLATFORM = "x86_64-manylinux_2_36"


def base_fingerprint(release: str) -> str:
    """Return the hash of a Debian base."""
    return fingerprint(release)


def base(release: str) -> tuple[Path, Layer]:
    """Return a Debian release's smallest root file system and its layer, made now if the cache lacks them."""
    home = BASES / f"{release}-{base_fingerprint(release)}"
    facts = home / "layer.json"
    if not facts.exists():
        for old in BASES.glob(f"{release}-*"):
            run("rm", "-rf", "--one-file-system", old)
        say(f"building the Debian {release} base of the images (once)")
        home.mkdir(parents=True)
        _debootstrap(release, home)
        layer = pack(home / "root", home / "layer.tar.zst")
        facts.write_text(json.dumps(layer.facts()), encoding="utf-8")
    return home / "root", Layer(**json.loads(facts.read_text(encoding="utf-8")))


def _debootstrap(release: str, home: Path) -> None:
    if not KEYRING.exists():
        raise LabError(f"{KEYRING} is missing; install debian-archive-keyring")
    uris = apt_uris()
    suites = ((uris["debian"], release), (uris["debian"], f"{release}-updates"), (uris["security"], f"{release}-security"))
    options = home / "apt.conf"
    options.write_text("\n".join(apt_settings().values()) + '\nAcquire::Languages "none";\n', encoding="utf-8")
    run(
        "mmdebstrap", "--quiet", "--mode=root", "--variant=minbase", "--include=ca-certificates", f"--aptopt={options}",
        "--skip=cleanup/apt/lists", "--dpkgopt=force-unsafe-io", *(f"--dpkgopt=path-exclude={path}" for path in DPKG_EXCLUDES),
        release, home / "root",
        *(f"deb [signed-by={KEYRING}] {uri} {suite} main" for uri, suite in suites),
        env={**os.environ, "TMPDIR": str(home)},
    )  # fmt: skip
    (home / "root/etc/resolv.conf").touch()


def _install_wheels(recipe: Recipe, wheels: Wheels, upper: Path, scratch: Path) -> None:
    """Install Python packages into the tree, from outside; nothing is compiled."""
    left_out = scratch / "left-out.txt"
    left_out.write_text("".join(f"{name}; sys_platform == 'never'\n" for name in wheels.without), encoding="utf-8")
    constraints = ["--constraint", str(recipe.constraints)] if recipe.constraints.exists() else []
    run(
        *_uv(), "pip", "install", "--quiet", "--no-progress", "--only-binary=:all:", "--python-version", wheels.python, "--python-platform", PLATFORM,
        "--target", upper / wheels.into, "--override", left_out, *constraints, *wheels.requirements,
    )  # fmt: skip


def _uv() -> list[str]:
    """Return the command of uv: the one beside this Python, or the one in PATH."""
    beside = Path(sys.executable).with_name("uv")
    program = str(beside) if beside.exists() else shutil.which("uv")
    if program is None:
        raise LabError("the lab builds images with uv, and there is none: run `pip install uv`")
    return [program]


def assemble(recipe: Recipe, lower: Path, scratch: Path) -> Path:
    """Make what a recipe adds to its base and return that directory."""
    upper, work, merged = (scratch / name for name in ("upper", "work", "merged"))
    for directory in (upper, work, merged):
        directory.mkdir()
    for wheels in recipe.wheels:
        _install_wheels(recipe, wheels, upper, scratch)
    if recipe.files.is_dir():
        shutil.copytree(recipe.files, upper, dirs_exist_ok=True, symlinks=True, ignore=shutil.ignore_patterns(*NOISE))
    upper.chmod(0o755)
    script = recipe.script.read_text(encoding="utf-8") if recipe.script.exists() else ":"
    run(
        "unshare", "--mount", "--propagation", "private", "sh", HERE / "assemble.sh", lower, upper, work, merged, *recipe.packages,
        stdin=script, env={**os.environ, "IMAGE_VERSION": recipe.image.version, "IMAGE_TAG": recipe.image.tag},
    )  # fmt: skip
    return upper
