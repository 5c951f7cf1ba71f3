"""Loaded models: started when asked for, kept for a while, stopped when their time is over."""

import http.client
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from standin.gpu import Found
from standin.settings import Settings
from standin.store import Model

DEFAULT_CONTEXT = 4096
MAX_CONTEXT = 8192
# What a loaded model takes beyond its weights: the cache of its context and the buffers to compute in.
BYTES_PER_TOKEN = 46080
BUFFERS = 64 << 20


class LoadError(Exception):
    """The model did not come up."""


@dataclass
class Loaded:
    """One loaded model and the process that holds it."""

    model: Model
    process: subprocess.Popen[bytes]
    port: int
    context: int
    size: int
    size_vram: int
    keep_alive: float
    used: float = field(default_factory=time.time)
    busy: int = 0

    @property
    def expires(self) -> float:
        """When it goes, if nobody asks for it."""
        return self.used + self.keep_alive


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def start_runner(model: Model, port: int, context: int, parallel: int, held: dict[str, object]) -> subprocess.Popen[bytes]:
    """Start the process for one model, with what it holds of which GPU."""
    options = {"model": model.weights, "alias": model.name, "port": port, "context": context, "parallel": parallel, "embeds": int(model.embeds), **held}
    command = [sys.executable, "-m", "standin.runner", *(f"--{name}={value}" for name, value in options.items())]
    return subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}, stdout=subprocess.DEVNULL)


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status == http.HTTPStatus.OK
    except OSError:
        return False
    finally:
        connection.close()


class Engine:
    """The models in memory."""

    def __init__(self, settings: Settings, look: Callable[[], Found], start: Callable[..., subprocess.Popen[bytes]] = start_runner) -> None:
        self.settings = settings
        self.look = look
        self.start = start
        self.loaded: dict[str, Loaded] = {}
        self.lock = threading.Lock()
        self.loading = threading.Lock()

    def _placed(self, size: int) -> tuple[int, dict[str, object]]:
        """Return how much of a model lies on the GPU, and what its process says of it: looked at on each load, as the real engine does."""
        device = self.look().device
        if device is None:
            return 0, {}
        on_gpu = min(size, device.total)
        return on_gpu, {"gpu": device.pci_id, "vram": on_gpu} if device.seen else {}

    def acquire(self, model: Model, keep_alive: float | None = None, context: int = 0) -> Loaded:
        """Return the loaded model, loading it first if needed; it stays until it is released."""
        with self.loading:
            self.expire()
            with self.lock:
                current = self.loaded.get(str(model.name))
                if current is not None and current.process.poll() is None and current.model.digest == model.digest:
                    current.busy += 1
                    current.keep_alive = self.settings.keep_alive if keep_alive is None else keep_alive
                    return current
            fresh = self._load(model, self.settings.keep_alive if keep_alive is None else keep_alive, context)
            with self.lock:
                fresh.busy = 1
                self.loaded[str(model.name)] = fresh
            return fresh

    def _load(self, model: Model, keep_alive: float, context: int) -> Loaded:
        tokens = min(context or self.settings.context_length or DEFAULT_CONTEXT, MAX_CONTEXT)
        size = model.size + tokens * self.settings.num_parallel * BYTES_PER_TOKEN + BUFFERS
        port, (on_gpu, held) = _free_port(), self._placed(size)
        process = self.start(model, port, tokens, self.settings.num_parallel, held)
        until = time.monotonic() + self.settings.load_timeout
        while not _answers(port):
            if process.poll() is not None or time.monotonic() > until:
                process.kill()
                raise LoadError(f"llama runner process has terminated: exit status {process.wait()}")
            time.sleep(0.05)
        return Loaded(model, process, port, tokens, size, on_gpu, keep_alive)

    def release(self, loaded: Loaded) -> None:
        """Say that a request is over: from now on the model's time runs."""
        with self.lock:
            loaded.busy -= 1
            loaded.used = time.time()
        if loaded.keep_alive == 0:
            self.expire()

    def expire(self, *, everything: bool = False) -> None:
        """Stop the models whose time is over."""
        now = time.time()
        with self.lock:
            gone = [
                name for name, each in self.loaded.items() if everything or each.process.poll() is not None or (each.busy == 0 and each.expires <= now)
            ]  # fmt: skip
            stopped = [self.loaded.pop(name) for name in gone]
        for each in stopped:
            each.process.terminate()
            each.process.wait()

    def unload(self, name: str) -> None:
        """Stop one model now."""
        with self.lock:
            loaded = self.loaded.get(name)
            if loaded is not None:
                loaded.keep_alive = 0
        self.expire()

    def list(self) -> list[dict[str, Any]]:
        """Return the loaded models as `/api/ps` lists them."""
        self.expire()
        with self.lock:
            return [
                {
                    **{key: value for key, value in each.model.facts().items() if key != "modified_at"},
                    "size": each.size,
                    "size_vram": each.size_vram,
                    "context_length": each.context,
                    "expires": each.expires,
                }
                for each in self.loaded.values()
            ]
