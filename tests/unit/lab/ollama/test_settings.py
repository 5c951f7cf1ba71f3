# SPDX-License-Identifier: GPL-3.0-or-later
"""The environment means what it means to Ollama."""

from pathlib import Path

import pytest
from standin.names import Name
from standin.settings import Settings, address, boolean, duration


@pytest.mark.parametrize(
    ("value", "expected"),
    [("1", True), ("true", True), ("0", False), ("false", False), ("", False), ("off", True), ("no", True)],
)
def test_a_switch_that_is_no_go_boolean_is_on(value, expected):
    assert boolean(value) is expected


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("5m", 300), ("1h30m", 5400), ("500ms", 0.5), ("24h", 86400), (60, 60), ("0", 0), (0, 0), ("-1", float("inf")), (-1, float("inf")), ("-1m", float("inf"))],
)
def test_a_time_to_keep_a_model_is_seconds_or_a_go_duration(value, seconds):
    assert duration(value, 1) == seconds


@pytest.mark.parametrize("value", [None, "", "soon"])
def test_a_time_that_says_nothing_is_the_default(value):
    assert duration(value, 300) == 300


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("", ("127.0.0.1", 11434)),
        ("0.0.0.0", ("0.0.0.0", 11434)),
        ("0.0.0.0:11434", ("0.0.0.0", 11434)),
        (":8000", ("127.0.0.1", 8000)),
        ("http://ollama", ("ollama", 80)),
        ("https://ollama:8443/", ("ollama", 8443)),
    ],
)
def test_the_host_may_be_an_address_a_port_or_a_url(value, expected):
    assert address(value) == expected


def test_an_empty_environment_gives_ollamas_defaults():
    settings = Settings.read({"HOME": "/root"})
    assert settings == Settings(models=Path("/root/.ollama/models"))


def test_models_lie_where_the_environment_says():
    assert Settings.read({"OLLAMA_MODELS": "/models"}).models == Path("/models")


@pytest.mark.parametrize(
    ("text", "full"),
    [
        ("smollm2", "registry.ollama.ai/library/smollm2/latest"),
        ("smollm2:135m", "registry.ollama.ai/library/smollm2/135m"),
        ("someone/model:tag", "registry.ollama.ai/someone/model/tag"),
        ("hf.co/someone/model:Q4", "hf.co/someone/model/Q4"),
    ],
)
def test_a_short_model_name_stands_for_a_full_one(text, full):
    assert str(Name.parse(text).path) == full


@pytest.mark.parametrize("text", ["", "a/b/c/d", "/model"])
def test_a_name_that_cannot_be_is_refused(text):
    with pytest.raises(ValueError, match="invalid model name"):
        Name.parse(text)
