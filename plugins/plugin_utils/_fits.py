# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Say whether data fits a JSON schema, and nothing more.

Importing jsonschema costs more than all the rest of a short command. Nearly every file that psw reads is valid, so this says yes in
no time; jsonschema is asked only to explain a no. It knows the keywords that psw's schemas use, no others; a test holds the two to
the same answers.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

Schema = Mapping[str, Any]

END = re.compile(r"(?<!\\)\$")
ANNOTATIONS = {"$schema", "$id", "$defs", "title", "description", "default", "then", "x-expected"}


def fits(value: Any, schema: Schema, root: Schema | None = None) -> bool:
    """Return whether the value is valid; a keyword that is not known here counts as no."""
    root = schema if root is None else root
    return all(CHECKS[keyword](value, schema, root) if keyword in CHECKS else keyword in ANNOTATIONS for keyword in schema)


def matches(pattern: str, text: str) -> bool:
    """Say whether the text matches as JSON Schema means it: there ``$`` is the very end, while Python's lets a line break follow."""
    return re.search(END.sub(r"\\Z", pattern), text) is not None


def _is(value: Any, kind: str) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"
    if kind == "integer":
        return isinstance(value, int) or (isinstance(value, float) and value.is_integer())
    return isinstance(value, TYPES[kind])


TYPES: dict[str, Any] = {"object": dict, "array": list, "string": str, "number": (int, float), "null": type(None), "boolean": ()}


def _same(one: Any, other: Any) -> bool:
    """Compare as JSON does: true is not 1, not even inside a list."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    return bool(one == other)


def _type(value: Any, schema: Schema, _root: Schema) -> bool:
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    return any(_is(value, kind) for kind in kinds)


def _additional(value: Any, schema: Schema, root: Schema) -> bool:
    rule, known = schema["additionalProperties"], schema.get("properties", {})
    return not isinstance(value, dict) or all(rule is not False and fits(item, rule, root) for key, item in value.items() if key not in known)


def _unique(value: Any, _schema: Schema, _root: Schema) -> bool:
    return not isinstance(value, list) or not any(_same(one, other) for at, one in enumerate(value) for other in value[at + 1 :])


def _reference(value: Any, schema: Schema, root: Schema) -> bool:
    found: Any = root
    for part in schema["$ref"].removeprefix("#/").split("/"):
        found = found[part]
    return fits(value, found, root)


CHECKS: dict[str, Callable[[Any, Schema, Schema], bool]] = {
    "type": _type,
    "const": lambda value, schema, _: _same(value, schema["const"]),
    "enum": lambda value, schema, _: any(_same(value, item) for item in schema["enum"]),
    "pattern": lambda value, schema, _: not isinstance(value, str) or matches(schema["pattern"], value),
    "minLength": lambda value, schema, _: not isinstance(value, str) or len(value) >= schema["minLength"],
    "minimum": lambda value, schema, _: not _is(value, "number") or value >= schema["minimum"],
    "maximum": lambda value, schema, _: not _is(value, "number") or value <= schema["maximum"],
    "minItems": lambda value, schema, _: not isinstance(value, list) or len(value) >= schema["minItems"],
    "uniqueItems": _unique,
    "items": lambda value, schema, root: not isinstance(value, list) or all(fits(item, schema["items"], root) for item in value),
    "required": lambda value, schema, _: not isinstance(value, dict) or all(key in value for key in schema["required"]),
    "properties": lambda value, schema, root: (
        not isinstance(value, dict) or all(fits(value[key], rule, root) for key, rule in schema["properties"].items() if key in value)
    ),
    "additionalProperties": _additional,
    "propertyNames": lambda value, schema, root: not isinstance(value, dict) or all(fits(key, schema["propertyNames"], root) for key in value),
    "allOf": lambda value, schema, root: all(fits(value, rule, root) for rule in schema["allOf"]),
    "oneOf": lambda value, schema, root: sum(fits(value, rule, root) for rule in schema["oneOf"]) == 1,
    "not": lambda value, schema, root: not fits(value, schema["not"], root),
    "if": lambda value, schema, root: not fits(value, schema["if"], root) or fits(value, schema.get("then", {}), root),
    "$ref": _reference,
}
