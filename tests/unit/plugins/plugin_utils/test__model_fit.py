# SPDX-License-Identifier: GPL-3.0-or-later
"""Which models fit into the memory of GPUs."""

import pytest
from ansible_collections.psw.ai.plugins.plugin_utils import _model_fit
from ansible_collections.psw.ai.plugins.plugin_utils._errors import ProjectError
from ansible_collections.psw.ai.plugins.plugin_utils._model_fit import Context, context_of, fits, known_models, kv_cache_for
from ansible_collections.psw.ai.plugins.plugin_utils._models import full_name

QWEN = {"summary": "", "download_mib": 4983, "layers": 36, "kv_heads": 8, "head_dim": 128}
GEMMA = {"summary": "", "download_mib": 7782, "layers": 48, "windowed_layers": 40, "window": 1024, "kv_heads": 8, "head_dim": 256}
DEFAULT = Context(8192, 2)
F16 = Context(8192, 2, "f16")


@pytest.mark.parametrize(("kv_cache", "mib"), [("f16", 2304), ("q8_0", 1224), ("q4_0", 648)])
def test_each_token_of_each_request_takes_a_key_and_a_value_in_each_layer(kv_cache, mib):
    assert DEFAULT.kv_mib(QWEN, kv_cache) == mib  # 2 x 8 x 128 numbers x 36 layers x 16384 tokens


def test_layers_with_a_window_keep_the_last_tokens_only():
    assert DEFAULT.kv_mib(GEMMA, "f16") == 1024 + 960  # 8 layers x 16384 tokens, 40 layers x 2 x (1024 + 512)
    assert Context(1000, 1).kv_mib(GEMMA, "f16") == 375  # a shorter context fits into the window


def test_a_model_that_just_fits_does_and_one_mib_less_is_too_little():
    needs = 4983 + 2304 + 1024

    assert fits({"q": QWEN}, F16, needs, 1)[0].fits
    assert not fits({"q": QWEN}, F16, needs - 1, 1)[0].fits
    assert fits({"q": QWEN}, DEFAULT, needs - 1, 1)[0].kept_as == "q8_0"  # where nothing is set


def test_every_card_takes_room_for_the_engine():
    assert fits({"q": QWEN}, DEFAULT, 16384, 2)[0].overhead_mib == 2048


def test_the_best_way_to_keep_the_context_is_told_where_the_set_one_takes_too_much():
    assert [fits({"q": QWEN}, F16, mib, 1)[0].kv_cache for mib in (8311, 8192, 7000, 6000)] == ["f16", "q8_0", "q4_0", None]
    assert fits({"q": QWEN}, Context(8192, 2, flash_attention=False), 8192, 1)[0].kv_cache is None  # without flash attention there is but one


def test_without_flash_attention_the_engine_keeps_the_context_whole_whatever_it_is_told():
    fit = fits({"q": QWEN}, Context(8192, 2, "q4_0", flash_attention=False), 8192, 1)[0]

    assert (fit.kept_as, fit.kv_mib, fit.fits) == ("f16", 2304, False)


@pytest.mark.parametrize(
    ("names", "mib", "kind"),
    [
        (["q"], 8311, "f16"),
        (["q"], 8310, "q8_0"),
        (["small", "q"], 8310, "q8_0"),  # the engine has one kind for all
        (["small", "g"], 8310, "f16"),  # what fits in no way does not make the others worse
        (["q"], 0, "f16"),  # nothing is known of the GPU
        ([], 8310, "f16"),
    ],
)
def test_the_engine_keeps_context_the_best_way_that_all_of_its_models_fit_with(names, mib, kind):
    models = {"q": QWEN, "g": GEMMA, "small": {**QWEN, "download_mib": 1000}}

    assert kv_cache_for({name: models[name] for name in names}, DEFAULT, mib, 1) == kind


def test_what_fits_comes_first_and_the_largest_of_it_before_all():
    assert [fit.name for fit in fits(known_models(), F16, 8192, 1)] == ["llama3.2:3b", "smollm2:135m", "qwen3:8b", "gemma3:12b"]


def test_the_settings_are_the_users_and_else_the_roles():
    assert context_of({}) == DEFAULT
    assert context_of({"ollama_context": 4096, "ollama_kv_cache": "q8_0"}) == Context(4096, 2, "q8_0")


@pytest.mark.parametrize("wrong", [{"ollama_context": "{{ many }}"}, {"ollama_parallel": True}, {"ollama_flash_attention": 1}, {"ollama_kv_cache": "f32"}])
def test_a_setting_that_cannot_be_reckoned_with_is_named(wrong):
    with pytest.raises(ProjectError, match=next(iter(wrong))):
        context_of(wrong)


def test_the_catalogue_knows_each_model_by_its_full_name():
    assert [name for name in known_models() if full_name(name) != name] == []


def test_windows_of_the_catalogue_are_whole():
    for model in _model_fit.known_models().values():
        assert ("window" in model) == ("windowed_layers" in model)
        assert model.get("windowed_layers", 0) < model["layers"]
