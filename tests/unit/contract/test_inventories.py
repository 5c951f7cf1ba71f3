# SPDX-License-Identifier: GPL-3.0-or-later
"""The example project is one that psw would make, and the static example says the same by hand."""

import shutil
from pathlib import Path

import pytest
import yaml
from ansible_collections.psw.ai.plugins.plugin_utils._catalog import Catalog
from ansible_collections.psw.ai.plugins.plugin_utils._inventory import build_inventory
from ansible_collections.psw.ai.plugins.plugin_utils._preflight import check, current_plan
from ansible_collections.psw.ai.plugins.plugin_utils._project import Project

EXAMPLES = Path(__file__).parents[3] / "inventory"


@pytest.fixture
def example(tmp_path):
    return Project.open(shutil.copytree(EXAMPLES / "example", tmp_path / "example"))


@pytest.fixture(scope="module")
def static():
    return yaml.safe_load((EXAMPLES / "static/hosts.yml").read_text(encoding="utf-8"))


def test_the_examples_plan_is_the_one_that_psw_makes_of_it(example):
    assert current_plan(example, Catalog.load()) == example.plan


def test_the_example_would_not_be_refused(example):
    assert check(example, example.plan, Catalog.load()) == []


def test_the_static_example_has_the_same_groups(example, static):
    built = build_inventory(example)
    assert {name: list(group["hosts"]) for name, group in static.items() if name != "all"} == {
        name: group["hosts"] for name, group in built.items() if name not in ("_meta", "all")
    }


def test_the_static_example_gives_targets_the_same_variables(example, static):
    built = build_inventory(example)["_meta"]["hostvars"]
    for name, variables in static["targets"]["hosts"].items():
        assert {key: value for key, value in variables.items() if key != "ansible_host"} == {
            key: built[name][key] for key in ("psw_node", "psw_apps", "psw_target")
        }


def test_the_static_example_says_of_the_house_what_the_example_says(example, static):
    built = build_inventory(example)["all"]["vars"]
    shared = {key: value for key, value in static["all"]["vars"].items() if key.startswith("psw_")}
    assert shared == {key: built[key] for key in shared}


def test_in_both_no_secret_is_written_into_a_file_on_its_way_to_a_machine(example, static):
    assert build_inventory(example)["all"]["vars"]["ansible_pipelining"] is True
    assert static["all"]["vars"]["ansible_pipelining"] is True
