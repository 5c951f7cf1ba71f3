# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The proof that Ollama runs a model on the GPU: where it lies, what it answers, and what the card's driver says; private to the collection.

The same proof is given at converge, by a timer on the target, and, as far as that loads nothing, in psw doctor.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import re
import time

from ansible_collections.psw.ai.plugins.module_utils import _gpu_layers as layers
from ansible_collections.psw.ai.plugins.module_utils import _gpu_memory as memory
from ansible_collections.psw.ai.plugins.module_utils import _ollama as ollama
from ansible_collections.psw.ai.plugins.module_utils._errors import PswModuleError
from ansible_collections.psw.ai.plugins.module_utils._model_names import full_name

QUESTION = "What colour is the sky on a clear day? Answer with one word."
WORDS = 16  # tokens of an answer: what is asked for is that one comes
# The share of what the engine says lies on the GPU that its driver must see in use. What others hold there is seen as well, so this can only
# be passed by mistake, never failed by it. Half, because part of what the engine counts is room that is taken with the first long request.
SEEN = 0.5
BRIEFLY = 60  # seconds that a model stays which was loaded for the proof alone
LOOKS = 3  # a second apart: a counter may come after what it counts
FOR_EVER = dt.timedelta(days=3650)  # an engine that keeps a model for ever says so with a date in another century


class ProofError(PswModuleError):
    """The proof failed; ``name`` is the id of psw doctor's finding."""

    def __init__(self, name, message):
        super().__init__(message)
        self.name = name


class Gpu:
    """What the model is to run on: the vendor and backend, what its cards have (None: nobody knows), and what models need of them by the catalogue."""

    def __init__(self, params):
        self.vendor = params["vendor"]
        self.backend = params["backend"]
        self.addresses = params["addresses"]
        self.cards_mib = params["cards_mib"]
        self.needs = {full_name(name): int(need) for name, need in (params["needs"] or {}).items()}
        self.allow_split = params["allow_split"]


def placed(name, found, gpu):
    """Return (where a loaded model lies, a warning or None); raise when it does not lie where it should."""
    place = ollama.placement(name, found)
    size, on_gpu = found["size"] >> 20, found.get("size_vram", 0) >> 20
    if place == "cpu":
        raise ProofError("model_on_cpu", f"Ollama runs {name} on the CPU, not on the GPU. {layers.broken(gpu.vendor, gpu.backend)}")
    if place == "gpu" or gpu.allow_split:
        return place, None
    if gpu.cards_mib is None:
        more = "choose a smaller model or context, or set ollama_allow_split"
        raise ProofError("model_split", f"only {on_gpu} of the {size} MiB of {name} fit into GPU memory, so it would be slow: {more}")
    need = max(gpu.needs.get(name, 0), size)  # a longer context than the catalogue reckons with needs more
    if need > gpu.cards_mib:
        what = f"{name} needs {need} MiB of GPU memory and there are {gpu.cards_mib}, so only {on_gpu} of its {size} MiB lie there and it is slow"
        return place, f"{what}; a smaller model or context would fit"
    what = f"only {on_gpu} of the {size} MiB of {name} lie in GPU memory, which has room for it: it needs {need} of {gpu.cards_mib} MiB"
    raise ProofError("model_split", f"{what}; free what others hold there, choose a smaller context, or set ollama_allow_split")


def seen(engine, names, gpu):
    """Return what the card's driver sees in use, None where it does not say; raise when what the engine says of these models is not there.

    Meanwhile one of them may go, as its time is over or for another: each look is for what is loaded at that moment.
    """
    for look in range(LOOKS):
        time.sleep(1 if look else 0)
        loaded = engine.loaded()
        there = [name for name in names if name in loaded]
        on_gpu = sum(loaded[name].get("size_vram", 0) for name in there) >> 20
        told = memory.in_use(gpu.vendor, gpu.addresses, on_gpu)
        if told is None or told["mib"] >= SEEN * on_gpu:
            return told
    what = f"Ollama says that {on_gpu} MiB of {', '.join(there)} lie on the GPU, but {told['source']} sees {told['mib']} MiB in use there"
    raise ProofError("model_unseen", f"{what}. {layers.broken(gpu.vendor, gpu.backend)}")


def ask(engine, name, timeout, found=None):
    """Ask a model a question; raise when no answer comes. A loaded model (``found``) keeps its context and goes when it would have gone."""
    kept = {"keep_alive": BRIEFLY} if found is None else _as_it_is(found)
    options = {"temperature": 0, "seed": 1, "num_predict": WORDS, **({"num_ctx": found["context_length"]} if found and found.get("context_length") else {})}
    body = {"model": name, "prompt": QUESTION, "stream": False, "think": False, "options": options, **kept}
    try:
        said = engine.ask("/api/generate", body, timeout=timeout)
    except PswModuleError as exc:
        raise ProofError("answer_missing", f"{name} is loaded but does not answer a question: {exc}; see: journalctl -u ollama") from exc
    if not (said.get("response", "") + said.get("thinking", "")).strip():
        raise ProofError("answer_missing", f"{name} gives an empty answer to a question; see: journalctl -u ollama")


def _as_it_is(found):
    """Return the keep_alive that leaves a loaded model's time as it is; asking would begin it anew."""
    left = until(found.get("expires_at", ""))
    if left is None:
        return {}
    return {"keep_alive": -1 if left > FOR_EVER else max(1, round(left.total_seconds()))}


def until(text, now=None):
    """Return the time until a date of the engine's, which has nanoseconds and any zone; None when it is none."""
    parts = re.match(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.\d+)?(Z|[+-]\d\d:\d\d)$", text)
    if parts is None:
        return None
    then = dt.datetime.fromisoformat(parts.group(1) + parts.group(2).replace("Z", "+00:00"))
    return then - (now or dt.datetime.now(dt.timezone.utc))


def note(path, failed, message):
    """Write down how the last proof ended, for psw doctor; ``failed`` is the id of a finding or None."""
    now = dt.datetime.now(dt.timezone.utc).isoformat(timespec="seconds")
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path + ".new", "w", encoding="utf-8") as file:
        json.dump({"at": now, "failed": failed, "message": message}, file)
    os.replace(path + ".new", path)


def last(path):
    """Return how the last proof ended, None when there was none."""
    try:
        with open(path, encoding="utf-8") as file:
            found = json.load(file)
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) and "failed" in found else None
