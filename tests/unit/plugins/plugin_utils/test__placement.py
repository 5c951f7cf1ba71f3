# SPDX-License-Identifier: GPL-3.0-or-later
"""Which target and which node each app gets, in houses with several GPUs."""

import time

import pytest
from ansible_collections.psw.ai.plugins.plugin_utils._catalog import Catalog
from ansible_collections.psw.ai.plugins.plugin_utils._errors import PlanError, PswError, Refusal
from ansible_collections.psw.ai.plugins.plugin_utils._planner import make_plan
from ansible_collections.psw.ai.plugins.plugin_utils._wishes import with_defaults
from hypothesis import assume, given, settings
from hypothesis import strategies as st


def app(target, vram=0, memory=100, disk=1):
    return {"target": target, "resources": {"cores": 1, "memory_mib": memory, "disk_gib": disk, **({"vram_mib": vram} if vram else {})}}


CATALOG = Catalog(
    {
        "db": app("core"),
        "web": {**app("core"), "requires": ["db"]},
        "ears": app("gpu", 2000),
        "mouth": app("gpu", 1000),
        "engine": app("gpu", 6000, 8000, 16),
        "giant": app("gpu", 20000, 16000, 16),
    },
    {},
)


def record(*sizes, vendor="nvidia", **host):
    gpus = [{"address": f"0000:{number:02x}:00.0", "usable_mib": size} for number, size in enumerate(sizes or (12288,), 1)]
    return {"vendor": vendor, "gpus": gpus, **({"host": host} if host else {})}


def house(nodes, apps, **more):
    entries = {name: {"host": name, **more.pop(name, {})} for name in nodes}
    return with_defaults({"schema": 1, "domain": "home.example", "nodes": entries, "apps": list(apps), **more})


def plan(records, apps, previous=None, catalog=CATALOG, **more):
    return make_plan(house(more.pop("nodes", records), apps, **more), records, catalog, previous)


def where(planned):
    return {name: (target["node"], target["apps"]) for name, target in planned["targets"].items()}


def error(*args, **more):
    with pytest.raises(PswError) as caught:
        plan(*args, **more)
    return str(caught.value)


# --- spread over nodes -----------------------------------------------------------------------------------------------
def test_one_node_that_holds_everything_gets_everything():
    assert where(plan({"a": record(24576), "b": record(12288)}, ["engine", "ears", "web"])) == {
        "psw-ai": ("a", ["engine", "ears"]),
        "psw-core": ("a", ["db", "web"]),
    }


def test_what_the_best_node_cannot_hold_goes_to_the_next_best():
    assert where(plan({"a": record(2048), "b": record(24576), "c": record(8192)}, ["ears", "giant", "engine", "mouth"])) == {
        "psw-ai": ("b", ["ears", "giant", "mouth"]),
        "psw-ai-c": ("c", ["engine"]),
    }


def test_a_node_short_of_memory_or_disk_is_as_full_as_one_short_of_gpu_memory():
    records = {"a": record(24576, memory_mib=9000), "b": record(12288, memory_mib=64000)}
    assert where(plan(records, ["engine", "web", "ears"])) == {"psw-ai": ("a", ["engine", "ears"]), "psw-core": ("b", ["db", "web"])}
    assert where(plan(records, ["engine", "ears"], a={"budget": {"rootfs_gib": 20}})) == {"psw-ai": ("b", ["engine", "ears"])}


def test_the_budget_goes_before_what_the_node_has():
    records = {"a": record(memory_mib=4000)}
    assert "the plan needs 8512 MiB of memory on a (psw-ai 8512), it has 4000; remove an app, or set nodes.a.budget.memory_mib" in error(records, ["engine"])
    assert where(plan(records, ["engine"], a={"budget": {"memory_mib": 9000}})) == {"psw-ai": ("a", ["engine"])}


def test_nodes_of_another_vendor_than_the_wished_one_are_left_alone():
    records = {"a": record(8192), "b": record(24576, vendor="amd")}
    assert where(plan(records, ["engine"], gpu={"vendor": "nvidia"})) == {"psw-ai": ("a", ["engine"])}
    assert "no node" not in error(records, ["giant"], gpu={"vendor": "nvidia"})


def test_targets_on_nodes_of_several_vendors_have_their_own():
    planned = plan({"a": record(8192), "b": record(24576, vendor="amd")}, ["engine", "giant"])
    assert {name: target["gpu"]["vendor"] for name, target in planned["targets"].items()} == {"psw-ai": "amd", "psw-ai-a": "nvidia"}


def test_what_fits_nowhere_is_refused_with_what_each_node_has():
    records = {"a": record(8192), "b": record(4096, memory_mib=500)}
    assert error(records, ["engine", "ears", "mouth"]) == (
        "no node has room for mouth (1000 MiB of GPU memory, 100 MiB of memory, 1 GiB of disk): "
        "a has 192 of 8192 MiB of GPU memory left; b has 500 of 500 MiB of memory left; remove an app, or add a node that has room"
    )


def test_of_many_nodes_without_room_some_are_named():
    assert "n4 has 2048 of 2048 MiB of GPU memory left; and 15 more nodes; remove" in error({f"n{n}": record(2048) for n in range(20)}, ["engine"])


def test_a_core_that_fits_nowhere_is_refused_too():
    assert error({}, ["web"], nodes=["a", "b"], a={"budget": {"memory_mib": 700}}, b={"budget": {"memory_mib": 600}}) == (
        "no node has room for psw-core (712 MiB of memory, 6 GiB of disk): a has 700 of 700 MiB of memory left; b has 600 of 600 MiB of memory left; "
        "remove an app, or add a node that has room"
    )


def test_a_node_whose_name_makes_none_for_a_target_is_refused_only_when_it_is_used():
    records = {"a": record(8192), "b" * 60: record(8000)}
    assert where(plan(records, ["engine"])) == {"psw-ai": ("a", ["engine"])}
    assert "longer than the 63 characters of a host name; give the node a shorter name" in error(records, ["engine", "ears", "mouth"])


# --- what was placed stays -------------------------------------------------------------------------------------------
def test_what_was_placed_stays_when_its_first_target_goes():
    records = {"a": record(24576), "b": record(8192)}
    before = plan(records, ["giant", "engine"])
    after = plan(records, ["engine"], before)
    assert where(after) == {"psw-ai-b": ("b", ["engine"])}
    assert where(plan(records, ["engine", "ears"], after)) == {"psw-ai-b": ("b", ["engine", "ears"])}
    assert where(plan(records, ["giant", "engine"], after)) == where(before)


def test_a_target_that_loses_one_app_and_gets_another_is_not_moved():
    records = {"a": record(8192), "b": record(24576)}
    before = plan({"a": record(8192)}, ["engine"])
    assert where(plan(records, ["ears"], before)) == {"psw-ai": ("a", ["ears"])}


def test_the_core_keeps_its_room_when_apps_with_a_gpu_come():
    records = {"a": record(24576, memory_mib=9000), "b": record(8192)}
    before = plan(records, ["web"])
    assert where(plan(records, ["web", "engine"], before)) == {"psw-ai": ("b", ["engine"]), "psw-core": ("a", ["db", "web"])}


def test_the_users_word_moves_a_target():
    records = {"a": record(24576), "b": record(8192)}
    before = plan(records, ["engine", "web"])
    assert where(plan(records, ["engine", "web"], before, targets={"psw-ai": {"node": "b"}})) == {
        "psw-ai": ("b", ["engine"]),
        "psw-core": ("a", ["db", "web"]),
    }
    assert where(plan(records, ["web"], targets={"psw-core": {"node": "b"}})) == {"psw-core": ("b", ["db", "web"])}


def test_two_gpu_targets_are_not_sent_to_one_node():
    records = {"a": record(24576), "b": record(8192)}
    before = plan(records, ["giant", "engine"])
    assert "psw-ai and psw-ai-b would both be on b, which has one GPU target at most" in error(
        records, ["giant", "engine"], before, targets={"psw-ai": {"node": "b"}}
    )


def test_a_target_is_not_sent_where_no_gpu_is_recorded():
    with pytest.raises(Refusal, match="no GPU is recorded for b"):
        plan({"a": record()}, ["engine"], nodes="ab", targets={"psw-ai": {"node": "b"}})


def test_a_plan_that_somebody_edited_into_other_targets_is_made_anew():
    before = {"targets": {"mine": {"node": "a", "apps": ["engine"]}, "psw-ai-b": {"node": "a", "apps": ["engine"]}}}
    assert where(plan({"a": record(), "b": record()}, ["engine"], before)) == {"psw-ai": ("a", ["engine"])}


# --- quota -----------------------------------------------------------------------------------------------------------
HOARDERS = Catalog(
    {
        name: {**app("gpu", 1000), "datasets": {"models": "models"}, **({"dataset_gib": {"models": gib}} if gib else {})}
        for name, gib in (("one", 80), ("two", 60), ("three", 0))
    },
    {},
)


@pytest.mark.parametrize(("apps", "quota"), [(["one"], "100G"), (["three"], "100G"), (["one", "two", "three"], "140G")])
def test_the_quota_grows_with_the_apps(apps, quota):
    assert plan({"a": record()}, apps, catalog=HOARDERS)["targets"]["psw-ai"]["datasets"] == {"models": {"pool": "auto", "quota": quota}}


@pytest.mark.parametrize("quota", ["50G", "2T"])
def test_the_users_quota_stays_as_it_is(quota):
    planned = plan({"a": record()}, ["one", "two"], catalog=HOARDERS, storage={"models": {"quota": quota}})
    assert planned["targets"]["psw-ai"]["datasets"]["models"]["quota"] == quota


# --- properties ------------------------------------------------------------------------------------------------------
APPS = st.dictionaries(
    st.sampled_from([f"app{number}" for number in range(12)]),
    st.builds(app, st.sampled_from(["gpu", "gpu", "core"]), st.sampled_from([0, 1000, 4000, 9000]), st.sampled_from([100, 2000, 8000]), st.integers(1, 30)),
    min_size=1,
)
RECORDS = st.dictionaries(
    st.sampled_from("abcdef"),
    st.builds(
        lambda sizes, vendor, memory: record(*sizes, vendor=vendor, **({"memory_mib": memory} if memory else {})),
        st.lists(st.sampled_from([2048, 8192, 16384]), min_size=1, max_size=3),
        st.sampled_from(["nvidia", "amd", "intel"]),
        st.sampled_from([None, 8000, 64000]),
    ),
    min_size=1,
)
BUDGETS = st.dictionaries(st.sampled_from("abcdef"), st.fixed_dictionaries({}, optional={"memory_mib": st.just(20000), "rootfs_gib": st.just(60)}))


@st.composite
def houses(draw):
    """Return (wishes, records, catalogue); not all of them can be planned."""
    apps, records, budgets = draw(APPS), draw(RECORDS), draw(BUDGETS)
    nodes = sorted({*records, *budgets})
    entries = {node: {"host": node, "budget": budgets.get(node, {})} for node in nodes}
    told = {}
    if draw(st.booleans()):
        first = min(records)
        told = {"psw-ai": draw(st.sampled_from([{"node": first}, {"memory_mib": 5000}, {"node": first, "gpus": [records[first]["gpus"][0]["address"]]}]))}
    wishes = {"schema": 1, "domain": "home.example", "nodes": entries, "apps": sorted(apps), "targets": told}
    return with_defaults(wishes), records, Catalog(apps, {})


def planned(wishes, records, catalog, previous=None):
    try:
        return make_plan(wishes, records, catalog, previous)
    except (PlanError, Refusal):
        return assume(False)  # noqa: FBT003 - Hypothesis's own way to say that this is no plan


@settings(max_examples=300, deadline=None)
@given(house=houses())
def test_a_plan_keeps_to_what_cards_and_nodes_have_and_places_every_app_once(house):
    wishes, records, catalog = house
    result = planned(*house)
    targets = result["targets"]
    assert sorted(app for target in targets.values() for app in target["apps"]) == sorted(catalog.apps) == sorted(result["apps"])
    assert all(name in targets and app in targets[name]["apps"] for app, entry in result["apps"].items() for name in [entry["target"]])
    with_gpu = [target for target in targets.values() if target["gpu"]]
    assert len({target["node"] for target in with_gpu}) == len(with_gpu)
    for target in with_gpu:
        usable = {gpu["address"]: gpu["usable_mib"] for gpu in records[target["node"]]["gpus"]}
        assert sum(catalog.apps[app]["resources"].get("vram_mib", 0) for app in target["apps"]) <= sum(
            usable[address] for address in target["gpu"]["addresses"]
        )
    for node, entry in wishes["nodes"].items():
        here = [target for target in targets.values() if target["node"] == node]
        memory = entry["budget"].get("memory_mib") or records.get(node, {}).get("host", {}).get("memory_mib") or float("inf")
        assert sum(target["memory_mib"] for target in here) <= memory
        assert sum(target["rootfs_gib"] for target in here) <= entry["budget"].get("rootfs_gib", float("inf"))
    if node := wishes["targets"].get("psw-ai", {}).get("node"):
        assert targets.get("psw-ai", {}).get("node", node) == node


@settings(max_examples=300, deadline=None)
@given(house=houses())
def test_the_same_input_gives_the_same_plan_and_a_plan_is_never_stale_by_itself(house):
    first = planned(*house)
    assert make_plan(*house) == first
    assert list(make_plan(*house)["targets"]) == list(first["targets"])
    assert make_plan(*house, first) == first


@settings(max_examples=300, deadline=None)
@given(house=houses(), new=st.builds(app, st.sampled_from(["gpu", "core"]), st.sampled_from([0, 4000])))
def test_apps_stay_where_they_are_when_another_comes(house, new):
    wishes, records, catalog = house
    before = planned(*house)
    after = planned({**wishes, "apps": [*wishes["apps"], "new"]}, records, Catalog({**catalog.apps, "new": new}, {}), before)
    assert {app: entry["target"] for app, entry in after["apps"].items() if app != "new"} == {app: entry["target"] for app, entry in before["apps"].items()}
    assert all(after["targets"][name]["node"] == target["node"] for name, target in before["targets"].items())


def test_200_nodes_with_gpus_and_50_apps_that_fill_many_of_them_are_planned_in_under_a_second():
    catalog = Catalog({f"app{number}": app("core" if number % 5 == 4 else "gpu", 5000, 1000) for number in range(50)}, {})
    records = {f"n{number}": record(8192, memory_mib=16000) for number in range(200)}
    began = time.process_time()
    first = plan(records, catalog.apps, catalog=catalog, nodes=records)
    halfway = time.process_time()
    again = plan(records, catalog.apps, first, catalog)
    assert max(halfway - began, time.process_time() - halfway) < 1
    assert len([name for name in first["targets"] if name.startswith("psw-ai")]) == 40
    assert again == first
