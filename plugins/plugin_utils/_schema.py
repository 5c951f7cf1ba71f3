# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hold a file to its JSON schema, and say what is wrong with it as a person would."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ansible_collections.psw.ai.plugins.plugin_utils._errors import ProjectError, PswError
from ansible_collections.psw.ai.plugins.plugin_utils._near import near

if TYPE_CHECKING:
    from ansible_collections.psw.ai.plugins.plugin_utils._yaml import Document, Where

SCHEMAS = Path(__file__).parents[2] / "catalog" / "schemas"
TYPES = {
    "object": "keys and values",
    "array": "a list",
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "null": "nothing",
}


def validate(document: Document, kind: str, error: type[PswError] = ProjectError) -> None:
    """Raise an error naming file, line and key for the first thing in the file that the schema of ``kind`` does not allow."""
    problems = sorted(_validator(kind).iter_errors(document.data), key=lambda problem: _line(document, problem))
    if not problems:
        return
    first = _deepest(problems[0])
    more = f" (and {len(problems) - 1} more in this file)" if len(problems) > 1 else ""
    raise error(f"{document.at(_where(first))}: {_explain(first)}{more}")


@functools.cache
def _validator(kind: str) -> Any:
    # Imported here, because it costs more than all the rest of a short command, and `psw --help` needs none of it.
    from jsonschema import Draft202012Validator  # noqa: PLC0415

    return Draft202012Validator(json.loads((SCHEMAS / f"{kind}.schema.json").read_text(encoding="utf-8")))


def _deepest(problem: Any) -> Any:
    """Follow alternatives (``anyOf``) to the complaint that got furthest, which is the one the user meant."""
    while problem.context:
        problem = max(problem.context, key=lambda inner: len(inner.absolute_path))
    return problem


def _line(document: Document, problem: Any) -> int:
    return document.line(_where(problem))


def _where(problem: Any) -> Where:
    """Return the place the user has to look at: for an unknown key that key, else the value's own key."""
    where: Where = tuple(problem.absolute_path)
    if problem.validator == "additionalProperties" and isinstance(problem.instance, Mapping):
        return (*where, _unknown_keys(problem)[0])
    if problem.validator == "pattern" and problem.absolute_schema_path and "propertyNames" in problem.absolute_schema_path:
        return (*where, problem.instance)
    return where


def _unknown_keys(problem: Any) -> list[str]:
    known = problem.schema.get("properties", {})
    return [key for key in problem.instance if key not in known]


def _name(where: Where) -> str:
    text = ""
    for part in where:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def _explain(problem: Any) -> str:
    where = tuple(problem.absolute_path)
    name = _name(where) or "this file"
    wrong = problem.instance
    expected = problem.schema.get("x-expected", "") if isinstance(problem.schema, Mapping) else ""
    match problem.validator:
        case "additionalProperties":
            key = _unknown_keys(problem)[0]
            known = sorted(problem.schema.get("properties", {}))
            guess = near(key, known)
            inside = f" in {_name(where)}" if where else ""
            return f"unknown key {key!r}{inside}, " + (f"did you mean {guess!r}?" if guess else f"known keys: {', '.join(known)}")
        case "required":
            missing = next(key for key in problem.validator_value if key not in wrong)
            return f"{name} lacks the key {missing!r}"
        case "type":
            wanted = problem.validator_value if isinstance(problem.validator_value, list) else [problem.validator_value]
            types = " or ".join(TYPES[kind] for kind in wanted if kind != "null")
            return f"{name} must be {expected or types}, not {_described(wrong)}"
        case "enum":
            values = [str(value) for value in problem.validator_value]
            guess = near(wrong, values)
            return f"{name} must be one of {', '.join(values)}, not {_described(wrong)}" + (f"; did you mean {guess!r}?" if guess else "")
        case "const" if where == ("schema",):
            return f"schema must be {problem.validator_value}, not {_described(wrong)}; this file is of another version of psw"
        case "const":
            return f"{name} must be {problem.validator_value!r}, not {_described(wrong)}"
        case "pattern":
            return f"{name} must be {expected or 'text like ' + problem.validator_value}, not {_described(wrong)}"
        case "uniqueItems":
            double = next(item for item in wrong if wrong.count(item) > 1)
            return f"{name} names {double!r} twice"
        case "minimum" | "maximum":
            bound = "at least" if problem.validator == "minimum" else "at most"
            return f"{name} must be {bound} {problem.validator_value}, not {wrong}"
        case "minItems" | "minProperties" | "minLength":
            return f"{name} must not be empty"
        case None:
            return f"{name} does not belong here" + (f": {expected}" if expected else "")
        case _:
            return f"{name}: {problem.message}"


def _described(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return repr(value)
    if isinstance(value, int | float):
        return f"the number {value}"
    if value is None:
        return "empty"
    return "a list" if isinstance(value, list) else "keys and values"
