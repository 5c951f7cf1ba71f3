# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read YAML and remember where each key stands; write it in the one way psw writes it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml
from ansible_collections.psw.ai.plugins.plugin_utils._errors import ProjectError, PswError
from ansible_collections.psw.ai.plugins.plugin_utils._files import read_text, shown

if TYPE_CHECKING:
    from pathlib import Path

Where = tuple[str | int, ...]
LONGEST = 40  # characters of a value in a message
MERGE_MARKER = re.compile(r"^(<{7}|={7}|>{7})( |$)")
MERGE_HINT = "settle the conflict in this file first"


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Plain values as YAML 1.2 reads them, so that ``on``, ``2026-11-22`` and ``0000:01:00.0`` stay text."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:  # noqa: FBT001, FBT002 - PyYAML's signature
        """Return a value; PyYAML lets one that its tag does not fit (``!!int abc``) end in whatever error Python has for it."""
        try:
            return super().construct_object(node, deep)
        except (ValueError, LookupError, AttributeError) as exc:
            value = str(getattr(node, "value", ""))
            short = value if len(value) <= LONGEST else f"{value[:LONGEST]}..."
            raise yaml.constructor.ConstructorError(None, None, f"{short!r} is not a value of its kind", node.start_mark) from exc


_Loader.yaml_implicit_resolvers = {}
for _tag, _pattern, _first in (
    ("bool", r"^(?:true|True|TRUE|false|False|FALSE)$", "tTfF"),
    ("null", r"^(?:~|null|Null|NULL|)$", ["~", "n", "N", ""]),
    ("int", r"^[-+]?(?:0|[1-9][0-9]*)$", "-+0123456789"),
    ("float", r"^[-+]?(?:0|[1-9][0-9]*)\.[0-9]+(?:[eE][-+]?[0-9]+)?$", "-+0123456789"),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(_pattern), list(_first))


class _TextLoader(_Loader):
    """Takes every value for text, whatever its tag says."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:  # noqa: FBT001, FBT002 - PyYAML's signature
        """Return a value just as it was written."""
        return node.value if isinstance(node, yaml.ScalarNode) else super().construct_object(node, deep)


_TextLoader.yaml_implicit_resolvers = {}


@dataclass(frozen=True)
class Document:
    """A YAML file as data, with the line (counted from 1) on which each key and list item stands."""

    path: Path
    data: Any
    lines: dict[Where, int]

    def line(self, where: Where) -> int:
        """Return the line of a key, or of the nearest thing around it that stands in the file."""
        while where and where not in self.lines:
            where = where[:-1]
        return self.lines.get(where, 1)

    def at(self, where: Where) -> str:
        """Return ``file:line`` of a key."""
        return f"{shown(self.path)}:{self.line(where)}"


def load(path: Path, error: type[PswError] = ProjectError, merge_hint: str = MERGE_HINT) -> Document:
    """Read one YAML file; broken YAML, a doubled key or a merge conflict is an error that names the line."""
    text = read_text(path, error)
    refuse_merge_markers(text, path, error, merge_hint)
    return parse(text, path, error)


def parse(text: str, path: Path, error: type[PswError] = ProjectError, *, only_text: bool = False) -> Document:
    """Turn the text of a YAML file into a document; with ``only_text`` every value is text, just as it was written."""
    refuse_merge_markers(text, path, error)
    loader = (_TextLoader if only_text else _Loader)(text)
    try:
        node = loader.get_single_node()
        lines: dict[Where, int] = {}
        if node is not None:
            _walk(node, (), lines, path, error)
        data = loader.construct_document(node) if node is not None else None
    except yaml.MarkedYAMLError as exc:
        mark = exc.problem_mark or exc.context_mark
        line = min(mark.line + 1 if mark else 1, len(text.splitlines()))  # what never ends is reported behind the end
        raise error(f"{shown(path)}:{line}: this is not YAML: {exc.problem or exc.context}") from exc
    except yaml.YAMLError as exc:
        raise error(f"{shown(path)}: this is not YAML: {str(exc).splitlines()[0]}") from exc
    except RecursionError as exc:
        raise error(f"{shown(path)}: this is nested too deeply, or holds itself") from exc
    finally:
        loader.dispose()
    if not isinstance(data, dict):
        raise error(f"{shown(path)}:1: expected keys and values, such as `schema: 1`")
    return Document(path, data, lines)


def refuse_merge_markers(text: str, path: Path, error: type[PswError] = ProjectError, hint: str = MERGE_HINT) -> None:
    """Fail if git left a merge conflict in the file."""
    for number, line in enumerate(text.splitlines(), 1):
        if MERGE_MARKER.match(line):
            raise error(f"{shown(path)}:{number}: an unfinished merge ({line[:7]})", hint)


def _walk(node: yaml.Node, where: Where, lines: dict[Where, int], path: Path, error: type[PswError]) -> None:
    lines.setdefault(where, node.start_mark.line + 1)
    if isinstance(node, yaml.MappingNode):
        seen: dict[str, int] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if key.tag != "tag:yaml.org,2002:str":
                raise error(f"{shown(path)}:{line}: the key {getattr(key, 'value', '')!s} is not text", "write it in quotes")
            if key.value in seen:
                raise error(f"{shown(path)}:{line}: the key {key.value!r} stands here for the second time, first in line {seen[key.value]}")
            seen[key.value] = line
            lines[(*where, key.value)] = line
            _walk(value, (*where, key.value), lines, path, error)
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            lines[(*where, index)] = item.start_mark.line + 1
            _walk(item, (*where, index), lines, path, error)


def dump(data: Any, comment: str = "") -> str:
    """Return YAML text in the order of the data, under a comment that says who writes this file."""
    head = "".join(f"# {line}\n" for line in comment.splitlines())
    # PyYAML quotes what YAML 1.1 would misread (PCI addresses look like base-60 numbers to it), so every reader sees text.
    return head + yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=160, default_flow_style=False)


class _Dumper(yaml.SafeDumper):
    """Indents lists below their key, as most people and linters want them."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002, FBT001, FBT002 - PyYAML's signature
        super().increase_indent(flow, indentless=False)


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.Node:
    """Several lines stand as several lines."""
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)


_Dumper.add_representer(str, _text)
