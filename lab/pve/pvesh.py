"""`pvesh`: the API from the node's command line."""

import json
import sys
from typing import Any

from .args import UsageError, parse
from .client import ApiError, door, finish, is_task, request

METHODS = {"get": "GET", "ls": "GET", "create": "POST", "set": "PUT", "delete": "DELETE"}


def table(data: Any) -> str:
    """Return data as the plain rows that a person reads."""
    if isinstance(data, dict):
        width = max((len(key) for key in data), default=3)
        return "".join(f"{key:<{width}}  {value}\n" for key, value in sorted(data.items()))
    if isinstance(data, list) and data and isinstance(data[0], dict):
        keys = sorted({key for row in data for key in row})
        widths = {key: max(len(key), *(len(str(row.get(key, ""))) for row in data)) for key in keys}
        rows = [keys, *[[str(row.get(key, "")) for key in keys] for row in data]]
        return "".join("  ".join(f"{cell:<{widths[key]}}" for key, cell in zip(keys, row, strict=True)).rstrip() + "\n" for row in rows)
    return "" if data is None else f"{data}\n"


def run(argv: list[str]) -> int:
    """Do what the command line says."""
    quiet = "--nooutput" in argv
    words = [word for word in argv if word not in {"--nooutput", "--noborder", "--noheader", "--quiet"}]
    if len(words) < 2 or words[0] not in METHODS:  # noqa: PLR2004 - a verb and a path
        raise ApiError("USAGE: pvesh <get|set|create|delete|ls|usage> <api_path> [OPTIONS] [FORMAT_OPTIONS]")
    try:
        params = parse(words[2:], ())
    except UsageError as error:
        raise ApiError(f"400 {error}") from error
    kind = params.pop("output-format", "text")
    for key in ("human-readable", "verbose"):
        params.pop(key, None)
    data = request(METHODS[words[0]], words[1] if words[1].startswith("/") else f"/{words[1]}", params)
    if is_task(data):
        finish(data, quiet=quiet or kind.startswith("json"))
    if quiet:
        return 0
    if kind == "json":
        print(json.dumps(data, separators=(",", ":"), sort_keys=True))
    elif kind == "json-pretty":
        print(json.dumps(data, indent=3, sort_keys=True))
    else:
        sys.stdout.write(table(data))
    return 0


def main(argv: list[str]) -> int:
    """Run `pvesh`."""
    return door(run, argv)
