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
from ansible_collections.psw.ai.plugins.plugin_utils._fits import fits, matches
from ansible_collections.psw.ai.plugins.plugin_utils._near import near

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

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
    if fits(document.data, _schema(kind)):
        return
    problems = sorted(_validator(kind).iter_errors(document.data), key=lambda problem: _line(document, problem))
    if not problems:
        return
    first = _deepest(problems[0])
    more = f" (and {len(problems) - 1} more in this file)" if len(problems) > 1 else ""
    raise error(f"{document.at(_where(first))}: {_explain(first)}{more}")


def check_key(value: Any, kind: str, key: str, error: type[PswError] = ProjectError) -> None:
    """Hold one value, such as a command's argument, to what the schema of ``kind`` says about a key at the top."""
    if fits(value, _schema(kind)["properties"][key], _schema(kind)):
        return
    validator = _validator(kind)
    for problem in validator.evolve(schema=validator.schema["properties"][key]).iter_errors(value):
        raise error(_explain(problem).replace("this file", f"the {key}", 1))


@functools.cache
def _schema(kind: str) -> dict[str, Any]:
    schema: dict[str, Any] = json.loads((SCHEMAS / f"{kind}.schema.json").read_text(encoding="utf-8"))
    return schema


@functools.cache
def _validator(kind: str) -> Any:
    # Imported here, because it costs more than all the rest of a short command: see _fits.py.
    try:
        from jsonschema import Draft202012Validator, ValidationError  # noqa: PLC0415
        from jsonschema.validators import extend  # noqa: PLC0415
    except ImportError as exc:
        raise PswError("the Python package jsonschema is not there", "install it where Ansible runs: pip install jsonschema") from exc

    def pattern(_validator: Any, wanted: str, value: Any, _schema: Any) -> Iterator[ValidationError]:
        if isinstance(value, str) and not matches(wanted, value):
            yield ValidationError(f"{value!r} does not match {wanted!r}")

    return extend(Draft202012Validator, {"pattern": pattern})(_schema(kind))  # type: ignore[no-untyped-call]  # jsonschema gives no types


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
    explain = EXPLAIN.get(problem.validator)
    return explain(problem, _name(tuple(problem.absolute_path)) or "this file") if explain else f"{_name(tuple(problem.absolute_path))}: {problem.message}"


def _unknown_key(problem: Any, name: str) -> str:
    key = _unknown_keys(problem)[0]
    known = sorted(problem.schema.get("properties", {}))
    guess = near(key, known)
    inside = f" in {name}" if problem.absolute_path else ""
    return f"unknown key {key!r}{inside}, " + (f"did you mean {guess!r}?" if guess else f"known keys: {', '.join(known)}")


def _missing(problem: Any, name: str) -> str:
    missing = next(key for key in problem.validator_value if key not in problem.instance)
    return f"{name} lacks the key {missing!r}"


def _wrong_type(problem: Any, name: str) -> str:
    wanted = problem.validator_value if isinstance(problem.validator_value, list) else [problem.validator_value]
    types = " or ".join(TYPES[kind] for kind in wanted if kind != "null")
    return f"{name} must be {_expected(problem) or types}, not {_described(problem.instance)}"


def _wrong_choice(problem: Any, name: str) -> str:
    values = [str(value) for value in problem.validator_value if value is not None]
    guess = near(problem.instance, values)
    return f"{name} must be one of {', '.join(values)}, not {_described(problem.instance)}" + (f"; did you mean {guess!r}?" if guess else "")


def _wrong_constant(problem: Any, name: str) -> str:
    other = "; this file is of another version of psw" if name == "schema" else ""
    return f"{name} must be {problem.validator_value}, not {_described(problem.instance)}{other}"


def _wrong_text(problem: Any, name: str) -> str:
    if "propertyNames" in problem.absolute_schema_path:
        return f"the name {problem.instance!r} in {name} must be {_expected(problem)}"
    return f"{name} must be {_expected(problem) or 'text like ' + problem.validator_value}, not {_described(problem.instance)}"


def _double(problem: Any, name: str) -> str:
    double = next(item for item in problem.instance if problem.instance.count(item) > 1)
    return f"{name} names {_described(double)} twice"


def _out_of_range(problem: Any, name: str) -> str:
    bound = "at least" if problem.validator == "minimum" else "at most"
    return f"{name} must be {bound} {problem.validator_value}, not {problem.instance}"


def _empty(_problem: Any, name: str) -> str:
    return f"{name} must not be empty"


def _out_of_place(_problem: Any, name: str) -> str:
    return f"{name} does not belong here"


EXPLAIN: dict[str, Callable[[Any, str], str]] = {
    "additionalProperties": _unknown_key,
    "required": _missing,
    "type": _wrong_type,
    "enum": _wrong_choice,
    "const": _wrong_constant,
    "pattern": _wrong_text,
    "uniqueItems": _double,
    "minimum": _out_of_range,
    "maximum": _out_of_range,
    "minItems": _empty,
    "minLength": _empty,
    "not": _out_of_place,
}


def _expected(problem: Any) -> str:
    return str(problem.schema.get("x-expected", ""))


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
