# SPDX-License-Identifier: GPL-3.0-or-later
"""The stand-in lies where the image has it; here it is imported from there, and a fake takes llama.cpp's place."""

import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[4] / "lab/images/ollama/files/usr/lib/ollama"))

from standin.library import add
from standin.names import Name
from standin.store import Store

ABOUT = {"family": "llama", "parameters": "134.52M", "quantization": "Q4_1", "license": "Apache License, Version 2.0"}


class FakeLlama(BaseHTTPRequestHandler):
    """Answers as llama.cpp's server does: two pieces of text, the numbers, the end."""

    def log_message(self, *_):
        pass

    def do_GET(self):
        self._reply(b'{"status":"ok"}', "application/json")

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append(asked)
        if self.path == "/v1/embeddings":
            self._reply(b'{"data": [{"embedding": [0.6, 0.8]}]}', "application/json")
            return
        if not asked.get("stream"):
            self._reply(json.dumps({"object": "chat.completion", "model": asked["model"]}).encode(), "application/json")
            return
        events = [{"choices": [{"delta": {"content": piece}}]} for piece in ("Hel", "lo")]
        if asked.get("tools"):
            call = {"index": 0, "id": "c1", "function": {"name": "light", "arguments": '{"on":'}}
            events = [
                {"choices": [{"delta": {"tool_calls": [call]}}]},
                {"choices": [{"delta": {"tool_calls": [{"index": 0, "function": {"arguments": "true}"}}]}}]},
            ]
        events.append({"choices": [{"delta": {}, "finish_reason": "stop"}]})
        events.append({"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 2}, "timings": {"prompt_ms": 10.0, "predicted_ms": 20.0}})
        self._reply(b"".join(b"data: %s\n\n" % json.dumps(event).encode() for event in events) + b"data: [DONE]\n\n", "text/event-stream")

    def _reply(self, data, kind):
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


class FakeProcess:
    """A process that holds a model, as far as the engine looks at it."""

    def __init__(self, port):
        self.server = ThreadingHTTPServer(("127.0.0.1", port), FakeLlama)
        self.server.asked = []
        self.over = False
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def poll(self):
        return 0 if self.over else None

    def terminate(self):
        if not self.over:
            self.over = True
            self.server.shutdown()
            self.server.server_close()

    kill = terminate

    def wait(self):
        return 0


class Runners(list):
    """Every process that was started."""

    def start(self, model, port, context, parallel, held):
        self.append(FakeProcess(port))
        self[-1].started_with = (str(model.name), context, parallel)
        self[-1].held = held
        return self[-1]

    def stop(self):
        for process in self:
            process.terminate()


@pytest.fixture
def runners():
    started = Runners()
    yield started
    started.stop()


@pytest.fixture
def library(tmp_path):
    weights = tmp_path / "weights.gguf"
    weights.write_bytes(b"GGUF" * 1000)
    made = Store(tmp_path / "library")
    add(made, ["smollm2:135m", "smollm2:latest"], weights, ABOUT)
    add(made, ["smollm2-embed:135m"], made.read(Name.parse("smollm2")).weights, {**ABOUT, "family": "nomic-bert"})
    return made


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "models")
