"""The server: HTTP in, lines or documents out."""

import json
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from datetime import datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from standin.api import LIBRARY, Api, ApiError, forward
from standin.engine import Engine
from standin.gpu import Found, find
from standin.settings import Settings
from standin.store import Store
from standin.translate import sampling

PASSED_ON = ("/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/v1/responses", "/v1/messages")
_GIB = 1 << 30


def log(level: str, message: str, **fields: object) -> None:
    """Write a line as Ollama does; never what anybody asked."""
    words = " ".join(f"{key}={json.dumps(str(value)) if not value or set(str(value)) & set(' =') else value}" for key, value in fields.items())
    stamp = datetime.now().astimezone().isoformat(timespec="milliseconds")
    print(f'time={stamp} level={level} source=standin msg="{message}" {words}'.rstrip(), file=sys.stderr, flush=True)


def log_devices(found: Found) -> None:
    """Say which device there is for inference, in the words that people look for."""
    device = found.device
    if device is None:
        if found.reason:
            log("WARN", "no usable GPU", reason=found.reason)
        log("INFO", "inference compute", id="cpu", library="cpu", compute="", name="cpu", description="cpu", driver="", pci_id="", type="")
        return
    total = f"{device.total / _GIB:.1f} GiB"
    log(
        "INFO", "inference compute", id=device.identity, library=device.library, compute=device.compute, name="CUDA0", description=device.name,
        driver=device.driver, pci_id=device.pci_id, type="discrete", total=total, available=total,
    )  # fmt: skip


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    api: Api

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Keep the status: `_handle` logs when the answer is complete."""
        del size
        self.status = int(code)

    def _body(self) -> dict[str, Any]:
        data = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        try:
            body = json.loads(data or b"{}")
        except ValueError as exc:
            raise ApiError(HTTPStatus.BAD_REQUEST, str(exc)) from exc
        if not isinstance(body, dict):
            raise ApiError(HTTPStatus.BAD_REQUEST, "json: cannot unmarshal into a request")
        return body

    def _send(self, status: int, data: bytes, kind: str = "application/json; charset=utf-8") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def _stream(self, chunks: Iterable[bytes], kind: str, status: int = HTTPStatus.OK) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for chunk in chunks:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
            self.wfile.flush()
        self.wfile.write(b"0\r\n\r\n")

    def _pass_on(self, path: str) -> None:
        """Hand an OpenAI request to the process that holds the model, and its answer back."""
        body = self._body()
        model = self.api.model(body)
        loaded = self.api.acquire(model, body)
        try:
            response = forward(loaded, path, json.dumps({**sampling(self.api.parameters(model)), **body}).encode())
            self._stream(_pieces(response), response.headers.get("Content-Type", "application/json"), response.status)
        finally:
            self.api.engine.release(loaded)

    def _answer(self) -> None:
        path = self.path.partition("?")[0]
        if path == "/":
            self._send(HTTPStatus.OK, b"Ollama is running", "text/plain; charset=utf-8")
            return
        if self.command == "POST" and path in PASSED_ON:
            self._pass_on(path)
            return
        method = "GET" if self.command == "HEAD" else self.command
        route = self.api.routes.get((method, path))
        if route is None:
            known = any(path == other for _, other in self.api.routes)
            self._send(*((405, b"405 method not allowed") if known else (404, b"404 page not found")), "text/plain")
            return
        result = route(self._body())
        if isinstance(result, dict):
            self._send(HTTPStatus.OK, b"" if method == "DELETE" else json.dumps(result).encode())
            return
        self._stream((json.dumps(line).encode() + b"\n" for line in result), "application/x-ndjson")

    def _handle(self) -> None:
        started = time.monotonic()
        self.status = 0
        try:
            self._answer()
        except ApiError as exc:
            openai = {"message": str(exc), "type": "not_found_error" if exc.status == HTTPStatus.NOT_FOUND else "api_error", "param": None, "code": None}
            self._send(exc.status, json.dumps({"error": openai if self.path.startswith("/v1/") else str(exc)}).encode())
        except (BrokenPipeError, ConnectionResetError):
            self.status = 499  # what Ollama's framework notes for a caller who left
            self.close_connection = True
        stamp = datetime.now().astimezone().strftime("%Y/%m/%d - %H:%M:%S")
        asked = f'{self.client_address[0]} | {self.command} "{self.path}"'
        print(f"[GIN] {stamp} | {self.status} | {time.monotonic() - started:.6f}s | {asked}", file=sys.stderr, flush=True)

    do_GET = do_HEAD = do_POST = do_DELETE = _handle  # noqa: N815 - the names http.server calls


def _pieces(response: Any) -> Iterator[bytes]:
    while piece := response.read1(65536):
        yield piece


def make(settings: Settings, version: str, *, library: Path = LIBRARY, root: Path = Path("/")) -> ThreadingHTTPServer:
    """Return a server that is bound and not yet serving; its handler carries the API."""
    engine = Engine(settings, lambda: find(settings, root))
    api = Api(settings, Store(settings.models), Store(library), engine, version)
    handler = type("BoundHandler", (Handler,), {"api": api})
    server = ThreadingHTTPServer((settings.host, settings.port), handler)
    server.daemon_threads = True
    return server


def serve(settings: Settings, version: str) -> None:
    """Serve until stopped."""
    server = make(settings, version)
    engine: Engine = server.RequestHandlerClass.api.engine  # type: ignore[attr-defined]  # made above
    log("INFO", f"Ollama cloud disabled: {str(settings.no_cloud).lower()}")
    log("INFO", f"Listening on {settings.host}:{settings.port} (version {version})")
    log("INFO", "discovering available GPUs...")
    log_devices(engine.look())

    def sweep() -> None:
        while True:
            time.sleep(1)
            engine.expire()

    threading.Thread(target=sweep, daemon=True).start()
    try:
        server.serve_forever()
    finally:
        engine.expire(everything=True)
