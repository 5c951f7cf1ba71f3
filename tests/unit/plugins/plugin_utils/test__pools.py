# SPDX-License-Identifier: GPL-3.0-or-later
"""Which pool a plan says a new dataset would go to, and why."""

import pytest
from ansible_collections.psw.ai.plugins.module_utils import _zpool
from ansible_collections.psw.ai.plugins.plugin_utils._pools import choice

AUTO = {"pool": "auto", "quota": "100G"}


def pool(name, link=64.0, free=900, reason="ok"):
    return {"name": name, "suitable": reason == "ok", "reason": reason, "link": link if reason == "ok" else None, "free_gib": free}


def chosen(*pools, **dataset):
    return choice({"host": {"pools": list(pools)}}, {**AUTO, **dataset})


@pytest.mark.parametrize(
    ("pools", "expected"),
    [
        ([pool("a"), pool("b", reason="lies on sda (spinning)")], ("a", "the only one of local NVMe with room")),
        ([pool("a"), pool("b", link=31.5)], ("a", "the fastest link, 64.0 GT/s before 31.5 of b")),
        ([pool("a"), pool("rpool", free=2000)], ("a", "as fast as rpool, which holds the system")),
        ([pool("b"), pool("a", free=500)], ("b", "as fast as a, and more free, 900 GiB before 500")),
        ([pool("a"), pool("b")], ("a", "like b, and the first by name")),
        ([pool("a", free=99), pool("b", link=31.5, free=100)], ("b", "the only one of local NVMe with room")),
        ([pool("a", free=99), pool("b", reason="is DEGRADED")], (None, "none fits: a has 99 GiB free; b is DEGRADED")),
        ([], (None, "none fits: there is none")),
    ],
)
def test_the_reason_is_the_first_rule_by_which_the_best_goes_before_the_second(pools, expected):
    assert chosen(*pools) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a", ("a", "named in psw.yml")),
        ("b", ("b", "named in psw.yml, although it is DEGRADED")),
        ("c", (None, "named in psw.yml, but recorded are a, b")),
    ],
)
def test_a_named_pool_is_taken_by_its_name(name, expected):
    assert chosen(pool("a"), pool("b", reason="is DEGRADED"), pool=name) == expected


def test_nothing_is_said_of_pools_that_nobody_recorded_or_asked_for():
    assert choice({}, AUTO) is None
    assert chosen(pool("a"), storage="local-lvm") is None


@pytest.mark.parametrize("quota", ["100G", "1T", "512M"])
def test_the_plan_foretells_what_the_module_does(quota):
    """The module that makes the dataset and the one that records pools order them by the same rules; this holds the plan to both."""
    nvme = {"name": "nvme0n1", "kind": "nvme"}
    seen = [
        {"name": name, "state": "ONLINE", "free": free * _zpool.GIB, "disks": [{**nvme, "speed": speed}]}
        for name, free, speed in (("rpool", 2000, 64.0), ("slow", 4000, 31.5), ("small", 200, 64.0), ("fast", 800, 64.0))
    ]
    recorded = choice({"host": {"pools": _zpool.facts(seen)}}, {"pool": "auto", "quota": quota})
    assert recorded.pool == _zpool.choose(seen, "auto", _zpool.parse_size(quota))["name"]
