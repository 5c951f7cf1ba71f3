# SPDX-License-Identifier: GPL-3.0-or-later
"""How far a long step is, for those who wait."""

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.psw.ai.plugins.module_utils import _progress
from ansible_collections.psw.ai.plugins.modules import ollama_model, quadlet_app


@pytest.fixture
def file(tmp_path, monkeypatch):
    path = tmp_path / "psw" / "progress"
    monkeypatch.setattr(_progress, "PATH", str(path))
    return path


def test_the_last_word_stands_until_the_work_is_over(file):
    with _progress.told() as tell:
        assert not file.exists()
        tell("m:1: 1 %")
        tell("m:1: 2 %")
        assert file.read_text() == "m:1: 2 %\n"
    assert list(file.parent.iterdir()) == []


def test_work_that_fails_takes_its_word_back_too(file):
    def work(tell):
        tell("m:1: 1 %")
        raise KeyError

    with pytest.raises(KeyError), _progress.told() as tell:
        work(tell)
    assert list(file.parent.iterdir()) == []


def test_the_word_of_one_that_was_killed_can_be_taken_back(file):
    _progress.forget()
    file.parent.mkdir()
    file.write_text("m:1: 43 %\n")
    _progress.forget()
    assert not file.exists()


TWICE = {"name": "one", "value": "x"}
REFUSED = [(ollama_model, {"models": ["m:1"], "url": "http://127.0.0.1:9"}), (quadlet_app, {"name": "app", "secrets": [TWICE, TWICE]})]


@pytest.mark.parametrize(("module", "args"), REFUSED, ids=["ollama_model", "quadlet_app"])
def test_a_module_that_may_tell_begins_with_no_word_also_where_it_has_none(module, args, file, capsys):
    file.parent.mkdir()
    file.write_text("m:1: 43 %\n")
    with patch_module_args(args), pytest.raises(SystemExit):
        module.main()
    assert not file.exists()


def test_work_goes_on_where_nothing_can_be_said(file):
    file.parent.write_text("a file in place of the folder")
    with _progress.told() as tell:
        tell("m:1: 1 %")


@pytest.mark.parametrize(
    ("done", "total", "said"),
    [(0, 5 << 30, "0 % of 5.0 GiB"), ((5 << 30) - 1, 5 << 30, "99 % of 5.0 GiB"), (7 << 20, 7 << 20, "100 % of 7 MiB"), (0, 0, "0 MiB")],
)
def test_a_share_is_told_in_whole_per_cent(done, total, said):
    assert _progress.share(done, total) == said
