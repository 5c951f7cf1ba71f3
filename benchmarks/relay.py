"""(d) What the relay costs: POST /api/chat/completions through Caddy and Open WebUI, against llama-server asked directly.

The direct one is a second llama-server from the same image with the same model and settings, beside Ollama on the GPU target.
"""

import json
import re
import shlex
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial

from benchmarks.interleaved import measure, table
from lab.project import MODEL, LabProject

PORT = 18080
QUESTION = "Name a colour."
MESSAGES = [{"role": "user", "content": QUESTION}]


def _ssh(project: LabProject, address: str, command: str) -> str:
    options = ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR"]
    return subprocess.run(["ssh", *options, "-i", str(project.lab.key), f"root@{address}", command], check=True, capture_output=True, text=True).stdout


@contextmanager
def _direct(project: LabProject, address: str) -> Iterator[str]:
    """Run a llama-server beside Ollama's, and give its base URL."""
    running = _ssh(project, address, "podman top ollama args").splitlines()
    # As Ollama started it, but on a port of ours that can be reached from here.
    engine = next(line for line in running if "--model" in line)
    program, *options = shlex.split(re.sub(r"\s--(?:port|host)[= ]\S+", "", engine))
    image = _ssh(project, address, "podman inspect --format '{{.ImageName}}' ollama").strip()
    run = f"podman run --detach --rm --name bench --network host --volumes-from ollama:ro --env PYTHONPATH=/usr/lib/ollama --entrypoint {program} {image}"
    _ssh(project, address, f"{run} {shlex.join([*options, '--host=0.0.0.0', f'--port={PORT}'])}")
    url = f"http://{address}:{PORT}"
    try:
        for _ in range(120):
            try:
                urllib.request.urlopen(f"{url}/health", timeout=5).close()  # noqa: S310 - an http URL made here
                break
            except OSError:
                time.sleep(0.5)
        yield url
    finally:
        _ssh(project, address, "podman rm --force bench")


def _ask_direct(url: str, max_tokens: int) -> None:
    body = json.dumps({"model": MODEL, "messages": MESSAGES, "max_tokens": max_tokens, "temperature": 0}).encode()
    request = urllib.request.Request(f"{url}/v1/chat/completions", body, {"Content-Type": "application/json"})  # noqa: S310 - as above
    with urllib.request.urlopen(request, timeout=120) as response:  # noqa: S310 - as above
        json.load(response)


def _at_once(clients: int, each: int, ask: Callable[[], object]) -> Callable[[], None]:
    """Return an action in which so many clients ask so many questions each, all at once."""

    def action() -> None:
        with ThreadPoolExecutor(clients) as pool:
            for done in [pool.submit(ask) for _ in range(clients * each)]:
                done.result()

    return action


def run(project: LabProject, rounds: int = 7) -> str:
    """Return the Markdown sections for 1 and 8 clients."""
    chat, engine = project.chat(), project.address("ollama")

    def through(max_tokens: int) -> None:
        answer = chat.ask(MODEL, QUESTION, max_tokens)
        if answer.status != 200:  # noqa: PLR2004 - HTTP's own number
            raise SystemExit(f"the chat API answered {answer.status}: {answer.body}")

    sections = []
    through(1)  # the engine lets go of a model that nobody has asked for half an hour
    with _direct(project, engine) as url:
        for clients in (1, 8):
            for max_tokens in (1, 32):
                direct, relay = "llama-server direct", "through Caddy and Open WebUI"
                actions = {
                    direct: _at_once(clients, 2, partial(_ask_direct, url, max_tokens)),
                    relay: _at_once(clients, 2, partial(through, max_tokens)),
                }
                rows = measure(actions, reference=direct, rounds=rounds)
                note = f"{clients * 2} questions, {clients} at a time, at most {max_tokens} tokens each; every question on a new connection."
                sections.append(table(f"Relay, {clients} client{'s' * (clients > 1)}, {max_tokens} token{'s' * (max_tokens > 1)}", rows, note))
    return "\n".join(sections)
