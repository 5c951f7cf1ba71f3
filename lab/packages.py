"""Debian packages and signed repositories, made on this machine for the stand-ins of vendors' repositories."""

import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from lab.host import run
from lab.lock import locked
from lab.paths import CACHE

KEYS = CACHE / "keys"


def build(directory: Path, control: Mapping[str, str], tree: Mapping[str, Path | bytes], scripts: Mapping[str, str] | None = None) -> Path:
    """Write one .deb into the directory: control fields, files by path inside (mode 755 in bin/, else 644), maintainer scripts."""
    directory.mkdir(parents=True, exist_ok=True)
    fields = {"Architecture": "amd64", "Maintainer": "the psw lab <lab@psw.local>", "Section": "utils", "Priority": "optional", **control}
    with tempfile.TemporaryDirectory(dir=directory) as scratch:
        root = Path(scratch) / "root"
        (root / "DEBIAN").mkdir(parents=True)
        root.chmod(0o755)
        (root / "DEBIAN/control").write_text("".join(f"{key}: {value}\n" for key, value in fields.items()), encoding="utf-8")
        for name, text in (scripts or {}).items():
            (root / "DEBIAN" / name).write_text(f"#!/bin/sh\nset -e\n{text}\n", encoding="utf-8")
            (root / "DEBIAN" / name).chmod(0o755)
        for path, content in tree.items():
            file = root / path
            file.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, Path):
                file.symlink_to(content)
                continue
            file.write_bytes(content)
            file.chmod(0o755 if "/bin/" in f"/{path}" or path.endswith(".so") else 0o644)
        name = f"{fields['Package']}_{fields['Version']}_{fields['Architecture']}.deb"
        run("dpkg-deb", "--root-owner-group", "-Znone", "--build", root, directory / name)
    return directory / name


def _gpg(name: str, *arguments: str | Path) -> str:
    home = KEYS / name
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    return run("gpg", "--batch", "--quiet", "--yes", "--homedir", home, *arguments, env={**os.environ, "LC_ALL": "C"}).stdout


@contextmanager
def _keys(name: str) -> Iterator[Path]:
    """Hold a vendor's keys, made on first use, and yield its ASCII-armoured public key; the agent that looked after them ends with that."""
    with locked(KEYS / f"{name}.lock"):
        try:
            yield _key(name)
        finally:
            run("gpgconf", "--homedir", KEYS / name, "--kill", "all", check=False)


def _key(name: str) -> Path:
    public = KEYS / f"{name}.asc"
    if not public.exists():
        shutil.rmtree(KEYS / name, ignore_errors=True)
        _gpg(name, "--passphrase", "", "--quick-generate-key", f"{name} (psw lab)", "rsa3072", "sign", "never")
        public.write_text(_gpg(name, "--armor", "--export"), encoding="utf-8")
    return public


def key(name: str) -> str:
    """Return a vendor's ASCII-armoured public key."""
    with _keys(name) as public:
        return public.read_text(encoding="utf-8")


def fingerprint(name: str) -> str:
    """Return the fingerprint of a vendor's key."""
    with _keys(name):
        lines = _gpg(name, "--with-colons", "--list-keys").splitlines()
    return next(line.split(":")[9] for line in lines if line.startswith("fpr:"))


def keyring(name: str, file: Path) -> None:
    """Let there be a vendor's public key as a keyring that apt reads."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with _keys(name):
        if not file.exists():
            _gpg(name, "--output", file, "--export")


def _sums(root: Path, files: Iterable[Path]) -> str:
    lines = ["SHA256:"]
    for file in files:
        content = file.read_bytes()
        lines.append(f" {hashlib.sha256(content).hexdigest()} {len(content)} {file.relative_to(root)}")
    return "\n".join(lines)


def _index(root: Path, debs: Iterable[Path]) -> str:
    paragraphs = []
    for deb in sorted(debs):
        content = deb.read_bytes()
        control = run("dpkg-deb", "--field", deb).stdout.strip()
        paragraphs.append(f"{control}\nFilename: {deb.relative_to(root)}\nSize: {len(content)}\nSHA256: {hashlib.sha256(content).hexdigest()}\n")
    return "\n".join(paragraphs)


def publish(root: Path, signer: str, suite: str = "", component: str = "") -> None:
    """Write the index and the signed release of a repository over the .deb files below root; without a suite it is a flat one."""
    release = root / "dists" / suite if suite else root
    packages = release / component / "binary-amd64/Packages" if suite else release / "Packages"
    packages.parent.mkdir(parents=True, exist_ok=True)
    packages.write_text(_index(root, root.rglob("*.deb")), encoding="utf-8")
    date = time.strftime("%a, %d %b %Y %H:%M:%S UTC", time.gmtime())
    name = suite or "stable"
    fields = {"Origin": signer, "Label": signer, "Suite": name, "Codename": name, "Date": date, "Architectures": "amd64", "Components": component or "main"}
    head = "".join(f"{field}: {value}\n" for field, value in fields.items())
    (release / "Release").write_text(f"{head}{_sums(release, [packages])}\n", encoding="utf-8")
    with _keys(signer):
        _gpg(signer, "--output", release / "InRelease", "--clearsign", release / "Release")
        _gpg(signer, "--armor", "--output", release / "Release.gpg", "--detach-sign", release / "Release")
