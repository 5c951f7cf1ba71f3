# SPDX-License-Identifier: GPL-3.0-or-later
"""``psw model``."""

import re

import pytest


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
