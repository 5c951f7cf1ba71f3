"""How the node's commands talk to its API: over the local socket, as root@pam."""

import http.client
import json
import socket
import sys
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

SOCKET = "/run/pvedaemon.sock"


class ApiError(Exception):
    """An answer that is no success, with the text and exit code that Proxmox VE's commands give it."""

    def __init__(self, text: str, code: int = 255) -> None:
        super().__init__(text)
        self.code = code


class _Connection(http.client.HTTPConnection):
    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.connect(SOCKET)


def node() -> str:
    """Return this node's name."""
    return socket.gethostname()


def request(method: str, path: str, params: Mapping[str, Any] | None = None) -> Any:
    """Make one API request and return its data."""
    body = urlencode(list((params or {}).items()), doseq=True)
    target = f"/api2/json{path.replace('/nodes/localhost/', f'/nodes/{node()}/')}"
    if method in {"GET", "DELETE"} and body:
        target, body = f"{target}?{body}", ""
    return _exchange(method, target, body, "application/x-www-form-urlencoded")


def post_json(target: str, data: object) -> Any:
    """Post a JSON body beside the API."""
    return _exchange("POST", target, json.dumps(data), "application/json")


def _exchange(method: str, target: str, body: str, kind: str) -> Any:
    connection = _Connection("localhost", timeout=600)
    try:
        connection.request(method, target, body or None, {"Content-Type": kind} if body else {})
        response = connection.getresponse()
        answer = json.loads(response.read() or b"{}")
    except OSError as error:
        raise ApiError(f"ipcc_send_rec[1] failed: Connection refused\nUnable to load access control list: Connection refused ({error})", 111) from error
    finally:
        connection.close()
    if response.status >= http.client.BAD_REQUEST:
        message = str(answer.get("message") or response.reason).strip()
        errors = answer.get("errors") or {}
        if errors:
            details = "".join(f"\n{key}: {str(text).strip()}" for key, text in sorted(errors.items()))
            raise ApiError(f"{response.status} {message}{details}")
        raise ApiError(message, 2 if message.endswith("does not exist") and message.startswith("Configuration file") else 255)
    return answer.get("data")


def is_task(data: object) -> bool:
    """Tell whether an answer is the id of a task."""
    return isinstance(data, str) and data.startswith("UPID:")


def finish(upid: str, *, quiet: bool = False) -> None:
    """Wait for a task, print its log as it was, and raise its failure."""
    place = f"/nodes/{upid.split(':')[1]}/tasks/{upid}"
    pause = 0.02
    while True:
        status = request("GET", f"{place}/status")
        if status["status"] == "stopped":
            break
        time.sleep(pause)
        pause = min(pause * 1.5, 0.5)
    lines = [str(row["t"]) for row in request("GET", f"{place}/log", {"limit": 5000})][:-1]
    outcome = str(status.get("exitstatus"))
    if not quiet:
        print("".join(f"{line}\n" for line in lines if line != outcome), end="", flush=True)
    if outcome != "OK" and not outcome.startswith("WARNINGS"):
        raise ApiError(outcome)


def door(run: Any, argv: list[str]) -> int:
    """Run a command's main part and turn its failures into text and exit code."""
    try:
        return int(run(argv) or 0)
    except ApiError as error:
        print(str(error).rstrip(), file=sys.stderr)
        return error.code
    except BrokenPipeError:
        return 141
