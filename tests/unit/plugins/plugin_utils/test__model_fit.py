# SPDX-License-Identifier: GPL-3.0-or-later
"""Which models fit into the memory of GPUs."""

import pytest
from ansible_collections.psw.ai.plugins.plugin_utils import _model_fit
from ansible_collections.psw.ai.plugins.plugin_utils._errors import ProjectError
from ansible_collections.psw.ai.plugins.plugin_utils._model_fit import Context, context_of, fits, known_models

QWEN = {"summary": "", "download_mib": 4983, "layers": 36, "kv_heads": 8, "head_dim": 128}
GEMMA = {"summary": "", "download_mib": 7782, "layers": 48, "windowed_layers": 40, "window": 1024, "kv_heads": 8, "head_dim": 256}
DEFAULT = Context(8192, 2, "f16")


@pytest.mark.parametrize(("kv_cache", "mib"), [("f16", 2304), ("q8_0", 1224), ("q4_0", 648)])
def test_each_token_of_each_request_takes_a_key_and_a_value_in_each_layer(kv_cache, mib):
    assert Context(8192, 2, kv_cache).kv_mib(QWEN) == mib  # 2 x 8 x 128 numbers x 36 layers x 16384 tokens


def test_layers_with_a_window_keep_the_last_tokens_only():
    assert DEFAULT.kv_mib(GEMMA) == 1024 + 960  # 8 layers x 16384 tokens, 40 layers x 2 x (1024 + 512)
    assert Context(1000, 1, "f16").kv_mib(GEMMA) == 375  # a shorter context fits into the window


def test_a_model_that_just_fits_does_and_one_mib_less_is_too_little():
    needs = 4983 + 2304 + 1024

    assert fits({"q": QWEN}, DEFAULT, needs, 1)[0].fits
    assert not fits({"q": QWEN}, DEFAULT, needs - 1, 1)[0].fits


def test_every_card_takes_room_for_the_engine():
    assert fits({"q": QWEN}, DEFAULT, 16384, 2)[0].overhead_mib == 2048


def test_the_best_way_to_keep_the_context_is_told_where_the_set_one_takes_too_much():
    assert [fits({"q": QWEN}, DEFAULT, mib, 1)[0].kv_cache for mib in (8311, 8192, 7000, 6000)] == ["f16", "q8_0", "q4_0", None]
    assert fits({"q": QWEN}, Context(8192, 2, "f16", flash_attention=False), 8192, 1)[0].kv_cache is None  # without flash attention there is but one


def test_what_fits_comes_first_and_the_largest_of_it_before_all():
    assert [fit.name for fit in fits(known_models(), DEFAULT, 8192, 1)] == ["llama3.2:3b", "smollm2:135m", "qwen3:8b", "gemma3:12b"]


def test_the_settings_are_the_users_and_else_the_roles():
    assert context_of({}) == DEFAULT
    assert context_of({"ollama_context": 4096, "ollama_kv_cache": "q8_0"}) == Context(4096, 2, "q8_0")


@pytest.mark.parametrize("wrong", [{"ollama_context": "{{ many }}"}, {"ollama_parallel": True}, {"ollama_flash_attention": 1}, {"ollama_kv_cache": "f32"}])
def test_a_setting_that_cannot_be_reckoned_with_is_named(wrong):
    with pytest.raises(ProjectError, match=next(iter(wrong))):
        context_of(wrong)


def test_windows_of_the_catalogue_are_whole():
    for model in _model_fit.known_models().values():
        assert ("window" in model) == ("windowed_layers" in model)
        assert model.get("windowed_layers", 0) < model["layers"]
