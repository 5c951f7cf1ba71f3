# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ollama's API: which models are there, get one, and where a loaded one lies; private to the collection."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import re
import urllib.error

from ansible_collections.psw.ai.plugins.module_utils import _progress as progress
from ansible_collections.psw.ai.plugins.module_utils._errors import PswModuleError
from ansible_collections.psw.ai.plugins.module_utils._model_names import full_name
from ansible_collections.psw.ai.plugins.module_utils._web import ask

GIB = 1 << 30
_BROKEN = (OSError, http.client.HTTPException, ValueError)  # what reading an answer raises that ends in the middle


class BrokenOffError(PswModuleError):
    """An answer that began and did not come to its end."""


class Ollama:
    """An engine, by its address."""

    def __init__(self, url, timeout=30):
        self.url = url.rstrip("/")
        self.timeout = timeout

    def open(self, path, body=None, method=None, timeout=None):
        """Return the open answer to a request; an error of the engine becomes its own words."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        try:
            return ask(self.url + path, data, headers, method or ("POST" if body else "GET"), timeout or self.timeout)
        except urllib.error.HTTPError as exc:
            raise PswModuleError(f"Ollama at {self.url} refused {path} with {exc.code}: {words(exc)}") from exc
        except (OSError, http.client.HTTPException) as exc:
            raise PswModuleError(f"Ollama does not answer at {self.url}: {exc}") from exc

    def ask(self, path, body=None, method=None, timeout=None):
        """Return the answer to a request."""
        with self.open(path, body, method, timeout) as answer:
            try:
                text = answer.read()
                return json.loads(text) if text else {}
            except _BROKEN as exc:
                raise self._broken_off(path, exc) from exc

    def stream(self, path, body, timeout):
        """Yield the documents of an answer that comes line by line."""
        with self.open(path, body, timeout=timeout) as answer:
            try:
                for line in answer:
                    yield json.loads(line)
            except _BROKEN as exc:
                raise self._broken_off(path, exc) from exc

    def _broken_off(self, path, exc):
        return BrokenOffError(f"Ollama at {self.url} broke off its answer to {path}: {exc}")

    def models(self):
        """Return the models that are there: name to facts such as digest and, of a stub, remote_host."""
        return {model["name"]: model for model in self.ask("/api/tags")["models"]}

    def loaded(self):
        """Return the loaded models: name to facts such as size and size_vram."""
        return {model["name"]: model for model in self.ask("/api/ps")["models"]}

    def pull(self, name, room, tell):
        """Get a model and return the engine's last word, "success" when it is all there.

        `room` is called with the bytes still to come whenever a layer begins, and may raise. What has arrived
        is gone from the free space already, so it is not among them. `tell` is called with how far it is, in words.
        """
        parts, total, last = {}, 0, "no answer"
        for step in self.stream("/api/pull", {"model": name, "stream": True}, timeout=300):
            if "error" in step:
                raise PswModuleError(f"Ollama could not get {name}: {step['error']}")
            last = step.get("status", "")
            digest = step.get("digest")
            if digest:
                is_new = digest not in parts
                parts[digest] = step.get("total", 0) - step.get("completed", 0)
                if is_new:
                    total += step.get("total", 0)
                    room(sum(parts.values()))
                tell(f"{name}: {progress.share(total - sum(parts.values()), total)}")
        return last

    def remove(self, name):
        """Remove a model."""
        self.ask("/api/delete", {"model": name}, method="DELETE")

    def can_answer(self, name):
        """Return whether a model answers questions; one for embeddings does not. Engines that do not say it have no others."""
        return "completion" in self.ask("/api/show", {"model": name}).get("capabilities", ["completion"])

    def load(self, name, timeout, keep_alive=None):
        """Load a model into memory, for so many seconds or as long as the engine keeps them; one for embeddings has a door of its own."""
        path, body = ("/api/generate", {}) if self.can_answer(name) else ("/api/embed", {"input": "x"})
        kept = {} if keep_alive is None else {"keep_alive": keep_alive}
        self.ask(path, {"model": name, **body, **kept}, timeout=timeout)

    def unload(self, name):
        """Take a model out of memory, one for embeddings too: the engine does not ask what a model is able to before it lets it go."""
        self.ask("/api/generate", {"model": name, "keep_alive": 0}, timeout=60)


def words(refusal):
    """Return the message of a refusal, or its beginning."""
    try:
        body = refusal.read()
    except (OSError, http.client.HTTPException):
        return refusal.reason
    try:
        return json.loads(body)["error"]
    except (ValueError, KeyError, TypeError):
        return body[:200].decode("utf-8", "replace")


def check_here(name, model):
    """Refuse a model that only hands requests on; its name need not say so."""
    elsewhere = model.get("remote_host") or model.get("remote_model")
    if elsewhere:
        raise PswModuleError(f"{name} only hands requests on, to {elsewhere}: they would leave the house, so psw does not use it")


def stored(directory):
    """Return the models that lie in the engine's directory, name to facts, for when there is no engine to ask."""
    found, root = {}, os.path.join(directory, "manifests")
    for path, _directories, files in os.walk(root):
        parts = os.path.relpath(path, root).split(os.sep)
        for tag in files if len(parts) == 3 else []:  # noqa: PLR2004 - host, namespace, model
            name = full_name("/".join(parts) + f":{tag}")
            with open(os.path.join(path, tag), "rb") as manifest:
                found[name] = {"name": name, "digest": hashlib.sha256(manifest.read()).hexdigest()}
    return found


def check_room(name, needed, free):
    """Refuse a download that would fill the disk."""
    if needed + GIB > free:
        raise PswModuleError(
            f"{name} needs {needed / GIB:.1f} GiB more, and 1 GiB to spare, but {free / GIB:.1f} GiB are free; remove a model or raise the quota"
        )


def whole_digest(name, pinned):
    """Return a pinned digest as the engine writes it; half of one would hold a model to nothing."""
    wanted = str(pinned).lower().removeprefix("sha256:")
    if not re.fullmatch("[0-9a-f]{64}", wanted):
        raise PswModuleError(f"{pinned!r} is no whole digest (64 hexadecimal digits), so it holds {name} to nothing; psw model list --json shows whole ones")
    return wanted


def check_digest(name, digest, pinned):
    """Refuse a model that is not the one that was pinned, if any was; tags can be moved upstream."""
    if pinned not in (None, digest):
        raise PswModuleError(f"{name} has the digest {digest}, but {pinned} is pinned; what the tag means has changed upstream")


def placement(name, model):
    """Return where a loaded model lies: gpu, split or cpu; size says how much of it there is to place."""
    size, on_gpu = model.get("size", 0), model.get("size_vram", 0)
    if not size:
        raise PswModuleError(f"Ollama does not say how large {name} is, so nobody knows where it runs")
    if on_gpu >= size:
        return "gpu"
    return "split" if on_gpu else "cpu"
