# SPDX-License-Identifier: GPL-3.0-or-later
"""What runs where, decided by a pure function."""

import copy
import itertools
import random
import time

import pytest
from ansible_collections.psw.ai.plugins.plugin_utils._catalog import Catalog
from ansible_collections.psw.ai.plugins.plugin_utils._errors import PlanError, Refusal
from ansible_collections.psw.ai.plugins.plugin_utils._planner import make_plan
from ansible_collections.psw.ai.plugins.plugin_utils._wishes import with_defaults

SMALL = {"cores": 1, "memory_mib": 100, "disk_gib": 1}
CATALOG = Catalog(
    apps={
        "db": {"target": "core", "resources": SMALL},
        "engine": {"target": "gpu", "resources": {"cores": 4, "memory_mib": 8000, "disk_gib": 16, "vram_mib": 6000}, "datasets": {"models": "models"}},
        "ears": {"target": "gpu", "resources": {**SMALL, "vram_mib": 3000}},
        "chat": {"target": "core", "requires": ["engine", "db"], "resources": {**SMALL, "cores": 2}},
    },
    stacks={},
)


def wishes(nodes="a", apps=("chat",), **more):
    return with_defaults({"schema": 1, "domain": "home.example", "nodes": {name: {"host": name} for name in nodes}, "apps": list(apps), **more})


def record(vendor="nvidia", *sizes):
    return {"vendor": vendor, "gpus": [{"address": f"0000:{n:02x}:00.0", "usable_mib": size} for n, size in enumerate(sizes or (12288,), 1)]}


def plan(nodes="a", records=None, apps=("chat",), previous=None, **more):
    return make_plan(wishes(nodes, apps, **more), {"a": record()} if records is None else records, CATALOG, previous)


def error(kind, *args, **kwargs):
    with pytest.raises(kind) as caught:
        plan(*args, **kwargs)
    return str(caught.value)


def test_the_whole_plan_of_one_node():
    assert plan() == {
        "schema": 1,
        "domain": "home.example",
        "targets": {
            "psw-ai": {
                "node": "a",
                "apps": ["engine"],
                "gpu": {"vendor": "nvidia", "addresses": ["0000:01:00.0"]},
                "cores": 4,
                "memory_mib": 8512,
                "rootfs_gib": 24,
                "datasets": {"models": {"pool": "auto", "quota": "100G"}},
                "network": {"bridge": "vmbr0", "ip": "dhcp"},
            },
            "psw-core": {
                "node": "a",
                "apps": ["db", "chat"],
                "gpu": None,
                "cores": 2,
                "memory_mib": 712,
                "rootfs_gib": 6,
                "datasets": {},
                "network": {"bridge": "vmbr0", "ip": "dhcp"},
            },
        },
        "apps": {
            "engine": {"target": "psw-ai", "reason": "needed by chat"},
            "db": {"target": "psw-core", "reason": "needed by chat"},
            "chat": {"target": "psw-core", "reason": "wished"},
        },
    }


def test_without_wishes_there_is_nothing_to_run():
    assert plan(nodes="", apps=()) == {"schema": 1, "domain": "home.example", "targets": {}, "apps": {}}


def test_apps_that_need_no_gpu_need_no_record():
    assert plan(records={}, apps=["db"])["targets"]["psw-core"]["node"] == "a"


def test_without_a_node_the_plan_is_refused():
    assert error(Refusal, nodes="") == "psw.yml names no node to run on; add one with: psw node add NAME --host ADDRESS"


def test_a_gpu_app_without_a_recorded_gpu_names_the_command():
    with pytest.raises(Refusal) as caught:
        plan(nodes="ab", records={})
    assert caught.value.as_dict() == {
        "code": "node_not_set_up",
        "message": "no GPU is recorded for a or b, and the planned apps need one",
        "hint": "run: psw node setup-gpu a",
    }


def test_a_record_that_was_deleted_is_missed_on_the_planned_node():
    previous = plan("ab", {"a": record()})
    assert error(Refusal, "ab", {"b": record()}, previous=previous) == "no GPU is recorded for a, and the planned apps need one; run: psw node setup-gpu a"


# --- placement -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("records", "node"),
    [
        ({"b": record()}, "b"),
        ({"a": record("nvidia", 8192), "b": record("nvidia", 24576)}, "b"),
        ({"a": record("nvidia", 24576), "b": record("nvidia", 16384, 16384)}, "b"),
        ({"a": record("amd", 16384), "b": record("nvidia", 16384)}, "b"),
        ({"a": record("amd", 16384), "b": record("intel", 16384)}, "a"),
        ({"a": record(), "b": record()}, "a"),
    ],
)
def test_the_most_gpu_memory_wins_and_ties_go_to_nvidia_then_to_the_first(records, node):
    assert plan("ab", records)["targets"]["psw-ai"]["node"] == node


def test_the_vendor_that_the_user_wants_wins_over_more_memory():
    records = {"a": record("nvidia", 24576), "b": record("amd", 16384)}
    assert plan("ab", records, gpu={"vendor": "amd"})["targets"]["psw-ai"] | {"apps": []} == (
        plan("ab", {"b": records["b"]})["targets"]["psw-ai"] | {"apps": [], "gpu": {"vendor": "amd", "addresses": ["0000:01:00.0"]}}
    )


def test_the_core_runs_beside_the_gpu():
    assert plan("ab", {"b": record()})["targets"]["psw-core"]["node"] == "b"


def test_what_was_placed_stays_when_a_better_node_comes():
    before = plan("a")
    after = plan("ab", {"a": record(), "b": record("nvidia", 81920)}, previous=before)
    assert after == before


def test_what_was_placed_stays_when_the_gpu_comes_later():
    before = plan("ab", {}, apps=["db"])
    after = plan("ab", {"b": record()}, previous=before)
    assert {name: target["node"] for name, target in after["targets"].items()} == {"psw-ai": "b", "psw-core": "a"}


def test_a_target_whose_node_is_gone_is_not_moved_away_from_its_data():
    with pytest.raises(Refusal) as caught:
        plan("b", {"b": record()}, previous=plan("a"))
    assert caught.value.as_dict() == {
        "code": "unknown_node",
        "message": "psw-ai with its data is on a, which psw.yml does not name",
        "hint": "put a back into psw.yml, or take psw-ai out of deployment-plan.yml to start anew elsewhere",
    }


# --- the GPU ---------------------------------------------------------------------------------------------------------
def test_a_vendor_once_planned_is_not_changed_behind_the_users_back():
    before = plan()
    other = {"vendor": "amd", "gpus": [{"address": "0000:03:00.0", "usable_mib": 24560}]}
    after = plan(records={"a": other}, previous=before)
    assert after["targets"]["psw-ai"]["gpu"] == {"vendor": "nvidia", "addresses": ["0000:01:00.0"]}


def test_the_user_can_say_that_the_card_was_changed():
    after = plan(records={"a": record("amd", 24560)}, previous=plan(), gpu={"vendor": "amd"})
    assert after["targets"]["psw-ai"]["gpu"]["vendor"] == "amd"


def test_a_card_in_another_slot_is_followed():
    moved = {"vendor": "nvidia", "gpus": [{"address": "0000:0a:00.0", "usable_mib": 12288}]}
    assert plan(records={"a": moved}, previous=plan())["targets"]["psw-ai"]["gpu"]["addresses"] == ["0000:0a:00.0"]


def test_apps_that_do_not_fit_the_gpu_are_refused_with_the_numbers():
    assert error(PlanError, records={"a": record("nvidia", 8192)}, apps=["chat", "ears"]) == (
        "the apps need 9000 MiB of GPU memory (engine 6000, ears 3000), a has 8192 MiB; remove an app, or add a node with a larger card"
    )


def test_two_cards_count_together():
    assert plan(records={"a": record("nvidia", 8192, 8192)}, apps=["chat", "ears"])["targets"]["psw-ai"]["apps"] == ["engine", "ears"]


# --- budgets ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("budget", "message"),
    [
        (
            {"memory_mib": 9223},
            (
                "the plan needs 9224 MiB of memory on a (psw-ai 8512, psw-core 712), its budget is 9223; "
                "raise nodes.a.budget.memory_mib in psw.yml, or remove an app"
            ),
        ),
        (
            {"rootfs_gib": 20},
            "the plan needs 30 GiB of disk on a (psw-ai 24, psw-core 6), its budget is 20; raise nodes.a.budget.rootfs_gib in psw.yml, or remove an app",
        ),
    ],
)
def test_more_than_the_nodes_budget_is_refused_with_the_numbers(budget, message):
    with pytest.raises(PlanError) as caught:
        make_plan(with_defaults({"schema": 1, "domain": "d.e", "nodes": {"a": {"host": "h", "budget": budget}}, "apps": ["chat"]}), {"a": record()}, CATALOG)
    assert str(caught.value) == message


def test_a_budget_that_is_just_enough_is_enough():
    limits = {"memory_mib": 9224, "rootfs_gib": 30}
    entry = with_defaults({"schema": 1, "domain": "d.e", "nodes": {"a": {"host": "h", "budget": limits}}, "apps": ["chat"]})
    assert list(make_plan(entry, {"a": record()}, CATALOG)["targets"]) == ["psw-ai", "psw-core"]


# --- the user's word about a target ----------------------------------------------------------------------------------
def test_what_is_said_about_a_target_is_planned():
    sizes = {"cores": 8, "memory_mib": 4096, "rootfs_gib": 40}
    network = {"bridge": "vmbr1", "ip": "192.0.2.31/24", "gateway": "192.0.2.1", "vlan": 20}
    target = plan(targets={"psw-ai": {"vmid": 200, "storage": "fast", **sizes, **network}})["targets"]["psw-ai"]
    assert (target["vmid"], target["storage"]) == (200, "fast")
    assert {key: target[key] for key in sizes} == sizes
    assert target["network"] == network


def test_a_target_goes_before_the_house_and_gateways_go_with_fixed_addresses():
    house = {"gateway": "192.0.2.1", "vlan": 20, "ip6": "auto", "gateway6": "fe80::1"}
    targets = {"psw-ai": {"ip": "192.0.2.31/24", "vlan": None, "ip6": "none"}, "psw-core": None}
    networks = {name: target["network"] for name, target in plan(network=house, targets=targets)["targets"].items()}
    assert networks == {
        "psw-ai": {"bridge": "vmbr0", "ip": "192.0.2.31/24", "gateway": "192.0.2.1"},
        "psw-core": {"bridge": "vmbr0", "ip": "dhcp", "vlan": 20, "ip6": "auto"},
    }


def test_a_target_gets_the_cards_that_are_named():
    records = {"a": record("nvidia", 8192, 16384, 8192)}
    gpu = plan(records=records, targets={"psw-ai": {"gpus": ["0000:02:00.0"]}})["targets"]["psw-ai"]["gpu"]
    assert gpu == {"vendor": "nvidia", "addresses": ["0000:02:00.0"]}


def test_the_named_cards_alone_have_to_hold_the_apps():
    assert error(PlanError, records={"a": record("nvidia", 4096, 16384)}, targets={"psw-ai": {"gpus": ["0000:01:00.0"]}}) == (
        "the apps need 6000 MiB of GPU memory (engine 6000), the cards of psw-ai on a have 4096 MiB; remove an app, or add a node with a larger card"
    )


def test_a_named_card_that_is_not_there_is_refused_with_those_that_are():
    assert error(PlanError, targets={"psw-ai": {"gpus": ["0000:0a:00.0"]}}) == (
        "targets.psw-ai.gpus names 0000:0a:00.0, but a has 0000:01:00.0; take one that is there, or leave gpus out to get all"
    )


# --- properties ------------------------------------------------------------------------------------------------------
def many(seed):
    """A house no one planned: nodes, records and wishes at random."""
    dice = random.Random(seed)
    nodes = [f"n{n}" for n in range(dice.randint(1, 8))]
    records = {node: record(dice.choice(["nvidia", "amd"]), dice.choice([8192, 12288, 24576])) for node in nodes if dice.random() < 0.7}
    return nodes, records, dice.sample(["db", "engine", "ears", "chat"], dice.randint(1, 4))


SEEDS = range(60)


def planned(seed, previous=None):
    nodes, records, apps = many(seed)
    try:
        return make_plan(wishes(nodes, apps), records, CATALOG, previous)
    except (PlanError, Refusal):
        return None


def test_the_houses_of_these_tests_can_mostly_be_planned():
    assert sum(planned(seed) is not None for seed in SEEDS) > len(SEEDS) // 2


@pytest.mark.parametrize("seed", SEEDS)
def test_the_same_input_gives_the_same_plan_and_a_plan_is_never_stale_by_itself(seed):
    first = planned(seed)
    assert planned(seed) == first
    if first:
        assert planned(seed, previous=first) == first


@pytest.mark.parametrize("seed", SEEDS)
def test_every_app_is_on_one_target_and_after_what_it_needs(seed):
    result = planned(seed)
    placed = list(itertools.chain.from_iterable(target["apps"] for target in result["targets"].values())) if result else []
    assert sorted(placed) == sorted(result["apps"] if result else [])
    for target in result["targets"].values() if result else []:
        for app in target["apps"]:
            for needed in set(CATALOG.apps[app].get("requires", [])) & set(target["apps"]):
                assert target["apps"].index(needed) < target["apps"].index(app)


def test_the_input_is_not_changed():
    arguments = [wishes(), {"a": record()}, plan()]
    before = copy.deepcopy(arguments)
    make_plan(arguments[0], arguments[1], CATALOG, arguments[2])
    assert arguments == before


def test_200_nodes_and_50_apps_are_planned_in_under_a_second():
    apps = {
        f"app{n}": {"target": "gpu" if n % 5 == 0 else "core", "requires": [f"app{m}" for m in range(max(0, n - 5), n)], "resources": SMALL} for n in range(50)
    }
    nodes = [f"n{n}" for n in range(200)]
    began = time.process_time()
    result = make_plan(wishes(nodes, list(apps)), {node: record() for node in nodes}, Catalog(apps, {}))
    assert time.process_time() - began < 1
    assert len(result["apps"]) == 50
