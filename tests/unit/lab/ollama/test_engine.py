# SPDX-License-Identifier: GPL-3.0-or-later
"""Models come when they are asked for, stay for a while, and go."""

from dataclasses import replace

import pytest
from standin.engine import Engine, LoadError
from standin.gpu import Device, Found
from standin.names import Name
from standin.settings import Settings
from standin.store import pull


@pytest.fixture
def model(store, library):
    name = Name.parse("smollm2:135m")
    list(pull(store, library, name))
    return store.read(name)


@pytest.fixture
def engine(runners):
    return Engine(Settings(keep_alive=300), lambda: Found(None, "no GPU"), runners.start)


def test_a_second_request_uses_the_model_that_is_loaded(engine, model, runners):
    for _ in range(2):
        engine.release(engine.acquire(model))
    assert len(runners) == 1


def test_a_model_goes_when_its_time_is_over(engine, model, runners):
    loaded = engine.acquire(model)
    engine.release(loaded)
    assert len(engine.list()) == 1
    loaded.used -= 301
    assert engine.list() == []
    assert runners[0].over


def test_a_model_that_answers_is_not_stopped(engine, model):
    loaded = engine.acquire(model)
    loaded.used -= 301
    engine.expire()
    assert len(engine.list()) == 1


def test_a_model_may_stay_for_ever(engine, model):
    loaded = engine.acquire(model, keep_alive=float("inf"))
    engine.release(loaded)
    loaded.used = 0
    assert len(engine.list()) == 1


def test_a_model_that_nobody_wants_kept_goes_with_its_answer(engine, model, runners):
    engine.release(engine.acquire(model, keep_alive=0))
    assert runners[0].over


def test_a_process_that_died_is_replaced(engine, model, runners):
    engine.release(engine.acquire(model))
    runners[0].terminate()
    engine.release(engine.acquire(model))
    assert len(runners) == 2


@pytest.mark.parametrize(("asked", "configured", "given"), [(0, 0, 4096), (0, 2048, 2048), (1024, 2048, 1024), (0, 131072, 8192)])
def test_the_context_is_what_was_asked_for_as_far_as_the_model_goes(model, runners, asked, configured, given):
    engine = Engine(Settings(context_length=configured), lambda: Found(None, ""), runners.start)
    assert engine.acquire(model, context=asked).context == given


def test_a_process_that_does_not_come_up_is_an_error(model, runners):
    def fail(*arguments):
        process = runners.start(*arguments)
        process.terminate()
        return process

    engine = Engine(Settings(), lambda: Found(None, ""), fail)
    with pytest.raises(LoadError, match="llama runner process has terminated"):
        engine.acquire(model)


def test_everything_goes_when_the_server_stops(engine, model, runners):
    engine.acquire(model)
    engine.expire(everything=True)
    assert runners[0].over


CARD = Device("CUDA", "GPU-11", "NVIDIA GeForce RTX 3060", "8.6", "580.159.04", "0000:01:00.0", 12288 << 20)


@pytest.mark.parametrize(("found", "says"), [(Found(CARD, ""), True), (Found(None, "no GPU"), False)])
def test_the_process_says_what_it_holds_of_which_gpu(model, runners, found, says):
    loaded = Engine(Settings(), lambda: found, runners.start).acquire(model)
    assert runners[0].held == ({"gpu": "0000:01:00.0", "vram": loaded.size_vram} if says else {})
    assert (loaded.size_vram > 0) == says


def test_a_process_that_nobody_is_to_see_says_nothing_while_the_engine_counts_it_all_the_same(model, runners):
    loaded = Engine(Settings(), lambda: Found(replace(CARD, seen=False), ""), runners.start).acquire(model)
    assert (loaded.size_vram, runners[0].held) == (loaded.size, {})
