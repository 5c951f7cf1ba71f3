"""Debian 13 root file systems, made once from the machine's own mirror and kept in the cache under the hash of their recipe."""

import hashlib
import os
import re
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lab import ca
from lab.host import CA_BUNDLE, LabError, apt_settings, run, say, trixie_sources
from lab.lock import locked
from lab.paths import CACHE

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
# Debian's own upkeep, at hours of its own: no test is to meet what it changes.
TIMERS = tuple(f"{name}.timer" for name in ("apt-daily", "apt-daily-upgrade", "dpkg-db-backup", "e2scrub_all", "fstrim", "logrotate", "man-db"))
# Nobody reads manuals in a lab, and they are a third of the files.
DPKG_EXCLUDES = ("/usr/share/man/*", "/usr/share/locale/*", "/usr/share/doc/*")


@dataclass(frozen=True)
class Recipe:
    """What goes into a root file system: packages, directories copied in, and commands run in it at the end."""

    name: str
    packages: Sequence[str]
    commands: Sequence[str] = ()
    extra: Mapping[str, Path] = field(default_factory=dict)  # path inside -> directory copied there

    def fingerprint(self) -> str:
        """Return a hash that changes with everything that shapes the result."""
        digest = hashlib.sha256(repr((self.name, list(self.packages), list(self.commands), trixie_sources(), apt_settings())).encode())
        digest.update(ca.certificate().encode())
        for root in self.extra.values():
            for file in sorted(path for path in root.rglob("*") if path.is_file() and path.suffix != ".pyc"):
                digest.update(f"{file.relative_to(root)} {file.stat().st_mode}".encode())
                digest.update(file.read_bytes())
        return digest.hexdigest()[:16]


def machine_certificates(theirs: str, ours: str) -> list[str]:
    """Return the PEM certificates that the first bundle has and the second lacks, in order."""
    block = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)
    known = {"".join(found.split()) for found in block.findall(ours)}
    return [found for found in block.findall(theirs) if "".join(found.split()) not in known]


def _trust(root: Path) -> None:
    """Let the system trust what this machine trusts, and the lab's own authority."""
    local = root / "usr/local/share/ca-certificates"
    local.mkdir(parents=True, exist_ok=True)
    (local / "psw-lab.crt").write_text(ca.certificate(), encoding="utf-8")
    if CA_BUNDLE.is_file():
        theirs = (root / "etc/ssl/certs/ca-certificates.crt").read_text(encoding="utf-8")
        for number, pem in enumerate(machine_certificates(CA_BUNDLE.read_text(encoding="utf-8"), theirs)):
            (local / f"machine-{number}.crt").write_text(f"{pem}\n", encoding="utf-8")
    run("chroot", root, "update-ca-certificates")


def _apt(root: Path) -> None:
    """Give the system this machine's mirrors and apt settings."""
    (root / "etc/apt/sources.list").unlink(missing_ok=True)
    sources = root / "etc/apt/sources.list.d"
    for file in sources.glob("*"):
        file.unlink()
    (sources / "debian.sources").write_text(trixie_sources(), encoding="utf-8")
    for name, text in apt_settings().items():
        (root / "etc/apt/apt.conf.d" / name).write_text(text, encoding="utf-8")
    # dpkg in a lab need not survive a power cut.
    (root / "etc/dpkg/dpkg.cfg.d/lab").write_text("force-unsafe-io\n" + "".join(f"path-exclude={path}\n" for path in DPKG_EXCLUDES), encoding="utf-8")


def _debootstrap(recipe: Recipe, root: Path, scratch: Path) -> None:
    sources = scratch / "lab.sources"
    sources.write_text(trixie_sources(), encoding="utf-8")
    options = scratch / "apt.conf"
    options.write_text("\n".join(apt_settings().values()) + '\nAcquire::Languages "none";\n', encoding="utf-8")
    run(
        "mmdebstrap",
        "--quiet",
        "--mode=root",
        "--variant=minbase",
        f"--include={','.join(recipe.packages)}",
        f"--keyring={KEYRING}",
        f"--aptopt={options}",
        "--dpkgopt=force-unsafe-io",
        *(f"--dpkgopt=path-exclude={path}" for path in DPKG_EXCLUDES),
        "trixie",
        root,
        sources,
        env={**os.environ, "TMPDIR": str(scratch)},
    )


def _pack(root: Path, archive: Path) -> None:
    part = archive.with_suffix(".part")
    compress = ["zstd", "-T0", "-3"] if archive.suffix == ".zst" else ["cat"]
    run("tar", "--numeric-owner", "--xattrs", f"--use-compress-program={' '.join(compress)}", "-C", root, "-cf", part, ".")
    part.rename(archive)


def build(recipe: Recipe, suffix: str) -> Path:
    """Return the archive of this recipe, made now if the cache lacks it; a second lab waits for the first one's."""
    shelf = CACHE / "rootfs"
    shelf.mkdir(parents=True, exist_ok=True)
    archive = shelf / f"{recipe.name}-{recipe.fingerprint()}{suffix}"
    with locked(shelf / f"{recipe.name}.lock"):
        if not archive.exists():
            _build(recipe, archive)
    return archive


def _build(recipe: Recipe, archive: Path) -> None:
    if not KEYRING.exists():
        raise LabError(f"{KEYRING} is missing; install debian-archive-keyring")
    say(f"building the {recipe.name} root file system (once, about a minute)")
    started = time.monotonic()
    scratch = CACHE / "tmp" / f"rootfs-{recipe.name}"
    run("rm", "-rf", "--one-file-system", scratch)  # what a killed run left
    scratch.mkdir(parents=True)
    root = scratch / "root"
    try:
        _debootstrap(recipe, root, scratch)
        _apt(root)
        _trust(root)
        for place, source in recipe.extra.items():
            shutil.copytree(source, root / place, dirs_exist_ok=True, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
        for command in recipe.commands:
            run("chroot", root, "sh", "-ec", command)
        _pack(root, archive)
    finally:
        run("rm", "-rf", "--one-file-system", scratch, check=False)
    for old in archive.parent.glob(f"{recipe.name}-*"):
        if old != archive:
            old.unlink()
    say(f"{recipe.name} root file system made in {time.monotonic() - started:.0f} s")
