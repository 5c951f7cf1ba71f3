# SPDX-License-Identifier: GPL-3.0-or-later
"""The wished models, in the user's own settings of the engine."""

import pytest
from ansible_collections.psw.ai.plugins.plugin_utils import _models
from ansible_collections.psw.ai.plugins.plugin_utils._errors import ProjectError, Refusal
from ansible_collections.psw.ai.plugins.plugin_utils._project import Project


@pytest.fixture
def own(project):
    """Write the settings of the engine, and return the file."""

    def write(text):
        file = project.path / _models.FILE
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        return file

    return write


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        "# mine\n{}\n",
        "---\n{}\n...\n",
        "{schema: 1}\n",
        "{ollama_context: 4096} # mine\n",
        "schema: 1\n",
        "ollama_models:\n",
        "ollama_context: 4096\nollama_models: ['llama3.2:3b'] # mine\n",
    ],
)
def test_whatever_the_file_looks_like_the_model_stands_in_it_and_nothing_else_is_lost(project, own, text):
    file = own(text)
    before = {name: value for name, value in project.overrides("ollama").items() if name != _models.KEY}

    assert _models.add(project, ["qwen3:8b"]) == ["qwen3:8b"]

    after = Project.open(project.path).overrides("ollama")
    assert after == {**before, _models.KEY: ["llama3.2:3b", "qwen3:8b"]}
    assert file.read_text(encoding="utf-8").count("# mine") == text.count("# mine")


def test_without_a_file_there_is_one_afterwards(project):
    _models.add(project, ["qwen3:8b"])

    assert (project.path / _models.FILE).read_text(encoding="utf-8") == "ollama_models:\n  - llama3.2:3b\n  - qwen3:8b\n"


def test_what_could_not_be_read_afterwards_is_not_written(project, own, monkeypatch):
    file = own("schema: 1\n")
    monkeypatch.setattr(_models._edit, "edited", lambda text, _change, _name: f"{text}ollama_models: [\n")

    with pytest.raises(ProjectError, match="this is not YAML"):
        _models.add(project, ["qwen3:8b"])
    assert file.read_text(encoding="utf-8") == "schema: 1\n"


def test_an_outcome_that_is_another_one_is_not_written(project, own, monkeypatch):
    file = own("schema: 1\n")
    monkeypatch.setattr(_models._edit, "edited", lambda _text, _change, _name: "ollama_models: [other]\n")

    with pytest.raises(ProjectError, match="psw cannot change ollama_models in services/ollama/defaults"):
        _models.add(project, ["qwen3:8b"])
    assert file.read_text(encoding="utf-8") == "schema: 1\n"


@pytest.mark.parametrize("name", ["tiny", "tiny:latest", "library/tiny", "registry.ollama.ai/library/tiny"])
def test_a_model_is_noted_by_its_full_name_and_found_by_any(project, own, name):
    own("ollama_models: [tiny, other]\n")

    assert _models.add(project, [name]) == []
    assert _models.remove(project, [name]) == ["tiny"]
    assert _models.add(Project.open(project.path), [name, "tiny"]) == ["tiny:latest"]


def test_a_check_writes_nothing(project, own):
    file = own("ollama_models: [tiny, other]\n")

    assert _models.add(project, ["third"], check=True) == ["third:latest"]
    assert _models.remove(project, ["tiny"], check=True) == ["tiny"]
    assert file.read_text(encoding="utf-8") == "ollama_models: [tiny, other]\n"
    with pytest.raises(Refusal, match="the last wished model"):
        _models.remove(project, ["tiny", "other"], check=True)
