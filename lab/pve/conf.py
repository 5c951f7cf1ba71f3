"""Proxmox VE's container config files: /etc/pve/lxc/<vmid>.conf as text and as dictionaries."""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, unquote

INTEGERS = frozenset(
    ("cores", "cpuunits", "console", "debug", "memory", "onboot", "protection", "swap", "template", "tty", "unprivileged"),
)
PENDING = "[pve:pending]"


def _value(key: str, text: str) -> Any:
    return int(text) if key in INTEGERS and re.fullmatch(r"\d+", text) else text


def parse(text: str) -> tuple[dict[str, Any], dict[str, Any], list[tuple[str, str]]]:
    """Return (config, pending, raw lxc lines) of a config file; a pending None is a delete."""
    config: dict[str, Any] = {}
    pending: dict[str, Any] = {}
    raw: list[tuple[str, str]] = []
    comment: list[str] = []
    section = config
    for line in text.splitlines():
        if line.startswith("["):
            section = pending if line.strip() == PENDING else {}
        elif line.startswith("#"):
            comment.append(unquote(line[1:]))
        elif found := re.match(r"([a-z][a-z0-9_-]*\d*):\s*(.*?)\s*$", line):
            key, value = found.groups()
            if key == "delete" and section is pending:
                section.update(dict.fromkeys(re.split(r"[,;\s]+", value)))
            else:
                section[key] = _value(key, value)
        elif (found := re.match(r"(lxc\.[a-z0-9._]+)\s*[:=]\s*(.*?)\s*$", line)) and section is config:
            raw.append((found.group(1), found.group(2)))
    if comment:
        config["description"] = "\n".join(comment) + "\n"
    return config, pending, raw


def render(config: Mapping[str, Any], pending: Mapping[str, Any], raw: list[tuple[str, str]]) -> str:
    """Return the file's text in Proxmox VE's order: comment, keys sorted, raw lines, pending section."""
    lines = [f"#{quote(line, safe=' /:;=,.-_()*+<>@!?')}" for line in str(config.get("description") or "").splitlines()]
    lines += [f"{key}: {config[key]}" for key in sorted(config) if key not in {"description", "digest", "lxc"}]
    lines += [f"{key}: {value}" for key, value in raw]
    if pending:
        lines += ["", PENDING]
        deletes = sorted(key for key, value in pending.items() if value is None)
        if deletes:
            lines.append(f"delete: {','.join(deletes)}")
        lines += [f"{key}: {pending[key]}" for key in sorted(pending) if pending[key] is not None]
    return "\n".join(lines) + "\n"


def properties(text: str, default_key: str) -> dict[str, str]:
    """Return a property string as a dictionary; a first part without a key belongs to the default key."""
    found: dict[str, str] = {}
    for part in str(text).split(","):
        key, equals, value = part.partition("=")
        found[key if equals else default_key] = value if equals else part
    return found
