# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Edit ``psw.yml`` as a careful person would: change what is meant, keep every comment and the order."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Mapping
from typing import Any

Change = Callable[[Any], None]


def edited(text: str, change: Change) -> str:
    """Return the YAML text after ``change`` has worked on its tree."""
    # Imported here, because it costs as much as a whole short command that only reads.
    from ruamel.yaml import YAML  # noqa: PLC0415

    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 160
    yaml.indent(mapping=2, sequence=4, offset=2)
    tree = yaml.load(text)
    change(tree)
    result = io.StringIO()
    yaml.dump(tree, result)
    return result.getvalue()


def set_node(tree: Any, name: str, entry: Mapping[str, Any]) -> None:
    """Write one node, on a line of its own."""
    if not tree.get("nodes"):
        _place(tree, "nodes", {})
    tree["nodes"][name] = _flow_map(entry)


def add_apps(tree: Any, names: Iterable[str]) -> None:
    """Append names to the list of apps."""
    if not tree.get("apps"):
        _place(tree, "apps", _flow_list())
    tree["apps"].extend(names)


def remove_apps(tree: Any, gone: Iterable[str], left: Iterable[str]) -> None:
    """Take names off the list of apps; a ``@stack`` that named one of them becomes the apps that are left of it."""
    apps, removed, rest = tree["apps"], set(gone), list(left)
    stacks = [name for name in apps if str(name).startswith("@")]
    for name in [*stacks, *removed]:
        if name in apps:
            apps.remove(name)
    apps.extend(name for name in rest if name not in apps)


def _place(tree: Any, key: str, value: Any) -> None:
    """Set a key that is missing or empty; ruamel keeps a comment that stands behind an empty one."""
    tree[key] = value


def _flow_map(entry: Mapping[str, Any]) -> Any:
    from ruamel.yaml.comments import CommentedMap  # noqa: PLC0415 - as above

    result = CommentedMap(entry)
    result.fa.set_flow_style()
    return result


def _flow_list() -> Any:
    from ruamel.yaml.comments import CommentedSeq  # noqa: PLC0415 - as above

    result = CommentedSeq()
    result.fa.set_flow_style()
    return result
