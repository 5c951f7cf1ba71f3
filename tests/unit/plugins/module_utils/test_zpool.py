# SPDX-License-Identifier: GPL-3.0-or-later
"""Pool choice on recorded machines: a folder each, named after what it shows."""

import json
import re
from pathlib import Path

import pytest
from ansible_collections.psw.ai.plugins.module_utils._errors import PswModuleError
from ansible_collections.psw.ai.plugins.module_utils._zpool import GIB, choose, facts, parse_size, read_pools

CASES = Path(__file__).parent / "fixtures" / "zpool"


def pools_of(case):
    status, free, disks = (json.loads((CASES / case / f"{name}.json").read_text(encoding="utf-8")) for name in ("status", "free", "disks"))
    return read_pools(status, free, disks.__getitem__)


@pytest.mark.parametrize("case", sorted(path.name for path in CASES.iterdir()))
def test_pool_choice(case):
    expected = json.loads((CASES / case / "expected.json").read_text(encoding="utf-8"))
    if "error" in expected:
        with pytest.raises(PswModuleError, match=re.escape(expected["error"])):
            choose(pools_of(case), "auto", 100 * GIB)
    else:
        assert choose(pools_of(case), "auto", 100 * GIB)["name"] == expected["pool"]


def test_a_named_pool_may_be_slow():
    assert choose(pools_of("every_pool_seen_is_named"), "rust", 100 * GIB)["name"] == "rust"


def test_a_named_pool_may_be_degraded():
    assert choose(pools_of("a_degraded_pool_is_refused"), "tank", GIB)["name"] == "tank"


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ("far", r"pool far lies on network storage \(nvme2n1\)"),
        ("full", "pool full has 12G free of the 100G needed"),
        ("tnak", "there is no ZFS pool tnak on this node; seen: far"),
        ("fll", r"; did you mean full\? name a pool that is there, or auto"),
    ],
)
def test_a_named_pool_that_cannot_serve_is_refused(wanted, message):
    with pytest.raises(PswModuleError, match=message):
        choose(pools_of("every_pool_seen_is_named"), wanted, 100 * GIB)


def test_the_refusal_says_what_to_do():
    with pytest.raises(
        PswModuleError, match=r"name a pool to use it anyway \(storage.models.pool\), name a local storage .*, or ask for less \(storage.models.quota\)"
    ):
        choose([], "auto", GIB)


def test_a_refusal_also_tells_of_storages_that_are_no_pools():
    with pytest.raises(PswModuleError, match=r"seen: tank is DEGRADED; storage nas \(nfs\) is on the network"):
        choose(pools_of("a_degraded_pool_is_refused"), "auto", GIB, lambda: ["storage nas (nfs) is on the network"])


def test_nobody_asks_for_other_storages_when_a_pool_fits():
    assert choose(pools_of("one_nvme_pool_with_room"), "auto", GIB, pytest.fail)["name"] == "tank"


def test_the_facts_begin_with_the_pool_that_would_be_chosen():
    assert facts(pools_of("the_faster_link_wins"))[0] == {"name": "gen4", "suitable": True, "reason": "ok", "link": 64.0, "free_gib": 200}


def test_the_facts_say_what_is_against_a_pool():
    found = {pool["name"]: (pool["suitable"], pool["reason"], pool["link"]) for pool in facts(pools_of("every_pool_seen_is_named"))}
    assert found == {
        "full": (True, "ok", 64.0),  # room is for the plan to judge
        "far": (False, "lies on nvme2n1 (network)", None),
        "rust": (False, "lies on sda (spinning), sdb (spinning)", None),
        "stick": (False, "lies on sdc (usb)", None),
    }


@pytest.mark.parametrize(("text", "size"), [("512", 512), ("1M", 1048576), ("100G", 100 * GIB), ("1.5T", 1536 * GIB), ("2GiB", 2 * GIB)])
def test_sizes_are_read_as_zfs_does(text, size):
    assert parse_size(text) == size


def test_what_is_no_size_is_named():
    with pytest.raises(PswModuleError, match="'a lot' is not a size such as 100G"):
        parse_size("a lot")
