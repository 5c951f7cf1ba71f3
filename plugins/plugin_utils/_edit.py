# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Edit ``psw.yml`` as a careful person would: change what is meant, keep every comment and the order."""

from __future__ import annotations

import io
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ansible_collections.psw.ai.plugins.plugin_utils._errors import ProjectError

# Works on the tree, and returns the comments that go with what it removes.
Change = Callable[[Any], list[str] | None]
COMMENT = re.compile(r"(?:^|(?<=\s))#.*$", re.MULTILINE)
SPACES = re.compile(r"[ \t]{2,}(#.*)$")
# A key, then a list whose dashes stand right below it.
UNINDENTED_LIST = re.compile(r"^(\s*)[^\s#-][^#\n]*:[ \t]*(?:#[^\n]*)?\n(?:\s*#[^\n]*\n)*\1- ", re.MULTILINE)


def edited(text: str, change: Change, name: str = "psw.yml") -> str:
    """Return the YAML text after ``change`` has worked on its tree; an edit that would lose a comment is not made."""
    # Imported here, because it costs as much as a whole short command that only reads.
    from ruamel.yaml import YAML  # noqa: PLC0415

    ending = "\r\n" if "\r\n" in text else "\n"
    text = text.replace("\r\n", "\n")
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 4096  # lines stay as long as the user made them
    yaml.explicit_start = text.lstrip().startswith("---")
    if not UNINDENTED_LIST.search(text):
        yaml.indent(mapping=2, sequence=4, offset=2)
    tree = yaml.load(text)
    removed = change(tree) or []
    stream = io.StringIO()
    yaml.dump(tree, stream)
    result = _tidy(text, stream.getvalue())
    if lost := Counter(COMMENT.findall(text)) - Counter(COMMENT.findall(result)) - Counter(removed):
        raise ProjectError(f"psw cannot change {name} and keep this comment: {next(iter(lost))}", "make the change by hand, or move the comment")
    return result.replace("\n", ending)


def _tidy(before: str, after: str) -> str:
    """Put comments on changed lines right behind what they belong to; ruamel keeps the column, which no longer means anything there."""
    same = set(before.splitlines())
    return "".join(f"{line if line in same else SPACES.sub(chr(32) + chr(92) + '1', line)}\n" for line in after.splitlines())


def set_entry(tree: Any, key: str, name: str, entry: Mapping[str, Any]) -> None:
    """Write one entry of a mapping, such as a node, on a line of its own."""
    from ruamel.yaml.comments import CommentedMap  # noqa: PLC0415 - as above

    line = CommentedMap(entry)
    line.fa.set_flow_style()
    if not tree.get(key):
        tree[key] = CommentedMap()
    tree[key][name] = line


def remove_entry(tree: Any, key: str, name: str) -> list[str]:
    """Take one entry out of a mapping and return the comment on its line; what stands below it stays."""
    entries = tree[key]
    before = list(entries)[: list(entries).index(name)]
    tokens = entries.ca.items.pop(name, None)
    below = entries[name].ca.comment if hasattr(entries[name], "ca") else None
    del entries[name]
    if not entries:
        entries.fa.set_flow_style()  # nothing else stands for an empty mapping
    token = tokens[2] if tokens else below[0] if below else None
    if token is None:
        return []
    own, _newline, rest = token.value.partition("\n")
    if rest.strip():
        _attach(entries, before[-1], f"\n{rest}") if before else _attach(tree, key, f"\n{rest}")
    return [own.strip()] if own.strip() else []


def add_apps(tree: Any, names: Iterable[str]) -> None:
    """Append names to the list of apps."""
    from ruamel.yaml.comments import CommentedSeq  # noqa: PLC0415 - as above

    if not tree.get("apps"):
        tree["apps"] = CommentedSeq()
        tree["apps"].fa.set_flow_style()
    for name in names:
        append(tree["apps"], name)


def remove_apps(tree: Any, gone: Iterable[str], left: Iterable[str]) -> list[str]:
    """Take names off the list of apps; a ``@stack`` that named one of them becomes the apps that are left of it."""
    apps, removed = tree["apps"], []
    stacks = [name for name in apps if str(name).startswith("@")]
    for name in [*stacks, *gone]:
        if name in apps:
            removed += remove_item(tree, "apps", apps.index(name))
    for name in left:
        if name not in apps:
            append(apps, name)
    if not apps:
        apps.fa.set_flow_style()  # nothing else stands for an empty list
    return removed


def append(items: Any, name: str, comment: str = "") -> None:
    """Append to a list, with a comment on the item's line; what stands below the list keeps standing below it."""
    below = items.ca.items.get(len(items) - 1) if items else None
    items.append(name)
    if below and below[0] and not items.fa.flow_style():
        own, _newline, rest = below[0].value.partition("\n")
        if rest:
            below[0].value = f"{own}\n"
            _attach(items, len(items) - 1, f"\n{rest}")
    if comment:
        items.yaml_add_eol_comment(comment, len(items) - 1, column=0)


def remove_item(tree: Any, key: str, index: int) -> list[str]:
    """Remove from a list and return the comment on the item's own line; what stands below the item stays."""
    items = tree[key]
    tokens = items.ca.items.get(index)
    del items[index]
    if not tokens or not tokens[0] or items.fa.flow_style():
        return []
    own, _newline, below = tokens[0].value.partition("\n")
    if below.strip():
        _attach(items, max(index - 1, 0), f"\n{below}") if items else _attach(tree, key, f"\n{below}")
    return [own.strip()] if own.strip() else []


def _attach(items: Any, index: int | str, text: str) -> None:
    """Put comment lines after an item of a list or the value of a key."""
    from ruamel.yaml.error import CommentMark  # noqa: PLC0415 - as above
    from ruamel.yaml.tokens import CommentToken  # noqa: PLC0415

    tokens = items.ca.items.setdefault(index, [None, None, None, None])
    slot = 0 if isinstance(index, int) else 2  # where ruamel keeps what comes after
    if tokens[slot] is None:
        tokens[slot] = CommentToken(text, CommentMark(0), None)
    else:
        tokens[slot].value = tokens[slot].value.rstrip("\n") + text
