# SPDX-License-Identifier: GPL-3.0-or-later
"""The quick answer is the one that jsonschema gives."""

import copy
import json
import random
from pathlib import Path

import pytest
import yaml
from ansible_collections.psw.ai.plugins.plugin_utils._fits import ANNOTATIONS, CHECKS, fits
from jsonschema import Draft202012Validator

from .conftest import AMD, NVIDIA

REPO = Path(__file__).parents[4]
SCHEMAS = {file.name.partition(".")[0]: json.loads(file.read_text()) for file in sorted((REPO / "catalog/schemas").glob("*.json"))}
STRANGE = [None, True, False, 0, 1, 1.0, 1.5, -1, 70000, "", "x", "nvidia", "0000:01:00.0", "sha256:0", [], ["x", "x"], [1, True], {}, {"x": 1}]


def load(path):
    return yaml.safe_load((REPO / path).read_text(encoding="utf-8"))


SEALED = {"schema": 1, "apps": {"probe": {"key": "ENC[]"}, "empty": None}, "sops": {"mac": "x"}}
VALID = [
    ("psw", load("inventory/example/psw.yml")),
    ("psw", {"schema": 1, "domain": "a.b", "nodes": {"n": {"host": "h", "port": 2222, "budget": {"memory_mib": 1}}}, "apps": None}),
    ("gpu", NVIDIA),
    ("gpu", AMD),
    ("gpu", load("inventory/example/nodes/pve1/gpu.yml")),
    ("deployment-plan", load("inventory/example/deployment-plan.yml")),
    ("secrets", SEALED),
    ("overrides", {"schema": 1, "ollama_models": ["x"]}),
    *(("app", load(file.relative_to(REPO))) for file in sorted((REPO / "catalog/apps").glob("*.yml"))),
    *((kind, load(f"catalog/{kind}.yml")) for kind in ("stacks", "images", "storage_classes", "models")),
]


def places(tree, where=()):
    """Return the path of everything in a tree."""
    yield where
    for key in tree if isinstance(tree, dict) else range(len(tree)) if isinstance(tree, list) else ():
        yield from places(tree[key], (*where, key))


def changed(tree, dice):
    """Return the tree with one thing in it replaced, removed or added."""
    tree = copy.deepcopy(tree)
    *way, last = dice.choice([where for where in places(tree) if where])
    inside = tree
    for key in way:
        inside = inside[key]
    match dice.choice(["replace", "remove", "add", "swap"]):
        case "replace":
            inside[last] = copy.deepcopy(dice.choice(STRANGE))
        case "remove":
            del inside[last]
        case "add" if isinstance(inside, dict):
            inside[dice.choice(["x", "UPPER", "schema", "amd", "not-a-name"])] = copy.deepcopy(dice.choice(STRANGE))
        case "add":
            inside.append(copy.deepcopy(dice.choice([*STRANGE, inside[last]])))
        case "swap":
            inside[last] = copy.deepcopy(dice.choice([value for _, value in VALID]))
    return tree


@pytest.mark.parametrize(("kind", "tree"), VALID, ids=[kind for kind, _ in VALID])
def test_what_is_valid_fits(kind, tree):
    assert fits(tree, SCHEMAS[kind])
    Draft202012Validator(SCHEMAS[kind]).validate(tree)


@pytest.mark.parametrize(("kind", "tree"), VALID, ids=[kind for kind, _ in VALID])
def test_whatever_is_changed_in_it_the_answer_is_the_one_of_jsonschema(kind, tree):
    dice, judge, answers = random.Random(kind), Draft202012Validator(SCHEMAS[kind]), set()
    for _ in range(300):
        mutant = changed(tree, dice)
        answer = fits(mutant, SCHEMAS[kind])
        assert answer == judge.is_valid(mutant), mutant
        answers.add(answer)
    assert answers == {True, False}


def keywords(schema):
    """Return every keyword that a schema uses."""
    for key, value in schema.items():
        yield key
        if key in {"properties", "$defs"}:
            for child in value.values():
                yield from keywords(child)
        elif key in {"allOf", "oneOf"}:
            for child in value:
                yield from keywords(child)
        elif isinstance(value, dict) and key not in {"const", "default"}:
            yield from keywords(value)


@pytest.mark.parametrize("kind", sorted(SCHEMAS))
def test_our_schemas_use_only_the_keywords_that_are_known(kind):
    assert set(keywords(SCHEMAS[kind])) <= {*CHECKS, *ANNOTATIONS}


def test_an_unknown_keyword_leaves_the_answer_to_jsonschema():
    assert not fits("x", {"format": "email"})


@pytest.mark.parametrize(("one", "other"), [(1, True), (0, False), ([1], [True]), ({"a": 0}, {"a": False})])
def test_numbers_are_not_truth_values(one, other):
    assert fits(one, {"const": one})
    assert not fits(one, {"const": other})
