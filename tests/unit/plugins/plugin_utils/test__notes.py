# SPDX-License-Identifier: GPL-3.0-or-later
"""What is said beside a plan."""

from ansible_collections.psw.ai.plugins.plugin_utils._catalog import Catalog
from ansible_collections.psw.ai.plugins.plugin_utils._notes import notes
from ansible_collections.psw.ai.plugins.plugin_utils._planner import make_plan
from ansible_collections.psw.ai.plugins.plugin_utils._wishes import with_defaults

CATALOG = Catalog(
    {"engine": {"target": "gpu", "resources": {"cores": 1, "memory_mib": 1, "disk_gib": 1}, "datasets": {"m": "models"}, "dataset_gib": {"models": 80}}}, {}
)
RECORDS = {node: {"vendor": "amd", "gpus": [{"address": "0000:01:00.0", "usable_mib": 8192}]} for node in "ab"}


def said(before=None, **more):
    wishes = with_defaults({"schema": 1, "domain": "home.example", "nodes": {node: {"host": node} for node in RECORDS}, "apps": ["engine"], **more})
    plan = make_plan(wishes, RECORDS, CATALOG, before)
    return plan, notes(wishes, CATALOG, plan, before)


def test_of_a_plan_without_surprises_nothing_is_said():
    plan, found = said()
    assert (found, said(plan)[1]) == ([], [])


def test_a_target_that_moves_leaves_its_data_behind():
    assert said(said()[0], targets={"psw-ai": {"node": "b"}})[1] == [
        "psw-ai goes from a to b, as psw.yml says, and starts anew there; its container and its data stay on a until you remove them"
    ]


def test_what_is_said_about_a_target_without_apps_waits():
    assert said(targets={"psw-core": {"cores": 2}})[1] == ["psw-core has no apps, so what psw.yml says about it (targets.psw-core) waits"]


def test_a_fixed_address_without_a_gateway_leads_nowhere():
    note = "psw-ai has a fixed address and no gateway, so it reaches nothing beyond its own network (targets.psw-ai.gateway)"
    assert said(targets={"psw-ai": {"ip": "192.0.2.31/24"}})[1] == [note]
    assert said(targets={"psw-ai": {"ip": "192.0.2.31/24", "gateway": "192.0.2.1"}})[1] == []


def test_a_quota_below_what_the_apps_want_is_kept_and_said():
    assert said(storage={"models": {"quota": "50G"}})[1] == ["psw-ai keeps models in 50G, as psw.yml says; its apps want 80G"]
    assert said(storage={"models": {"quota": "1T"}})[1] == []
