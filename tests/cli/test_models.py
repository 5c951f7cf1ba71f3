# SPDX-License-Identifier: GPL-3.0-or-later
"""``psw model``, with this machine as target and a server that plays the engine."""

import http.server
import json
import re
import threading

import pytest

GIB = 1 << 30
TARGETS = "schema: 1\ntargets:\n  psw-ai: {vmid: 100, address: 192.0.2.20}\n"


class Engine(http.server.BaseHTTPRequestHandler):
    """Has the models of the server's ``models``; what it can get is in ``library``."""

    def log_message(self, *_args):
        pass

    def answer(self, *lines, status=200):
        data = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def asked(self):
        return json.loads(self.rfile.read(int(self.headers["Content-Length"])))["model"]

    def do_GET(self):
        listed = self.server.models.values() if self.path == "/api/tags" else self.server.loaded
        self.answer({"models": list(listed)})

    def do_POST(self):
        name = self.asked()
        self.server.pulled.append(name)
        if name not in self.server.library:
            self.answer({"error": "pull model manifest: file does not exist"}, status=500)
            return
        self.server.models[name] = {"name": name, "digest": "ab" * 32, "size": 2 * GIB}
        self.answer({"status": "pulling ab", "digest": "sha256:ab", "total": 5, "completed": 0}, {"status": "success"})

    def do_DELETE(self):
        del self.server.models[self.asked()]
        self.answer({})


@pytest.fixture
def engine(psw, project, own, tmp_path, on_this_machine):
    """A deployed project, and the engine on its target."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Engine)
    server.models = {"llama3.2:3b": {"name": "llama3.2:3b", "digest": "cd" * 32, "size": GIB}}
    server.loaded, server.pulled, server.library = [], [], {"qwen3:8b", "tiny:latest"}
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    psw("plan", "--write")
    (project / ".psw").mkdir(exist_ok=True)
    (project / ".psw/targets.yml").write_text(TARGETS)
    on_this_machine("psw-ai")
    own(f"ollama_port: {server.server_port} # here\nollama_directory: {tmp_path}\n")
    yield server
    server.shutdown()
    server.server_close()


def test_the_engines_models_are_listed_with_what_is_wished_and_where_they_lie(psw, psw_json, engine, own, project):
    engine.models["old:1"] = {"name": "old:1", "digest": "ef" * 32, "size": 3 * GIB}
    engine.loaded = [{"name": "llama3.2:3b", "size": 2 * GIB, "size_vram": GIB}]
    own((project / "services/ollama/defaults.yml").read_text() + "ollama_models: [llama3.2:3b, tiny]\n")

    answer = psw("model", "list")

    assert [re.split(r"\s{2,}", line.strip()) for line in answer.stdout.splitlines()] == [
        ["MODEL", "MIB", "DIGEST", "WISHED", "LOADED", "LOADED MIB"],
        ["llama3.2:3b", "1024", "cdcdcdcdcdcd", "yes", "split", "2048"],
        ["old:1", "3072", "efefefefefef", "no", "no", "-"],
        ["tiny:latest", "-", "not there", "yes", "no", "-"],
    ]
    code, told = psw_json("model", "list")
    assert (code, [(each["name"], each["wished"], each["there"]) for each in told["models"]]) == (
        0,
        [("llama3.2:3b", True, True), ("old:1", False, True), ("tiny:latest", True, False)],
    )


def test_a_pulled_model_is_there_and_stays_wished_and_again_nothing_changes(psw, psw_json, engine, project):
    settings = project / "services/ollama/defaults.yml"

    answer = psw("model", "pull", "qwen3:8b", "tiny")

    assert answer.exit_code == 0, answer.stderr
    assert answer.stdout == ("qwen3:8b is there (2048 MiB)\ntiny is there (2048 MiB)\nadded to services/ollama/defaults.yml: qwen3:8b, tiny:latest\n")
    assert set(engine.models) == {"llama3.2:3b", "qwen3:8b", "tiny:latest"}
    text = settings.read_text()
    assert text.endswith("ollama_models:\n  - llama3.2:3b\n  - qwen3:8b\n  - tiny:latest\n")
    assert " # here\n" in text
    code, told = psw_json("model", "pull", "tiny:latest")
    assert (code, told["changed"], told["added"]) == (0, False, [])
    assert settings.read_text() == text
    assert engine.pulled == ["qwen3:8b", "tiny:latest"]


def test_a_project_holds_a_model_to_the_digest_that_it_has(psw, psw_json, engine, own, project):
    assert {each["name"]: each["digest"] for each in psw_json("model", "list")[1]["models"]} == {"llama3.2:3b": "cd" * 32}
    settings = (project / "services/ollama/defaults.yml").read_text()

    own(f"{settings}ollama_digests: {{'qwen3:8b': {'cd' * 32}}}\n")
    answer = psw("model", "pull", "qwen3:8b")
    assert answer.exit_code == 1
    assert f"qwen3:8b has the digest {'ab' * 32}, but {'cd' * 32} is pinned" in answer.stderr
    assert (engine.pulled, set(engine.models)) == (["qwen3:8b"], {"llama3.2:3b"})  # it came and did not stay

    own(f"{settings}ollama_digests: {{'qwen3:8b': {'ab' * 32}}}\n")
    assert psw("model", "pull", "qwen3:8b").exit_code == 0


@pytest.mark.parametrize(
    ("name", "text"), [("gpt-oss:120b-cloud", "gpt-oss:120b-cloud runs in a cloud"), ("nope:1", "pull model manifest: file does not exist")]
)
def test_a_model_that_does_not_come_is_not_wished_either(psw, engine, project, name, text):
    before = (project / "services/ollama/defaults.yml").read_text()

    answer = psw("model", "pull", name)

    assert (answer.exit_code, text in answer.stderr) == (1, True), answer.stderr
    assert (project / "services/ollama/defaults.yml").read_text() == before
    assert set(engine.models) == {"llama3.2:3b"}


def test_a_removed_model_is_gone_and_no_longer_wished(psw, engine, project):
    psw("model", "pull", "qwen3:8b")

    answer = psw("model", "remove", "llama3.2:3b")

    assert (answer.exit_code, answer.stdout) == (0, "removed llama3.2:3b\n")
    assert set(engine.models) == {"qwen3:8b"}
    assert (project / "services/ollama/defaults.yml").read_text().endswith("ollama_models:\n  - qwen3:8b\n")
    assert psw("model", "remove", "llama3.2:3b").stdout == "nothing to remove: the engine has no llama3.2:3b\n"


def test_a_check_says_what_would_come_and_gets_nothing(psw, psw_json, engine, project):
    before = (project / "services/ollama/defaults.yml").read_text()

    answer = psw("model", "pull", "qwen3:8b", "llama3.2:3b", "--", "--check")

    assert answer.exit_code == 0, answer.stderr
    assert answer.stdout == "qwen3:8b would come\nllama3.2:3b is there (1024 MiB)\nwould be added to services/ollama/defaults.yml: qwen3:8b\n"
    code, told = psw_json("model", "pull", "qwen3:8b", "--", "-C")
    assert (code, told["check"], told["added"], bool(told["changed"])) == (0, True, ["qwen3:8b"], True)
    assert (engine.pulled, (project / "services/ollama/defaults.yml").read_text()) == ([], before)


def test_a_check_says_what_would_go_and_removes_nothing(psw, psw_json, engine, project):
    psw("model", "pull", "qwen3:8b")
    before = (project / "services/ollama/defaults.yml").read_text()

    answer = psw("model", "remove", "qwen3:8b", "--", "--check")

    assert (answer.exit_code, answer.stdout) == (0, "would remove qwen3:8b\n"), answer.stderr
    assert psw_json("model", "remove", "qwen3:8b", "--", "--check")[1]["removed"] == ["qwen3:8b"]
    assert "qwen3:8b" in engine.models
    assert (project / "services/ollama/defaults.yml").read_text() == before


@pytest.mark.parametrize("verb", [("list",), ("pull", "qwen3:8b"), ("remove", "old:1")])
@pytest.mark.parametrize("leaves_out", [("--tags", "verify"), ("--skip-tags", "models"), ("--limit", "psw-core")])
def test_a_run_that_was_kept_from_its_work_is_no_success_and_nothing_is_noted(psw, engine, project, verb, leaves_out):
    settings = project / "services/ollama/defaults.yml"
    settings.write_text(settings.read_text() + "ollama_models: [llama3.2:3b, old:1]\n")
    before = settings.read_text()

    answer = psw("model", *verb, "--", *leaves_out)

    assert (answer.exit_code, answer.stdout) == (1, "")
    assert settings.read_text() == before
    assert (engine.pulled, set(engine.models)) == ([], {"llama3.2:3b"})


def test_a_model_that_did_not_come_or_go_is_named_and_not_noted(psw, engine, project, own, documented):
    own((project / "services/ollama/defaults.yml").read_text() + "ollama_models: [llama3.2:3b, old:1]\n")
    engine.models["old:1"] = {"name": "old:1", "digest": "ef" * 32, "size": GIB}
    before = (project / "services/ollama/defaults.yml").read_text()
    only_look = ("--", "--start-at-task", "Look at what is there")

    pulled, removed = psw("model", "pull", "tiny", *only_look), psw("model", "remove", "old:1", *only_look)

    assert (pulled.exit_code, removed.exit_code) == (1, 1)
    assert documented(pulled.stderr[pulled.stderr.index("error:") :])
    assert "error: old:1 did not go, and services/ollama/defaults.yml stays as it was" in removed.stderr
    assert (project / "services/ollama/defaults.yml").read_text() == before


def test_a_name_that_means_the_same_is_the_same_model(psw, engine, project):
    settings = project / "services/ollama/defaults.yml"
    psw("model", "pull", "registry.ollama.ai/library/tiny")
    assert settings.read_text().endswith("ollama_models:\n  - llama3.2:3b\n  - tiny:latest\n")

    assert psw("model", "remove", "library/tiny").exit_code == 0

    assert settings.read_text().endswith("ollama_models:\n  - llama3.2:3b\n")
    assert set(engine.models) == {"llama3.2:3b"}


def test_the_model_that_proves_the_gpu_stays(psw, psw_json, engine, documented):
    assert documented(psw("model", "remove", "llama3.2:3b").stderr)

    code, told = psw_json("model", "remove", "llama3.2:3b")

    assert (code, told["refusal"]["code"]) == (3, "last_model")
    assert set(engine.models) == {"llama3.2:3b"}


@pytest.mark.parametrize("args", [("list",), ("pull", "qwen3:8b"), ("remove", "qwen3:8b")])
def test_an_engine_that_is_not_deployed_yet_is_told_with_the_next_step(psw, project, args):
    answer = psw("model", *args)

    assert (answer.exit_code, answer.stdout) == (3, "")
    assert answer.stderr == ("refused: Ollama, which runs models, is not deployed yet\n  deploy it with: psw app add ollama, then psw deploy converge\n")


def test_an_engine_that_does_not_answer_is_named(psw, engine):
    engine.shutdown()
    engine.server_close()

    answer = psw("model", "list")

    assert answer.exit_code == 1
    assert f"Ollama does not answer at http://127.0.0.1:{engine.server_port}" in answer.stderr


@pytest.mark.parametrize("models", ["'{{ many }}'", "['{{ one }}']", "5"])
def test_models_that_only_ansible_could_work_out_are_changed_by_hand(psw, engine, project, own, models):
    own((project / "services/ollama/defaults.yml").read_text() + f"ollama_models: {models}\n")

    answer = psw("model", "pull", "qwen3:8b")

    assert answer.exit_code == 2
    assert "services/ollama/defaults.yml: ollama_models has to be a list of names for psw to read and change it" in answer.stderr
    assert engine.pulled == []


def test_models_are_recommended_by_the_recorded_memory_with_the_sum_shown(psw, psw_json, project):
    answer = psw("model", "recommend")

    lines = answer.stdout.splitlines()
    assert lines[0] == "psw-ai: 12288 MiB on GeForce RTX 3060; context of 8192 tokens x 2"
    assert [re.split(r"\s{2,}", line) for line in lines[2:5]] == [
        ["MODEL", "WEIGHTS", "+ CONTEXT", "KEPT AS", "+ ENGINE", "= MIB", "FITS", "WHAT IT IS"],
        ["gemma3:12b", "7782", "1984", "f16", "1024", "10790", "yes", "reads pictures as well"],
        ["qwen3:8b", "4983", "2304", "f16", "1024", "8311", "yes", "good at tools and many languages"],
    ]
    code, told = psw_json("model", "recommend")
    assert (code, told["target"], told["vram_mib"], told["models"][0]["needs_mib"]) == (0, "psw-ai", 12288, 10790)


def cells(text, name):
    """Return the cells of a model's line."""
    return next(re.split(r"\s{2,}", line) for line in text.splitlines() if line.startswith(name))


@pytest.fixture
def own(project):
    """Write the user's settings of the engine."""

    def write(text):
        (project / "services/ollama").mkdir(parents=True, exist_ok=True)
        (project / "services/ollama/defaults.yml").write_text(text)

    return write


def test_a_model_that_does_not_fit_says_what_is_missing_and_what_would_help(psw, edit, own):
    edit("nodes/pve1/gpu.yml", "vram_mib: 12288, usable_mib: 12288", "vram_mib: 8192, usable_mib: 8192")
    own("ollama_kv_cache: f16\n")

    text = psw("model", "recommend").stdout

    assert cells(text, "qwen3:8b")[6] == "no, 119 MiB short; yes with ollama_kv_cache: q8_0"
    assert cells(text, "gemma3:12b")[6] == "no, 2598 MiB short"


def test_the_context_is_kept_the_best_way_that_fits_where_nothing_is_set(psw, edit):
    edit("nodes/pve1/gpu.yml", "vram_mib: 12288, usable_mib: 12288", "vram_mib: 8192, usable_mib: 8192")

    assert cells(psw("model", "recommend").stdout, "qwen3:8b")[2:7] == ["1224", "q8_0", "1024", "7231", "yes"]


def test_the_users_own_settings_are_reckoned_with(psw, project, own):
    own("ollama_context: 32768\nollama_kv_cache: q8_0\n")

    text = psw("model", "recommend").stdout

    assert text.splitlines()[0].endswith("; context of 32768 tokens x 2")
    assert cells(text, "smollm2:135m")[3] == "q8_0"


def test_without_a_recorded_gpu_or_the_engine_the_next_step_is_told(psw, project, edit):
    (project / "nodes/pve1/gpu.yml").unlink()
    answer = psw("model", "recommend")
    assert (answer.exit_code, "run: psw node setup-gpu pve1" in answer.stderr) == (3, True)

    edit("psw.yml", "apps: [ollama, openwebui]", "apps: []")
    answer = psw("model", "recommend")
    assert (answer.exit_code, "add it with: psw app add ollama" in answer.stderr) == (3, True)
