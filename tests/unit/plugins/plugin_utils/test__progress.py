# SPDX-License-Identifier: GPL-3.0-or-later
"""What a module says of its progress is shown while it works."""

import threading

import pytest
from ansible.errors import AnsibleConnectionFailure
from ansible_collections.psw.ai.plugins.plugin_utils import _progress


class Connection:
    """Says one thing after the other, and then that it has been asked for all of them."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.asked = threading.Event()

    def exec_command(self, command, sudoable):
        assert (command, sudoable) == ("cat /run/psw/progress", False)
        answer = self.answers.pop(0)
        if not self.answers:
            self.asked.set()
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
def shown(monkeypatch):
    lines = []
    monkeypatch.setattr(_progress.Display, "display", lambda _self, text: lines.append(text))
    return lines


def follow(connection):
    with _progress.followed(connection, "psw-ai"):
        assert connection.asked.wait(20)


def test_each_new_word_is_a_line(shown, monkeypatch):
    monkeypatch.setattr(_progress, "EVERY", 0.01)
    half = (0, b"m:1: 50 % of 4.0 GiB\n", b"")
    follow(Connection((1, b"", b"cat: no such file"), half, half, (0, b"m:1: 51 % of 4.0 GiB\n", b""), AnsibleConnectionFailure("gone")))
    assert shown == ["[psw-ai] m:1: 50 % of 4.0 GiB", "[psw-ai] m:1: 51 % of 4.0 GiB"]


def test_a_module_that_goes_on_without_a_word_has_ended_what_it_told_of(shown, monkeypatch):
    monkeypatch.setattr(_progress, "EVERY", 0.01)
    nothing, half = (1, b"", b"cat: no such file"), (0, b"m:1: 50 % of 4.0 GiB\n", b"")
    follow(Connection(nothing, half, nothing, nothing, half, AnsibleConnectionFailure("gone")))
    assert shown == ["[psw-ai] m:1: 50 % of 4.0 GiB", "[psw-ai] m:1: ended", "[psw-ai] m:1: 50 % of 4.0 GiB"]


def test_a_module_that_is_done_soon_is_not_asked(shown):
    connection = Connection()
    with _progress.followed(connection, "psw-ai"):
        pass
    assert (shown, connection.asked.is_set()) == ([], False)
