# SPDX-License-Identifier: GPL-3.0-or-later
"""Keep secrets out of what psw writes and prints, should a task ever let one slip."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MASK = "********"
# Shorter values would blank out ordinary words.
SHORTEST = 8


class Scrubber:
    """Replaces known secret values in text, also in the forms that YAML, JSON and the shell give them."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._forms: list[str] = []
        self.learn(secrets)

    def learn(self, secrets: Iterable[str]) -> None:
        """Take more values to hide; the longest go first, so that none hides a part of another."""
        forms = {form for secret in secrets for form in _forms(secret)}
        self._forms = sorted({*self._forms, *forms}, key=lambda form: (-len(form), form))

    def __call__(self, text: str) -> str:
        """Return the text with every known secret replaced."""
        for form in self._forms:
            text = text.replace(form, MASK)
        return text

    def tree(self, data: Any) -> Any:
        """Return plain data with every text in it scrubbed."""
        if isinstance(data, str):
            return self(data)
        if isinstance(data, dict):
            return {key: self.tree(value) for key, value in data.items()}
        if isinstance(data, list):
            return [self.tree(value) for value in data]
        return data


def values(data: Any) -> Iterator[str]:
    """Return every text in a tree of secrets."""
    if isinstance(data, dict):
        for value in data.values():
            yield from values(value)
    elif isinstance(data, list):
        for value in data:
            yield from values(value)
    elif isinstance(data, str):
        yield data


def _forms(secret: str) -> set[str]:
    parts = {secret, *(line.strip() for line in secret.splitlines())}
    parts |= {json.dumps(part)[1:-1] for part in parts}
    return {part for part in parts if len(part) >= SHORTEST}
