"""Labs beside each other."""

import subprocess

import pytest

from lab import state
from lab.host import LabError


@pytest.fixture(autouse=True)
def scratch(tmp_path, monkeypatch):
    monkeypatch.setattr(state, "STATE", tmp_path / "state")
    monkeypatch.setattr(state, "RUN", tmp_path / "run")
    monkeypatch.setattr(state, "run", lambda *_: subprocess.CompletedProcess([], 0, "7: pswlab2: <BROADCAST>\n", ""))


def test_labs_get_subnets_of_their_own():
    assert state.choose("one", "rtx_3060").subnet == 1
    assert state.choose("two", "rtx_3060").subnet == 3, "a bridge of that number is there already"
    assert state.choose("one", "rtx_3060").subnet == 1


def test_a_lab_keeps_its_machine():
    state.choose("one", "rtx_3060")
    with pytest.raises(LabError, match=r"lab 'one' runs machine 'rtx_3060'; take it down first to start 'rx_580'"):
        state.choose("one", "rx_580")


@pytest.mark.parametrize("name", ["", "Lab", "1st", "a b", "../etc"])
def test_a_name_that_could_be_a_path_is_refused(name):
    with pytest.raises(LabError, match="a lab's name is"):
        state.choose(name, "rtx_3060")


def test_a_lab_that_is_not_there_is_named_with_the_way_to_make_it():
    with pytest.raises(LabError, match=r"`python -m lab up --name gone` makes it"):
        state.need("gone")
