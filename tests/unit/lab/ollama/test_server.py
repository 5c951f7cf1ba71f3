# SPDX-License-Identifier: GPL-3.0-or-later
"""The stand-in answers as Ollama does, over HTTP and on its command line."""

import json
import threading
import urllib.error
import urllib.request

import pytest
from standin import cli, server
from standin.engine import BUFFERS, Engine
from standin.gpu import Device, Found
from standin.settings import Settings

CARD = Device("CUDA", "GPU-11", "NVIDIA GeForce RTX 3060", "8.6", "580.159.04", "0000:01:00.0", 12288 << 20)


class Client:
    """A caller who reads lines and documents."""

    def __init__(self, address):
        self.address = address

    def lines(self, method, path, body=None):
        data = json.dumps(body).encode() if body is not None else None
        with urllib.request.urlopen(urllib.request.Request(f"{self.address}{path}", data, method=method), timeout=20) as answer:
            return [json.loads(line) for line in answer.read().splitlines() if line]

    def one(self, method, path, body=None):
        (document,) = self.lines(method, path, body)
        return document

    def refused(self, method, path, body=None):
        with pytest.raises(urllib.error.HTTPError) as refusal:
            self.lines(method, path, body)
        data = refusal.value.read()
        return refusal.value.code, json.loads(data) if data.startswith(b"{") else data.decode()


@pytest.fixture
def machine():
    """What the engine finds when it looks for a GPU; a test may change it."""
    return {"found": Found(CARD, "")}


@pytest.fixture
def settings(tmp_path):
    return Settings(port=0, models=tmp_path / "models", no_cloud=True)


@pytest.fixture
def running(settings, library, runners, machine, monkeypatch):
    monkeypatch.setattr(server, "Engine", lambda settings, _look: Engine(settings, lambda: machine["found"], runners.start))
    made = server.make(settings, "0.32.15", library=library.manifests.parent)
    threading.Thread(target=made.serve_forever, args=(0.02,), daemon=True).start()
    yield made
    made.shutdown()
    made.server_close()


@pytest.fixture
def client(running):
    return Client(f"http://127.0.0.1:{running.server_port}")


@pytest.fixture
def pulled(client):
    client.lines("POST", "/api/pull", {"model": "smollm2:135m"})
    return client


def test_the_root_says_that_ollama_is_running(client):
    with urllib.request.urlopen(f"{client.address}/", timeout=60) as answer:
        assert answer.read() == b"Ollama is running"


def test_the_version_is_the_images(client):
    assert client.one("GET", "/api/version") == {"version": "0.32.15"}


def test_the_cloud_is_off_when_the_environment_says_so(client):
    assert client.one("GET", "/api/status") == {"cloud": {"disabled": True, "source": "env"}}


def test_a_cloud_model_is_refused_when_the_cloud_is_off(client):
    status, answer = client.refused("POST", "/api/chat", {"model": "big:cloud", "messages": [{"role": "user", "content": "hi"}]})
    assert (status, answer) == (403, {"error": "ollama cloud is disabled: remote model is unavailable"})


def test_a_pull_streams_its_steps_and_ends_with_success(client):
    assert client.lines("POST", "/api/pull", {"model": "smollm2:135m"})[-1] == {"status": "success"}
    assert [model["name"] for model in client.one("GET", "/api/tags")["models"]] == ["smollm2:135m"]


def test_a_pull_that_fails_says_so_inside_the_stream(client):
    assert client.lines("POST", "/api/pull", {"model": "nope"})[-1] == {"error": "pull model manifest: file does not exist"}


def test_a_pull_without_a_stream_fails_with_a_status(client):
    assert client.refused("POST", "/api/pull", {"model": "nope", "stream": False}) == (500, {"error": "pull model manifest: file does not exist"})


def test_an_unknown_model_is_not_found_in_both_dialects(client):
    assert client.refused("POST", "/api/show", {"model": "nope"}) == (404, {"error": "model 'nope' not found"})
    status, answer = client.refused("POST", "/v1/chat/completions", {"model": "nope", "messages": []})
    assert (status, answer["error"]["message"]) == (404, "model 'nope' not found")


def test_nothing_is_loaded_at_first(client):
    assert client.one("GET", "/api/ps") == {"models": []}


def test_a_request_without_a_prompt_loads_the_model_onto_the_gpu(pulled):
    assert pulled.one("POST", "/api/generate", {"model": "smollm2:135m"})["done_reason"] == "load"
    (model,) = pulled.one("GET", "/api/ps")["models"]
    assert model["size_vram"] == model["size"] > BUFFERS


def test_without_a_gpu_nothing_of_the_model_is_on_it(pulled, machine):
    machine["found"] = Found(None, "no device")
    pulled.one("POST", "/api/generate", {"model": "smollm2:135m"})
    assert pulled.one("GET", "/api/ps")["models"][0]["size_vram"] == 0


def test_a_loaded_model_stays_where_it_is_until_it_is_unloaded(pulled, machine):
    pulled.one("POST", "/api/generate", {"model": "smollm2:135m"})
    machine["found"] = Found(None, "no device")
    pulled.one("POST", "/api/generate", {"model": "smollm2:135m"})
    assert pulled.one("GET", "/api/ps")["models"][0]["size_vram"] > 0
    assert pulled.one("POST", "/api/generate", {"model": "smollm2:135m", "keep_alive": 0})["done_reason"] == "unload"
    assert pulled.one("GET", "/api/ps") == {"models": []}


def test_a_model_larger_than_the_card_is_only_partly_on_it(pulled, machine):
    machine["found"] = Found(Device("CUDA", "", "", "", "", "", 1000), "")
    pulled.one("POST", "/api/generate", {"model": "smollm2:135m"})
    assert pulled.one("GET", "/api/ps")["models"][0]["size_vram"] == 1000


def test_a_chat_streams_pieces_and_ends_with_the_numbers(pulled):
    *pieces, last = pulled.lines("POST", "/api/chat", {"model": "smollm2:135m", "messages": [{"role": "user", "content": "hi"}]})
    assert [piece["message"]["content"] for piece in pieces] == ["Hel", "lo"]
    assert (last["done"], last["done_reason"], last["prompt_eval_count"], last["eval_count"]) == (True, "stop", 7, 2)
    assert last["eval_duration"] == 20_000_000


def test_an_answer_without_a_stream_is_one_document(pulled):
    body = {"model": "smollm2:135m", "prompt": "hi", "stream": False}
    assert pulled.one("POST", "/api/generate", body)["response"] == "Hello"


def test_a_tool_call_comes_back_as_an_object(pulled):
    body = {"model": "smollm2:135m", "messages": [{"role": "user", "content": "light!"}], "tools": [{"type": "function"}], "stream": False}
    message = pulled.one("POST", "/api/chat", body)["message"]
    assert message["tool_calls"][0]["function"] == {"name": "light", "arguments": {"on": True}}


def test_the_models_own_limits_hold_unless_the_caller_has_others(pulled, runners):
    pulled.lines("POST", "/api/chat", {"model": "smollm2:135m", "messages": [{"role": "user", "content": "hi"}]})
    pulled.lines("POST", "/api/chat", {"model": "smollm2:135m", "messages": [{"role": "user", "content": "hi"}], "options": {"num_predict": 5}})
    assert [asked["max_tokens"] for asked in runners[0].server.asked] == [160, 5]


def test_openai_requests_reach_the_model_with_their_own_name(pulled):
    assert pulled.one("POST", "/v1/chat/completions", {"model": "smollm2:135m", "messages": []})["model"] == "smollm2:135m"
    assert [model["id"] for model in pulled.one("GET", "/v1/models")["data"]] == ["smollm2:135m"]


@pytest.fixture
def embedding(client):
    """A caller, and the body of a request about the model that only makes embeddings."""
    body = {"model": "smollm2-embed:135m"}
    client.lines("POST", "/api/pull", body)
    return client, body


def test_a_model_for_embeddings_refuses_what_it_is_not_able_to(embedding):
    client, body = embedding
    assert client.one("POST", "/api/show", body)["capabilities"] == ["embedding"]
    assert client.refused("POST", "/api/generate", body) == (400, {"error": '"smollm2-embed:135m" does not support generate'})
    assert client.refused("POST", "/api/chat", {**body, "messages": []}) == (400, {"error": '"smollm2-embed:135m" does not support chat'})
    assert client.one("GET", "/api/ps") == {"models": []}


def test_a_model_for_embeddings_is_loaded_by_an_embedding_and_unloaded_like_any_other(embedding):
    client, body = embedding
    assert client.one("POST", "/api/embed", {**body, "input": "x"})["embeddings"] == [[0.6, 0.8]]
    assert client.one("POST", "/api/embed", {**body, "input": ["x", "y"]})["embeddings"] == [[0.6, 0.8]] * 2
    assert client.one("POST", "/api/embed", body)["embeddings"] == []
    assert [model["name"] for model in client.one("GET", "/api/ps")["models"]] == ["smollm2-embed:135m"]
    assert client.one("POST", "/api/generate", {**body, "keep_alive": 0})["done_reason"] == "unload"
    assert client.one("GET", "/api/ps") == {"models": []}


def test_a_deleted_model_is_gone(pulled):
    assert pulled.lines("DELETE", "/api/delete", {"model": "smollm2:135m"}) == []
    assert pulled.one("GET", "/api/tags") == {"models": []}


def test_what_is_no_json_is_a_bad_request(client):
    with pytest.raises(urllib.error.HTTPError) as refusal:
        urllib.request.urlopen(f"{client.address}/api/show", b"{not json", timeout=60)
    assert refusal.value.code == 400


def test_an_unknown_path_is_not_found(client):
    assert client.refused("GET", "/api/nope") == (404, "404 page not found")
    assert client.refused("GET", "/api/chat") == (405, "405 method not allowed")


def test_what_was_asked_never_reaches_the_log(pulled, capsys):
    pulled.lines("POST", "/api/chat", {"model": "smollm2:135m", "messages": [{"role": "user", "content": "my secret question"}]})
    assert "secret" not in capsys.readouterr().err


def test_the_log_names_the_device_in_the_words_people_look_for(capsys):
    server.log_devices(Found(CARD, ""))
    said = capsys.readouterr().err
    assert 'msg="inference compute" id=GPU-11 library=CUDA compute=8.6' in said
    assert 'total="12.0 GiB"' in said


def test_the_log_says_why_there_is_no_gpu(capsys):
    server.log_devices(Found(None, "/dev/nvidia0: Permission denied"))
    said = capsys.readouterr().err
    assert 'msg="no usable GPU" reason="/dev/nvidia0: Permission denied"' in said
    assert "library=cpu" in said


@pytest.fixture
def shell(running, monkeypatch):
    monkeypatch.setenv("OLLAMA_HOST", f"127.0.0.1:{running.server_port}")
    return cli.main


def test_the_command_line_pulls_lists_and_removes(shell, capsys):
    assert shell(["pull", "smollm2:135m"]) == 0
    shell(["list"])
    assert "smollm2:135m" in capsys.readouterr().out
    assert shell(["rm", "smollm2:135m"]) == 0
    assert "deleted 'smollm2:135m'" in capsys.readouterr().out


def test_the_command_line_runs_a_model_and_shows_where_it_lies(shell, capsys):
    assert shell(["run", "smollm2:135m", "say", "hello"]) == 0
    assert capsys.readouterr().out == "Hello\n"
    shell(["ps"])
    assert "100% GPU" in capsys.readouterr().out
    shell(["stop", "smollm2:135m"])
    shell(["ps"])
    assert "smollm2" not in capsys.readouterr().out


def test_a_failed_command_says_why_and_fails(shell, capsys):
    assert shell(["pull", "nope"]) == 1
    assert "Error: pull model manifest: file does not exist" in capsys.readouterr().err
    assert shell(["dance"]) == 1
    assert 'unknown command "dance"' in capsys.readouterr().err


def test_without_a_server_the_command_line_says_how_to_start_one(monkeypatch, capsys):
    monkeypatch.setenv("OLLAMA_HOST", "127.0.0.1:9")
    assert cli.main(["list"]) == 1
    assert "run 'ollama serve' to start it" in capsys.readouterr().err


@pytest.mark.parametrize(("size", "vram", "words"), [(10, 10, "100% GPU"), (10, 0, "100% CPU"), (100, 75, "25%/75% CPU/GPU"), (0, 0, "Unknown")])
def test_where_a_model_lies_is_said_in_ollamas_words(size, vram, words):
    assert cli.processor(size, vram) == words
