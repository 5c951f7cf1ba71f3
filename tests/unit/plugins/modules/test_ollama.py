# SPDX-License-Identifier: GPL-3.0-or-later
"""The Ollama modules against an engine that answers as Ollama's API does."""

import http.server
import json
import threading

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.psw.ai.plugins.modules import ollama_model, ollama_placement

GIB = 1 << 30


class Engine(http.server.BaseHTTPRequestHandler):
    """What the engine has is the server's state; each pull takes one script of lines."""

    def log_message(self, *_args):
        pass

    def answer(self, body, status=200):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self):
        state = self.server.state
        listed = state["models"] if self.path == "/api/tags" else state["loaded"]
        self.answer({"models": list(listed.values())})

    def do_POST(self):
        state, body = self.server.state, json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        state["calls"].append((self.path, body))
        if self.path == "/api/generate":
            name = body["model"]
            state["loaded"].pop(name, None)
            if body.get("keep_alive") != 0:
                state["loaded"][name] = {"name": name, **state["places"]}
            self.answer({"done": True})
            return
        lines = state["pulls"].pop(0)
        if lines == 404:
            self.answer({"error": "model not found"}, 404)
            return
        if {"status": "success"} in lines:
            state["models"][body["model"]] = {"name": body["model"], "digest": "aa" * 32}
        self.answer(b"".join(json.dumps(line).encode() + b"\n" for line in lines))

    def do_DELETE(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.state["models"].pop(body["model"])
        self.answer({})


@pytest.fixture
def engine():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Engine)
    server.state = {"models": {}, "loaded": {}, "pulls": [], "calls": [], "places": {"size": GIB, "size_vram": GIB}}
    server.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def run(engine, capsys, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda _seconds: None)

    def call(module, *, check=False, **args):
        with patch_module_args({"url": engine.url, "_ansible_check_mode": check, **args}), pytest.raises(SystemExit):
            module.main()
        return json.loads(capsys.readouterr().out)

    return call


DONE = [{"status": "pulling manifest"}, {"status": "pulling aa", "digest": "sha256:aa", "total": GIB, "completed": 0}, {"status": "success"}]


def test_a_missing_model_is_pulled_and_then_nothing_changes(engine, run):
    engine.state["pulls"] = [DONE]

    first = run(ollama_model, models=["llama3.2:3b"])
    second = run(ollama_model, models=["llama3.2:3b"])

    assert (first["changed"], second["changed"]) == (True, False)
    assert first["models"] == {"llama3.2:3b": "aa" * 32}
    assert first["diff"] == {"before": "", "after": "llama3.2:3b\n"}


def test_a_name_without_a_tag_means_latest(engine, run):
    engine.state["models"]["tiny:latest"] = {"name": "tiny:latest", "digest": "bb"}

    assert not run(ollama_model, models=["tiny"])["changed"]


def test_a_download_that_breaks_off_is_taken_up_again(engine, run):
    engine.state["pulls"] = [DONE[:2], [], DONE]

    assert run(ollama_model, models=["m:1"])["changed"]
    assert len(engine.state["calls"]) == 3


def test_an_error_inside_the_stream_is_a_failure_although_the_status_was_200(engine, run):
    engine.state["pulls"] = [[{"status": "pulling manifest"}, {"error": "pull model manifest: file does not exist"}]]

    assert run(ollama_model, models=["nope:1"])["msg"] == "Ollama could not get nope:1: pull model manifest: file does not exist"


def test_a_refused_pull_says_what_the_engine_said(engine, run):
    engine.state["pulls"] = [404]

    assert run(ollama_model, models=["nope:1"])["msg"] == f"Ollama at {engine.url} refused /api/pull with 404: model not found"


def test_giving_up_names_the_model_and_the_last_word(engine, run):
    engine.state["pulls"] = [DONE[:1], DONE[:1]]

    assert run(ollama_model, models=["m:1"], attempts=2)["msg"] == (
        "the download of m:1 broke off 2 times, the last time at 'pulling manifest'; the next run goes on from there"
    )


def test_a_download_that_does_not_fit_is_refused_before_the_bytes_come(engine, run, monkeypatch, tmp_path):
    monkeypatch.setattr(ollama_model, "free_bytes", lambda _directory: GIB)
    engine.state["pulls"] = [DONE]

    assert run(ollama_model, models=["m:1"], directory=str(tmp_path))["msg"] == (
        "m:1 needs 1.0 GiB more, and 1 GiB to spare, but 1.0 GiB are free; remove a model or raise the quota"
    )


def layer(digest, gib, *, arrived):
    """Return the engine's word on a layer, of which so many GiB have arrived."""
    return {"status": f"pulling {digest}", "digest": f"sha256:{digest}", "total": gib * GIB, "completed": arrived * GIB}


def test_what_has_arrived_is_not_asked_room_for_again_when_the_next_layer_comes(engine, run, monkeypatch, tmp_path):
    free = iter([70 * GIB, 30 * GIB, 29 * GIB])
    monkeypatch.setattr(ollama_model, "free_bytes", lambda _directory: next(free))
    layers = [layer("aa", 40, arrived=0), layer("aa", 40, arrived=20), layer("aa", 40, arrived=40), layer("bb", 1, arrived=0), layer("bb", 1, arrived=1)]
    engine.state["pulls"] = [[*layers, layer("cc", 1, arrived=0), {"status": "success"}]]

    assert run(ollama_model, models=["m:1"], directory=str(tmp_path)).get("msg") is None
    assert list(free) == [], "room is asked for once per layer"


def test_layers_that_come_at_the_same_time_need_room_together(engine, run, monkeypatch, tmp_path):
    free = iter([70 * GIB, 60 * GIB])
    monkeypatch.setattr(ollama_model, "free_bytes", lambda _directory: next(free))
    engine.state["pulls"] = [[layer("aa", 40, arrived=0), layer("aa", 40, arrived=10), layer("bb", 35, arrived=0), {"status": "success"}]]

    assert run(ollama_model, models=["m:1"], directory=str(tmp_path))["msg"] == (
        "m:1 needs 65.0 GiB more, and 1 GiB to spare, but 60.0 GiB are free; remove a model or raise the quota"
    )


@pytest.mark.parametrize("name", ["gpt-oss:120b-cloud", "deepseek:cloud"])
def test_a_stub_for_a_cloud_is_refused(engine, run, name):
    assert run(ollama_model, models=[name])["msg"] == f"{name} runs in a cloud: requests to it would leave the house, so psw does not use it"
    assert engine.state["calls"] == []


def test_a_tag_that_was_moved_upstream_is_noticed(engine, run):
    engine.state["models"]["m:1"] = {"name": "m:1", "digest": "bb"}

    assert run(ollama_model, models=["m:1"], digests={"m:1": "sha256:cc"})["msg"] == (
        "m:1 has the digest bb, but sha256:cc is pinned; what the tag means has changed upstream"
    )


def test_check_mode_foretells_and_pulls_nothing(engine, run):
    assert run(ollama_model, models=["m:1"], check=True)["changed"]
    assert engine.state["calls"] == []


def test_check_mode_copes_with_an_engine_that_is_not_there_yet(run):
    assert run(ollama_model, models=["m:1"], check=True, url="http://127.0.0.1:9")["changed"]


def test_an_engine_that_does_not_answer_is_named(run):
    assert run(ollama_model, models=["m:1"], url="http://127.0.0.1:9")["msg"].startswith("Ollama does not answer at http://127.0.0.1:9: ")


def test_a_removed_model_is_gone(engine, run):
    engine.state["models"]["m:1"] = {"name": "m:1", "digest": "bb"}

    assert run(ollama_model, models=["m:1"], state="absent")["diff"] == {"before": "m:1\n", "after": ""}
    assert engine.state["models"] == {}


def test_a_model_that_lies_on_the_gpu_is_proof(engine, run):
    assert run(ollama_placement, model="m:1", vendor="nvidia")["placement"] == "gpu"


def test_a_model_that_is_on_the_gpu_already_is_not_loaded_again(engine, run):
    engine.state["loaded"]["m:1"] = {"name": "m:1", "size": GIB, "size_vram": GIB}

    assert run(ollama_placement, model="m:1", vendor="nvidia")["vram_mib"] == 1024
    assert engine.state["calls"] == []


def test_an_engine_on_the_cpu_is_a_failure_that_names_a_layer(engine, run):
    engine.state["places"] = {"size": GIB, "size_vram": 0}

    assert run(ollama_placement, model="m:1", vendor="nvidia")["msg"].startswith("Ollama runs m:1 on the CPU, not on the GPU. ")


def test_a_model_that_was_loaded_on_the_cpu_gets_another_chance(engine, run):
    engine.state["loaded"]["m:1"] = {"name": "m:1", "size": GIB, "size_vram": 0}

    assert run(ollama_placement, model="m:1", vendor="nvidia")["placement"] == "gpu"
    assert engine.state["calls"][0] == ("/api/generate", {"model": "m:1", "keep_alive": 0})


def test_a_split_model_is_a_failure_unless_it_is_wished_for(engine, run):
    engine.state["places"] = {"size": 2 * GIB, "size_vram": GIB}

    assert run(ollama_placement, model="m:1", vendor="nvidia")["msg"] == (
        "only 1024 of the 2048 MiB of m:1 fit into GPU memory, so it would be slow: choose a smaller model or context, or set ollama_allow_split"
    )
    assert run(ollama_placement, model="m:1", vendor="nvidia", allow_split=True)["placement"] == "split"


def test_check_mode_loads_nothing(engine, run):
    assert run(ollama_placement, model="m:1", vendor="nvidia", check=True)["placement"] == "unknown"
    assert engine.state["calls"] == []


def test_proof_is_not_asked_of_an_engine_that_check_mode_would_only_install(run):
    assert run(ollama_placement, model="m:1", vendor="nvidia", check=True, url="http://127.0.0.1:9")["placement"] == "unknown"
