# SPDX-License-Identifier: GPL-3.0-or-later
"""The Ollama modules against an engine that answers as Ollama's API does."""

import http.server
import json
import threading

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.psw.ai.plugins.module_utils import _gpu_memory, _ollama, _ollama_proof, _ollama_watch, _progress
from ansible_collections.psw.ai.plugins.module_utils._errors import PswModuleError
from ansible_collections.psw.ai.plugins.modules import ollama_health, ollama_model, ollama_placement

GIB = 1 << 30
ON_GPU = {"size": GIB, "size_vram": GIB, "context_length": 4096}


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

    def break_off(self, data):
        """Promise more than what comes."""
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self):
        state = self.server.state
        if state["breaks"] == self.path:
            self.break_off(b'{"models": [')
            return
        if self.path == "/api/version":
            self.answer({"version": "0.32.15"})
            return
        listed = state["models"] if self.path == "/api/tags" else state["loaded"]
        self.answer({"models": list(listed.values())})

    def do_POST(self):
        state, body = self.server.state, json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        state["calls"].append((self.path, body))
        if state["breaks"] == self.path:
            self.break_off(b'{"models": [')
            return
        {"/api/show": self.show, "/api/embed": self.embed, "/api/generate": self.generate, "/api/pull": self.pull}[self.path](state, body)

    def show(self, state, _body):
        self.answer({"capabilities": state["capabilities"]})

    def embed(self, state, body):
        state["loaded"].setdefault(body["model"], {"name": body["model"], **state["places"]})
        self.answer({"embeddings": [[1.0]] if body.get("input") else []})

    def generate(self, state, body):
        name, asks = body["model"], "prompt" in body
        self.server.over.wait(state["delay"])
        if body.get("keep_alive") == 0 and not asks:
            state["loaded"].pop(name, None)  # before it is looked what the model is able to
        elif "completion" not in state["capabilities"]:
            self.answer({"error": f'"{name}" does not support generate'}, 400)
            return
        elif asks and state["says"] == 500:
            self.answer({"error": "CUDA error: an illegal memory access was encountered"}, 500)
            return
        else:
            state["loaded"].setdefault(name, {"name": name, **state["places"]})
        for other in state["evicts"] if asks else []:
            del state["loaded"][other]
        self.answer({"done": True, "response": state["says"] if asks else ""})

    def pull(self, state, body):
        lines = state["pulls"].pop(0)
        if lines == 404:
            self.answer({"error": "model not found"}, 404)
            return
        if {"status": "success"} in lines and state["pulled"] is not None:
            state["models"][body["model"]] = {"name": body["model"], "digest": "aa" * 32, **state["pulled"]}
        # What is no document is a line that ends in its middle.
        self.answer(b"".join(line if isinstance(line, bytes) else json.dumps(line).encode() + b"\n" for line in lines))

    def do_DELETE(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.state["models"].pop(body["model"])
        self.answer({})


@pytest.fixture
def engine():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Engine)
    server.state = {"models": {}, "loaded": {}, "pulls": [], "pulled": {}, "calls": [], "places": {"size": GIB, "size_vram": GIB}}
    server.state |= {"delay": 0, "says": "Blue.", "capabilities": ["completion"], "breaks": None, "evicts": []}
    server.url = f"http://127.0.0.1:{server.server_port}"
    # Whoever still answers when the test is over ends with it, and says nothing into the next one's output.
    server.over, server.daemon_threads, server.handle_error = threading.Event(), False, lambda *_args: None
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield server
    server.over.set()
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


CC = "cc" * 32
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


def test_a_download_whose_line_ends_in_the_middle_is_taken_up_again_too(engine, run):
    engine.state["pulls"] = [[DONE[0], b'{"status": "pull'], DONE]

    assert run(ollama_model, models=["m:1"])["changed"]


def test_a_download_that_breaks_off_in_the_middle_of_a_line_each_time_is_named(engine, run):
    engine.state["pulls"] = [[b'{"status": "pull']] * 2

    assert run(ollama_model, models=["m:1"], attempts=2)["msg"].startswith(
        f"the download of m:1 broke off 2 times, the last time at 'Ollama at {engine.url} broke off its answer to /api/pull: "
    )


@pytest.mark.parametrize("path", ["/api/ps", "/api/show"])
def test_an_answer_that_breaks_off_is_a_failure_in_words(engine, prove, path):
    engine.state["breaks"] = path

    assert prove()["msg"].startswith(f"Ollama at {engine.url} broke off its answer to {path}: IncompleteRead(12 bytes read")


def test_an_answer_that_is_not_the_engines_is_a_failure_in_words(engine, run):
    engine.state["pulls"] = [[b"<html>"]]
    with pytest.raises(PswModuleError, match=r"broke off its answer to /api/pull: Expecting value"):
        _ollama.Ollama(engine.url).ask("/api/pull", {"model": "m:1"})


def test_a_download_says_how_far_it_is_while_it_runs(engine, run, monkeypatch, tmp_path):
    said = []
    monkeypatch.setattr(_progress, "PATH", str(tmp_path / "progress"))
    monkeypatch.setattr(_progress, "_write", said.append)
    layer, small = {"digest": "sha256:aa", "total": 4 * GIB}, {"digest": "sha256:bb", "total": 100 << 20}
    engine.state["pulls"] = [[layer, {**layer, "completed": GIB}, {**layer, "completed": GIB + 1}, {**layer, "completed": 4 * GIB}, small, *DONE[2:]]]

    run(ollama_model, models=["m:1"])

    assert said == ["m:1: 0 % of 4.0 GiB", "m:1: 25 % of 4.0 GiB", "m:1: 100 % of 4.0 GiB", "m:1: 97 % of 4.1 GiB"]


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

    assert run(ollama_model, models=["m:1"], digests={"m:1": f"sha256:{CC}"})["msg"] == (
        f"m:1 has the digest bb, but {CC} is pinned; what the tag means has changed upstream"
    )


@pytest.mark.parametrize("pinned", ["sha256:bbbb", "sha256:", "", f"sha512:{CC}", f"{CC}0"])
def test_what_is_no_whole_digest_is_told_before_anything_is_downloaded(engine, run, pinned):
    engine.state["pulls"] = [DONE]

    assert run(ollama_model, models=["m:1"], digests={"m:1": pinned})["msg"] == (
        f"{pinned!r} is no whole digest (64 hexadecimal digits), so it holds m:1 to nothing; psw model list --json shows whole ones"
    )
    assert engine.state["calls"] == []


@pytest.mark.parametrize("pinned", ["bb" * 32, f"sha256:{'bb' * 32}", f"SHA256:{'BB' * 32}"])
def test_a_digest_may_be_written_as_any_program_writes_it(engine, run, pinned):
    engine.state["models"]["m:1"] = {"name": "m:1", "digest": "bb" * 32}

    assert not run(ollama_model, models=["m:1"], digests={"m:1": pinned})["changed"]


def test_the_name_of_a_stub_is_refused_before_anything_is_downloaded(engine, run):
    refusal = "m:cloud runs in a cloud: requests to it would leave the house, so psw does not use it"
    engine.state["pulls"] = [DONE]

    assert run(ollama_model, models=["m:1", "m:cloud"])["msg"] == refusal
    assert engine.state["calls"] == []
    engine.state["models"]["m:cloud"] = {"name": "m:cloud", "digest": "bb"}
    assert run(ollama_model, models=["m:cloud"])["msg"] == refusal
    assert run(ollama_model, models=["m:cloud"], check=True)["msg"] == refusal
    assert run(ollama_model, models=["m:cloud"], state="absent")["changed"]


@pytest.mark.parametrize("stub", [{"remote_host": "https://ollama.com:443"}, {"remote_model": "https://ollama.com:443"}])
@pytest.mark.parametrize("check", [True, False])
def test_a_model_that_hands_requests_on_is_refused_whatever_its_name(engine, run, stub, check):
    engine.state["models"]["m:1"] = {"name": "m:1", "digest": "bb", **stub}

    assert run(ollama_model, models=["m:1"], check=check)["msg"] == (
        "m:1 only hands requests on, to https://ollama.com:443: they would leave the house, so psw does not use it"
    )


def test_a_downloaded_stub_does_not_stay(engine, run):
    engine.state.update(pulls=[DONE], pulled={"remote_host": "https://ollama.com:443"})

    assert run(ollama_model, models=["m:1"])["msg"].endswith("so psw does not use it; it was removed again")
    assert engine.state["models"] == {}


def test_a_download_with_another_digest_does_not_stay(engine, run):
    engine.state["pulls"] = [DONE]

    assert run(ollama_model, models=["m:1"], digests={"m:1": CC})["msg"] == (
        f"m:1 has the digest {'aa' * 32}, but {CC} is pinned; what the tag means has changed upstream; it was removed again"
    )
    assert engine.state["models"] == {}


def test_a_model_that_is_not_listed_after_its_download_does_not_pass_its_own_pin(engine, run):
    engine.state.update(pulls=[DONE], pulled=None)

    assert run(ollama_model, models=["m:1"], digests={"m:1": CC})["msg"] == (
        "Ollama says that it has downloaded m:1, but does not list it; what went wrong is in: journalctl -u ollama"
    )


@pytest.mark.parametrize("name", ["registry.ollama.ai/library/m:1", "library/m:1"])
def test_a_long_name_means_the_model_that_the_engine_lists_by_its_short_one(engine, run, name):
    engine.state["models"]["m:1"] = {"name": "m:1", "digest": "bb"}

    assert not run(ollama_model, models=[name])["changed"]


def test_check_mode_finds_the_models_of_a_stopped_engine_on_the_disk(run, tmp_path):
    for name in ("registry.ollama.ai/library/m/1", "hf.co/someone/n/latest"):
        file = tmp_path / "manifests" / name
        file.parent.mkdir(parents=True)
        file.write_text("{}")
    stopped = {"check": True, "url": "http://127.0.0.1:9", "directory": str(tmp_path)}

    assert not run(ollama_model, models=["m:1", "hf.co/someone/n"], **stopped)["changed"]
    assert run(ollama_model, models=["m:2"], **stopped)["changed"]
    assert "is pinned" in run(ollama_model, models=["m:1"], digests={"m:1": CC}, **stopped)["msg"]


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


@pytest.fixture
def prove(run, monkeypatch):
    """The proof on a machine whose driver sees what this says: MiB, or None where it tells nothing."""

    def call(*, model="m:1", sees=2048, **args):
        monkeypatch.setattr(_gpu_memory, "in_use", lambda *_args: None if sees is None else {"source": "nvidia-smi", "mib": sees})
        return run(ollama_placement, model=model, vendor="nvidia", **args)

    return call


@pytest.fixture
def warnings(monkeypatch):
    """What a user is warned of."""
    said = []
    monkeypatch.setattr(ollama_placement.AnsibleModule, "warn", lambda _module, text: said.append(text))
    return said


def asked(engine):
    """Return the bodies of the requests for an answer; loading and unloading ask nothing."""
    return [body for path, body in engine.state["calls"] if path == "/api/generate" and "prompt" in body]


def test_a_model_that_lies_on_the_gpu_and_answers_is_proof(engine, prove):
    said = prove()
    expected = {"changed": False, "placement": "gpu", "size_mib": 1024, "vram_mib": 1024, "seen_by": "nvidia-smi", "seen_mib": 2048}
    assert {name: said[name] for name in expected} == expected
    assert [(body["prompt"], body["options"]["temperature"]) for body in asked(engine)] == [(_ollama_proof.QUESTION, 0)]


def test_a_model_that_is_on_the_gpu_already_is_asked_as_it_is_and_not_loaded_again(engine, prove):
    forever = "2318-03-04T12:00:00.123456789Z"
    engine.state["loaded"]["m:1"] = {"name": "m:1", "size": GIB, "size_vram": GIB, "context_length": 8192, "expires_at": forever}

    assert prove()["vram_mib"] == 1024
    assert [path for path, _ in engine.state["calls"]] == ["/api/show", "/api/generate"]
    assert (asked(engine)[0]["keep_alive"], asked(engine)[0]["options"]["num_ctx"]) == (-1, 8192)


def test_an_engine_that_errs_when_it_is_asked_is_a_failure_with_its_words(engine, prove):
    engine.state["says"] = 500

    assert prove()["msg"] == (
        f"m:1 is loaded but does not answer a question: Ollama at {engine.url} refused /api/generate with 500: "
        "CUDA error: an illegal memory access was encountered; see: journalctl -u ollama"
    )


def test_an_empty_answer_is_a_failure(engine, prove):
    engine.state["says"] = " \n"

    assert prove()["msg"] == "m:1 gives an empty answer to a question; see: journalctl -u ollama"


def test_a_model_for_embeddings_is_loaded_by_its_own_door_and_asked_nothing(engine, prove):
    engine.state["capabilities"] = ["embedding"]

    assert prove()["placement"] == "gpu"
    assert ("/api/embed", {"model": "m:1", "input": "x"}) in engine.state["calls"]
    assert asked(engine) == []


def test_a_model_for_embeddings_on_the_cpu_gets_another_chance_too(engine, prove):
    engine.state |= {"capabilities": ["embedding"], "loaded": {"m:1": {"name": "m:1", "size": GIB, "size_vram": 0}}}

    assert prove()["placement"] == "gpu"


def test_an_engine_on_the_cpu_is_a_failure_that_names_a_layer_and_is_asked_nothing(engine, prove):
    engine.state["places"] = {"size": GIB, "size_vram": 0}

    assert prove()["msg"].startswith("Ollama runs m:1 on the CPU, not on the GPU. ")
    assert asked(engine) == []


def test_a_model_that_was_loaded_on_the_cpu_gets_another_chance(engine, prove):
    engine.state["loaded"]["m:1"] = {"name": "m:1", "size": GIB, "size_vram": 0}

    assert prove()["placement"] == "gpu"
    assert engine.state["calls"][0] == ("/api/generate", {"model": "m:1", "keep_alive": 0})


@pytest.mark.parametrize(("sees", "is_there"), [(512, True), (511, False), (4, False), (None, True)])
def test_what_the_engine_says_must_be_seen_by_the_driver_at_least_by_half_where_it_tells(prove, sees, is_there):
    said = prove(sees=sees)

    assert said.get("placement") == ("gpu" if is_there else None)
    if not is_there:
        assert said["msg"].startswith(f"Ollama says that 1024 MiB of m:1 lie on the GPU, but nvidia-smi sees {sees} MiB in use there. ")


def test_a_driver_that_counts_a_moment_later_is_looked_at_again(run, monkeypatch):
    counts = iter([4, 4, 1024])
    monkeypatch.setattr(_gpu_memory, "in_use", lambda *_args: {"source": "sysfs", "mib": next(counts)})

    assert run(ollama_placement, model="m:1", vendor="amd")["seen_mib"] == 1024


def test_a_model_that_goes_while_the_driver_is_looked_at_is_looked_for_no_longer(engine, run, monkeypatch):
    def in_use(*_args):
        engine.state["loaded"].clear()
        return {"source": "nvidia-smi", "mib": 4}

    monkeypatch.setattr(_gpu_memory, "in_use", in_use)
    engine.state["loaded"]["m:1"] = {"name": "m:1", **ON_GPU}

    assert run(ollama_placement, model="m:1", vendor="nvidia")["placement"] == "gpu"


def test_a_split_model_is_a_failure_where_nobody_knows_what_the_cards_have(engine, prove):
    engine.state["places"] = {"size": 2 * GIB, "size_vram": GIB}

    assert prove()["msg"] == (
        "only 1024 of the 2048 MiB of m:1 fit into GPU memory, so it would be slow: choose a smaller model or context, or set ollama_allow_split"
    )


@pytest.mark.parametrize(("needs", "need"), [({"m:1": 2100}, 2100), ({"m:1": 1500}, 2048), ({}, 2048)], ids=["by the catalogue", "by both", "by the engine"])
def test_a_split_model_that_fits_is_a_failure_with_the_numbers(engine, prove, needs, need):
    engine.state["places"] = {"size": 2 * GIB, "size_vram": GIB}

    assert prove(cards_mib=2100, needs=needs)["msg"] == (
        f"only 1024 of the 2048 MiB of m:1 lie in GPU memory, which has room for it: it needs {need} of 2100 MiB; "
        "free what others hold there, choose a smaller context, or set ollama_allow_split"
    )


@pytest.mark.parametrize(
    ("needs", "need"), [({"m:1": 3000}, 3000), ({"m:1": 1500}, 2048), ({}, 2048)], ids=["by the catalogue", "with a longer context", "by the engine"]
)
def test_a_split_model_that_is_too_large_is_a_warning_with_the_numbers(engine, prove, warnings, needs, need):
    engine.state["places"] = {"size": 2 * GIB, "size_vram": GIB}
    said = prove(cards_mib=2047, needs=needs)

    assert said["placement"] == "split"
    assert warnings == [
        f"m:1 needs {need} MiB of GPU memory and there are 2047, so only 1024 of its 2048 MiB lie there and it is slow; a smaller model or context would fit"
    ]


def test_a_split_model_that_is_wished_for_is_neither(engine, prove, warnings):
    engine.state["places"] = {"size": 2 * GIB, "size_vram": GIB}
    said = prove(cards_mib=8192, allow_split=True)

    assert (said["placement"], warnings) == ("split", [])


@pytest.mark.parametrize("may", [{"cards_mib": 1500}, {"allow_split": True}], ids=["too large", "wished for"])
def test_a_split_model_that_may_be_split_is_not_loaded_again(engine, prove, warnings, may):
    engine.state["loaded"]["m:1"] = {"name": "m:1", "size": 2 * GIB, "size_vram": GIB}

    assert prove(**may)["placement"] == "split"
    assert [path for path, _ in engine.state["calls"]] == ["/api/show", "/api/generate"]
    assert len(warnings) == ("cards_mib" in may)


def test_how_it_ended_is_noted_for_the_doctor(engine, prove, tmp_path):
    file = tmp_path / "psw/ollama-proof.json"

    assert not prove(state_file=str(file))["changed"]
    assert _ollama_proof.last(file)["failed"] is None
    engine.state["says"] = ""
    said = prove(state_file=str(file))
    assert {key: _ollama_proof.last(file)[key] for key in ("failed", "message")} == {"failed": "answer_missing", "message": said["msg"]}


def test_check_mode_loads_asks_and_notes_nothing(engine, prove, tmp_path):
    assert prove(check=True, state_file=str(tmp_path / "noted"))["placement"] == "unknown"
    engine.state["loaded"]["m:1"] = {"name": "m:1", "size": GIB, "size_vram": GIB}
    assert prove(check=True, state_file=str(tmp_path / "noted"))["placement"] == "gpu"
    assert engine.state["calls"] == []
    assert not (tmp_path / "noted").exists()


def test_proof_is_not_asked_of_an_engine_that_check_mode_would_only_install(prove):
    assert prove(check=True, url="http://127.0.0.1:9")["placement"] == "unknown"


@pytest.fixture
def doctor(run, monkeypatch, tmp_path):
    """What psw doctor finds, on a machine whose driver sees 2 GiB in use."""
    monkeypatch.setattr(_gpu_memory, "in_use", lambda *_args: {"source": "nvidia-smi", "mib": 2048})

    def call(**args):
        found = run(ollama_health, vendor="nvidia", state_file=str(tmp_path / "noted"), **args)["findings"]
        return [(each["id"], each["message"], each["heal"]) for each in found]

    return call


def test_the_doctor_asks_what_is_loaded_and_loads_nothing(engine, doctor):
    assert doctor() == []
    assert engine.state["calls"] == []
    engine.state["loaded"]["m:1"] = {"name": "m:1", **ON_GPU}
    assert doctor() == []
    assert [body["model"] for body in asked(engine)] == ["m:1"]


@pytest.mark.parametrize(
    ("places", "says", "found"),
    [
        ({"size": GIB, "size_vram": 0}, "Blue.", "model_on_cpu"),
        ({"size": 2 * GIB, "size_vram": GIB}, "Blue.", "model_split"),
        ({"size": 8 * GIB, "size_vram": 8 * GIB}, "Blue.", "model_unseen"),
        ({"size": GIB, "size_vram": GIB}, "", "answer_missing"),
        ({"size": GIB, "size_vram": GIB}, 500, "answer_missing"),
    ],
)
def test_the_doctor_names_what_is_wrong_with_the_engine(engine, doctor, places, says, found):
    engine.state |= {"says": says, "loaded": {"m:1": {"name": "m:1", **places}}}

    assert [(name, heal) for name, _, heal in doctor(cards_mib=12288)] == [(found, ollama_health.AGAIN)]


def test_a_model_that_made_room_while_another_was_asked_is_no_finding(engine, doctor):
    engine.state |= {"evicts": ["z:1"], "loaded": {"m:1": {"name": "m:1", **ON_GPU}, "z:1": {"name": "z:1", "size": 8 * GIB, "size_vram": 8 * GIB}}}

    assert doctor() == []
    assert list(engine.state["loaded"]) == ["m:1"]


def test_an_answer_that_breaks_off_is_a_finding(engine, doctor):
    engine.state["breaks"] = "/api/ps"

    ((name, message, heal),) = doctor()
    assert (name, heal) == ("engine_down", "psw deploy converge")
    assert "broke off its answer to /api/ps" in message


def test_a_model_that_is_too_large_for_the_cards_is_no_finding(engine, doctor):
    engine.state["loaded"]["m:1"] = {"name": "m:1", "size": 2 * GIB, "size_vram": GIB}

    assert doctor(cards_mib=1500) == []


def test_an_engine_that_is_down_is_healed_by_a_converge(doctor):
    ((name, message, heal),) = doctor(url="http://127.0.0.1:9")

    assert (name, heal) == ("engine_down", "psw deploy converge")
    assert message.startswith("Ollama does not answer at http://127.0.0.1:9: ")


def test_an_engine_that_is_too_busy_to_answer_in_time_is_not_wrong(engine, doctor):
    engine.state |= {"delay": 600, "loaded": {"m:1": {"name": "m:1", **ON_GPU}}}

    assert doctor(timeout=1) == []


def test_the_last_proof_counts_while_nothing_is_loaded(engine, doctor, tmp_path):
    _ollama_proof.note(str(tmp_path / "noted"), "model_on_cpu", "it ran on the CPU")
    at = _ollama_proof.last(tmp_path / "noted")["at"]

    assert doctor() == [("proof_failed", f"the last proof failed ({at}): it ran on the CPU", ollama_health.AGAIN)]
    engine.state["loaded"]["m:1"] = {"name": "m:1", **ON_GPU}
    assert doctor() == [], "what is seen now counts more"


@pytest.fixture
def timer(engine, monkeypatch, tmp_path, capsys):
    """The timer's program: (exit code, output, what it noted)."""
    monkeypatch.setattr(_gpu_memory, "in_use", lambda *_args: {"source": "nvidia-smi", "mib": 2048})
    monkeypatch.setattr(_ollama_watch, "PATIENCE", 0)

    def call(**changes):
        gpu = {"vendor": "nvidia", "backend": "cuda", "addresses": [], "cards_mib": None, "needs": {}, "allow_split": False}
        config = {"url": engine.url, "model": "m:1", "timeout": 5, "state_file": str(tmp_path / "psw/noted"), **gpu, **changes}
        (tmp_path / "config").write_text(json.dumps(config), encoding="utf-8")
        status = _ollama_watch.main(tmp_path / "config")
        said = capsys.readouterr()
        return status, said.out + said.err, _ollama_proof.last(tmp_path / "psw/noted")["failed"]

    return call


def test_the_timer_loads_the_first_model_for_a_minute_when_nothing_is_loaded(engine, timer):
    engine.state["models"]["m:1"] = {"name": "m:1", "digest": "bb"}

    assert timer() == (0, "psw: on the GPU: m:1\n", None)
    assert asked(engine)[0]["keep_alive"] == 60


def test_the_timer_loads_a_first_model_for_embeddings_by_its_own_door(engine, timer):
    engine.state |= {"capabilities": ["embedding"], "models": {"m:1": {"name": "m:1", "digest": "bb"}}}

    assert timer() == (0, "psw: on the GPU: m:1\n", None)
    assert ("/api/embed", {"model": "m:1", "input": "x", "keep_alive": 60}) in engine.state["calls"]


def test_the_timer_does_not_say_that_it_proved_what_went_meanwhile(engine, timer, monkeypatch):
    engine.state["models"]["m:1"] = {"name": "m:1", "digest": "bb"}
    monkeypatch.setattr(_ollama_watch, "_load", lambda *_args: None)

    assert timer() == (0, "psw: nothing was proven: what was loaded went meanwhile\n", None)


def test_the_timer_leaves_an_engine_alone_that_has_another_model_loaded(engine, timer):
    engine.state["models"]["m:1"] = {"name": "m:1", "digest": "bb"}
    engine.state["loaded"]["other:1"] = {"name": "other:1", **ON_GPU}

    assert timer() == (0, "psw: on the GPU: other:1\n", None)
    assert {body["model"] for body in asked(engine)} == {"other:1"}


def test_the_timer_passes_over_a_model_that_is_still_to_come(engine, timer):
    assert timer() == (0, "psw: nothing was proven: nothing is loaded, and m:1 is not there yet\n", None)
    assert engine.state["calls"] == []


def test_the_timers_unit_fails_and_says_why(engine, timer):
    engine.state["loaded"]["m:1"] = {"name": "m:1", "size": GIB, "size_vram": 0}
    status, said, noted = timer()

    assert (status, noted) == (1, "model_on_cpu")
    assert said.startswith("psw: Ollama runs m:1 on the CPU, not on the GPU. ")


def test_an_engine_that_does_not_come_up_fails_the_timers_unit(timer):
    status, said, noted = timer(url="http://127.0.0.1:9")

    assert (status, noted) == (1, "engine_down")
    assert said.startswith("psw: Ollama does not answer at http://127.0.0.1:9: ")
