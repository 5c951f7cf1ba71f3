"""Ollama's command line, as far as anybody uses it in a container."""

import http.client
import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from standin.server import serve
from standin.settings import Settings

VERSION = Path("/usr/lib/ollama/version")
USAGE = """Large language model runner

Usage:
  ollama [command]

Available Commands:
  serve       Start Ollama
  show        Show information for a model
  run         Run a model
  stop        Stop a running model
  pull        Pull a model from a registry
  list        List models
  ps          List running models
  rm          Remove a model

Flags:
  -v, --version   Show version information
"""
_UNITS = ((1 << 30, "GB"), (1 << 20, "MB"), (1 << 10, "KB"))


class ClientError(Exception):
    """What the command line says before it fails."""


def version() -> str:
    """Return the version the image stands in for."""
    return VERSION.read_text(encoding="utf-8").strip() if VERSION.exists() else "0.0.0"


def ask(settings: Settings, method: str, path: str, body: dict[str, Any] | None = None) -> Iterator[dict[str, Any]]:
    """Ask the server and yield its answer's lines."""
    host = "127.0.0.1" if settings.host in {"0.0.0.0", "::"} else settings.host  # noqa: S104 - asked for, not bound
    connection = http.client.HTTPConnection(host, settings.port, timeout=600)
    try:
        connection.request(method, path, json.dumps(body) if body is not None else None, {"Content-Type": "application/json"})
        response = connection.getresponse()
    except OSError as exc:
        raise ClientError("could not connect to ollama server, run 'ollama serve' to start it") from exc
    if response.status >= http.HTTPStatus.BAD_REQUEST:
        raise ClientError(str(json.loads(response.read() or b"{}").get("error", response.reason)))
    for line in response:
        if line.strip():
            document = json.loads(line)
            if "error" in document:
                raise ClientError(document["error"])
            yield document


def human(size: int) -> str:
    """Return a size as people read it."""
    return next((f"{size / unit:.1f} {name}" for unit, name in _UNITS if size >= unit), f"{size} B")


def _list(settings: Settings) -> None:
    print(f"{'NAME':<24}{'ID':<16}{'SIZE':<10}MODIFIED")
    for model in next(ask(settings, "GET", "/api/tags"))["models"]:
        print(f"{model['name']:<24}{model['digest'][:12]:<16}{human(model['size']):<10}{model['modified_at'][:19]}")


def processor(size: int, vram: int) -> str:
    """Return where a loaded model lies, in the words of `ollama ps`."""
    if size == 0:
        return "Unknown"
    if vram == 0:
        return "100% CPU"
    if vram == size:
        return "100% GPU"
    share = round((size - vram) / size * 100)
    return f"{share}%/{100 - share}% CPU/GPU"


def _ps(settings: Settings) -> None:
    print(f"{'NAME':<24}{'ID':<16}{'SIZE':<10}{'PROCESSOR':<18}{'CONTEXT':<10}UNTIL")
    for model in next(ask(settings, "GET", "/api/ps"))["models"]:
        where = processor(model["size"], model["size_vram"])
        print(f"{model['name']:<24}{model['digest'][:12]:<16}{human(model['size']):<10}{where:<18}{model['context_length']:<10}{model['expires_at'][:19]}")


def _pull(settings: Settings, name: str) -> None:
    said = ""
    for line in ask(settings, "POST", "/api/pull", {"model": name}):
        if line["status"] != said:
            said = line["status"]
            print(said, file=sys.stderr)


def _run(settings: Settings, name: str, *words: str) -> None:
    if not any(model["name"] in {name, f"{name}:latest"} for model in next(ask(settings, "GET", "/api/tags"))["models"]):
        _pull(settings, name)
    prompt = " ".join(words) or (sys.stdin.read() if not sys.stdin.isatty() else "")
    for line in ask(settings, "POST", "/api/generate", {"model": name, "prompt": prompt}):
        print(line.get("response", ""), end="", flush=True)
    print()


def _serve(settings: Settings) -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    serve(settings, version())


def _show(settings: Settings, name: str) -> None:
    shown = next(ask(settings, "POST", "/api/show", {"model": name}))
    print("\n".join(f"  {key:<22}{value}" for key, value in shown["details"].items() if value))


def _stop(settings: Settings, name: str) -> None:
    next(ask(settings, "POST", "/api/generate", {"model": name, "keep_alive": 0, "stream": False}))


def _remove(settings: Settings, *names: str) -> None:
    for name in names:
        list(ask(settings, "DELETE", "/api/delete", {"model": name}))
        print(f"deleted '{name}'")


COMMANDS: dict[str, Callable[..., None]] = {
    **dict.fromkeys(("serve", "start"), _serve),
    **dict.fromkeys(("list", "ls"), _list),
    **dict.fromkeys(("-v", "--version"), lambda _: print(f"ollama version is {version()}")),
    **dict.fromkeys(("help", "-h", "--help"), lambda _: print(USAGE)),
    "ps": _ps,
    "pull": _pull,
    "run": _run,
    "show": _show,
    "stop": _stop,
    "rm": _remove,
}


def main(words: list[str]) -> int:
    """Run the command line and return its exit code."""
    try:
        name, *rest = words or ["help"]
        run = COMMANDS.get(name)
        if run is None:
            print(f'Error: unknown command "{name}" for "ollama"', file=sys.stderr)
            return 1
        run(Settings.read(os.environ), *rest)
    except ClientError as exc:
        print(f"Error: {exc}", file=sys.stderr)
        return 1
    return 0
