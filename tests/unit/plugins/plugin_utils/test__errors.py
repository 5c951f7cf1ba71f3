# SPDX-License-Identifier: GPL-3.0-or-later
import pickle

from ansible_collections.psw.ai.plugins.plugin_utils._errors import PswError, Refusal


def test_an_error_is_one_message_with_what_to_do_at_its_end():
    assert str(PswError("no psw.yml here", "make one with: psw init")) == "no psw.yml here; make one with: psw init"


def test_an_error_without_a_hint_is_its_message():
    assert str(PswError("the disk is full")) == "the disk is full"


def test_a_refusal_tells_programs_its_code():
    assert Refusal("no_node", "nowhere to run", "add one").as_dict() == {"code": "no_node", "message": "nowhere to run", "hint": "add one"}


def test_a_refusal_survives_the_way_between_processes():
    copy = pickle.loads(pickle.dumps(Refusal("no_node", "nowhere to run", "add one")))
    assert (copy.code, str(copy)) == ("no_node", "nowhere to run; add one")
