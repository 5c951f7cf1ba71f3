# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The proof of what Ollama runs just now, as a timer on the target and psw doctor give it; private to the collection.

Whoever uses the engine is not disturbed: what is loaded is asked as it is, and only an engine with nothing loaded loads something for it.
"""

from __future__ import annotations

import json
import sys
import time

from ansible_collections.psw.ai.plugins.module_utils import _ollama as ollama
from ansible_collections.psw.ai.plugins.module_utils import _ollama_proof as proof
from ansible_collections.psw.ai.plugins.module_utils._errors import PswModuleError
from ansible_collections.psw.ai.plugins.module_utils._model_names import full_name

PATIENCE = 120  # seconds: after a boot or a restart the engine needs a while
ANSWER = 120  # seconds that an answer may take, behind those of others


def prove_loaded(engine, gpu, timeout):
    """Prove all that is loaded and return its names, with what there is to warn of; ([], []) when nothing is."""
    loaded = engine.loaded()
    warnings = [proof.placed(name, found, gpu)[1] for name, found in sorted(loaded.items())]
    able = next((name for name in sorted(loaded) if engine.can_answer(name)), None)
    if able:
        proof.ask(engine, able, timeout, loaded[able])
    if loaded:
        proof.seen(engine, sorted(loaded), gpu)
    return sorted(loaded), [warning for warning in warnings if warning]


def _load(engine, name, timeout):
    """Load a model that nobody waits for, for a minute."""
    if engine.can_answer(name):
        proof.ask(engine, name, timeout)
    else:
        engine.load(name, timeout, keep_alive=proof.BRIEFLY)


def _wait(engine):
    until = time.monotonic() + PATIENCE
    while True:
        try:
            return engine.ask("/api/version")
        except PswModuleError as exc:
            if time.monotonic() >= until:
                raise proof.ProofError("engine_down", f"{exc}; see: journalctl -u ollama") from exc
        time.sleep(2)


def watch(config):
    """Give the proof and return what was proven, in words."""
    engine, gpu, name = ollama.Ollama(config["url"]), proof.Gpu(config), full_name(config["model"])
    _wait(engine)
    if not engine.loaded():
        if name not in engine.models():
            return f"nothing was proven: nothing is loaded, and {name} is not there yet"
        _load(engine, name, config["timeout"])
    names, warnings = prove_loaded(engine, gpu, ANSWER)
    if not names:
        return "nothing was proven: what was loaded went meanwhile"
    return "; ".join([f"on the GPU: {', '.join(names)}", *warnings])


def main(path):
    """Give the proof as the timer's program, and return its exit code; ``path`` is the file that says what to prove."""
    with open(path, encoding="utf-8") as file:
        config = json.load(file)
    try:
        said = watch(config)
    except PswModuleError as exc:
        proof.note(config["state_file"], getattr(exc, "name", "engine_down"), str(exc))
        sys.stderr.write(f"psw: {exc}\n")
        return 1
    proof.note(config["state_file"], None, said)
    sys.stdout.write(f"psw: {said}\n")
    return 0
