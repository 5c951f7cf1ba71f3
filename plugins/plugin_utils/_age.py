# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The age identity that opens the secrets: found where sops looks for it, made there if there is none."""

from __future__ import annotations

import os
from pathlib import Path

from ansible_collections.psw.ai.plugins.plugin_utils._errors import SecretsError
from ansible_collections.psw.ai.plugins.plugin_utils._files import not_written, shown, write_atomic

PREFIX = "AGE-SECRET-KEY-"


def identity_file() -> Path:
    """Return the file in which sops looks for age identities first, and in which psw makes one."""
    named = os.environ.get("SOPS_AGE_KEY_FILE")
    return Path(named) if named else _default_file()


def _default_file() -> Path:
    config = os.environ.get("XDG_CONFIG_HOME")
    return (Path(config) if config else Path.home() / ".config") / "sops" / "age" / "keys.txt"


def recipients() -> list[str]:
    """Return the public keys of the user's identities, from every place where sops looks; an empty list when there is none."""
    keys = _public_keys(os.environ.get("SOPS_AGE_KEY", ""), "SOPS_AGE_KEY")
    for file in dict.fromkeys((identity_file(), _default_file())):
        try:
            keys += _public_keys(file.read_text(encoding="utf-8"), shown(file))
        except FileNotFoundError:
            continue
        except UnicodeDecodeError as exc:
            raise SecretsError(f"{shown(file)} holds no age identities: it is not a text file") from exc
        except OSError as exc:
            raise SecretsError(f"cannot read the age identity in {shown(file)}: {(exc.strerror or str(exc)).lower()}") from exc
    return list(dict.fromkeys(keys))


def make_identity() -> str:
    """Make an identity for this user, readable by nobody else, and return its public key."""
    from pyrage import x25519  # noqa: PLC0415 - needed once in the life of a user

    identity = x25519.Identity.generate()
    public = str(identity.to_public())
    file = identity_file()
    for directory in [parent for parent in (file.parent, *file.parent.parents) if not parent.exists()][::-1]:
        try:
            directory.mkdir(mode=0o700)
        except OSError as exc:
            raise not_written(directory, exc) from exc
    write_atomic(file, f"{_comments(file)}# public key: {public}\n{identity}\n", mode=0o600)
    return public


def _comments(file: Path) -> str:
    """Return the comments in a file without identities; anything else in it may be a key to something, and is not written over."""
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    if any(line.strip() and not line.startswith("#") for line in lines):
        raise SecretsError(
            f"{shown(file)} holds no age identity that psw can use, and psw does not write over it",
            f"add one with: age-keygen >> {shown(file)}, or name another file in SOPS_AGE_KEY_FILE",
        )
    return "".join(f"{line}\n" for line in lines)


def check_public(key: str) -> None:
    """Fail for what is no age public key, above all for a secret one; that one is not repeated."""
    if key.strip().upper().startswith(PREFIX):
        raise SecretsError("this is the secret half of an age key, which stays with its owner", "ask for the public half: it begins with age1")
    from pyrage import RecipientError, x25519  # noqa: PLC0415 - as above

    try:
        x25519.Recipient.from_str(key)
    except (RecipientError, ValueError) as exc:
        raise SecretsError(f"{key!r} is no age public key", "it begins with age1 and stands in its owner's keys.txt; age-keygen -y shows it too") from exc


def _public_keys(text: str, where: str) -> list[str]:
    from pyrage import IdentityError, x25519  # noqa: PLC0415 - as above

    keys = []
    for line in text.splitlines():
        if line.strip().startswith(PREFIX):
            try:
                keys.append(str(x25519.Identity.from_str(line.strip()).to_public()))
            except (IdentityError, ValueError) as exc:
                raise SecretsError(f"an age identity in {where} is damaged, or of a kind psw does not know", "make one with: age-keygen") from exc
    return keys
