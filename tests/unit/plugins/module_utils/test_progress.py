# SPDX-License-Identifier: GPL-3.0-or-later
"""How far a long step is, for those who wait."""

import pytest
from ansible_collections.psw.ai.plugins.module_utils import _progress


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
