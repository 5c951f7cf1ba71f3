# SPDX-License-Identifier: GPL-3.0-or-later
"""Functions that wait for programs, called at the same time."""

import threading

import pytest
from ansible_collections.psw.ai.plugins.module_utils._errors import PswModuleError
from ansible_collections.psw.ai.plugins.module_utils._programs import both


def test_both_run_at_the_same_time_and_answer_in_their_order():
    meeting = threading.Barrier(2, timeout=60)  # breaks unless the two meet

    assert both(lambda: (meeting.wait(), "first")[1], lambda: (meeting.wait(), "second")[1]) == ("first", "second")


@pytest.mark.parametrize("fails", [0, 1])
def test_an_error_of_either_comes_once_both_have_ended(fails):
    ended = []

    def call(number):
        ended.append(number)
        if number == fails:
            raise PswModuleError("no such container")

    with pytest.raises(PswModuleError, match="no such container"):
        both(lambda: call(0), lambda: call(1))
    assert sorted(ended) == [0, 1]
