# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans of an app on recorded machines: a file each, named after what it shows.

A case starts from a machine on which everything is as wished (or, with ``bare: true``, from one on which nothing is) and says what differs.
"""

import copy
import re
from pathlib import Path

import pytest
import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.psw.ai.plugins.module_utils import _app_options, _podman, _quadlet
from ansible_collections.psw.ai.plugins.module_utils._app import OWNED, owned_by, plan_app, unit_wishes
from ansible_collections.psw.ai.plugins.module_utils._errors import PswModuleError
from ansible_collections.psw.ai.plugins.module_utils._steps import sentence

CASES = Path(__file__).parent / "fixtures" / "app"
OTHERS = {key: {} for key in OWNED}
BARE = {"manifest": {}, "others": OTHERS, "paths": {}, "services": {}, "secrets": {}, "images": {}, "containers": {}, "users": {}, "pulled": []}
RUNS = {"LoadState": "loaded", "ActiveState": "active", "NeedDaemonReload": "no"}


def wish_of(options):
    checked = ArgumentSpecValidator(_app_options.SPEC).validate(copy.deepcopy(options))
    assert not checked.error_messages
    return _app_options.read(checked.validated_parameters)


def everything_as_wished(wish):
    """Return the facts of a machine on which this wish has come true."""
    units = _quadlet.read_units(wish["units"])
    containers = [unit for unit in units if unit.kind == "container"]
    return {
        "manifest": dict(owned_by(wish), schema=1, app=wish["name"]),
        "others": OTHERS,
        "paths": {wished["path"]: dict(wished, entries=[]) for wished in wish["paths"] + unit_wishes(wish["units"])},
        "services": {unit.service: dict(RUNS) for unit in units},
        "secrets": dict(wish["secrets"]),
        "images": {image: f"id of {image}" for image in wish["images"]},
        "users": {f"id of {image}": {unit.service} for unit in containers for image in unit.images},
        "pulled": list(wish["images"]),
        "containers": {unit.service: _podman.Container(f"id of {image}", pid=1) for unit in containers for image in unit.images},
    }


def laid_over(facts, differs):
    """Return the facts with the differences of a case; what is null there is not on the machine."""
    facts = copy.deepcopy(facts)
    for part, entries in differs.items():
        if isinstance(entries, list):
            facts[part] = entries
            continue
        for name, entry in entries.items():
            if entry is None:
                facts[part].pop(name)
            elif isinstance(entry, dict) and isinstance(facts[part].get(name), dict):
                facts[part][name].update(entry)
            else:
                facts[part][name] = _podman.Container(*entry) if part == "containers" else entry
    return facts


def load(name):
    case = yaml.safe_load((CASES / f"{name}.yml").read_text(encoding="utf-8"))
    base = yaml.safe_load((CASES / "_app.yml").read_text(encoding="utf-8"))
    wish = wish_of({**base, **case.get("options", {})})
    before = wish_of({**base, **case.get("before", {})})
    return case, wish, laid_over(BARE if case.get("bare") else everything_as_wished(before), case.get("differs", {}))


@pytest.mark.parametrize("name", sorted(path.stem for path in CASES.glob("[a-z]*.yml")))
def test_plan(name):
    case, wish, facts = load(name)
    if "error" in case:
        with pytest.raises(PswModuleError, match=re.escape(case["error"])):
            plan_app(wish, facts)
        return
    plan = plan_app(wish, facts)
    steps = [*plan.steps, *plan.leftovers]
    assert [sentence(step) for step in steps if step.op != "note"] == case["steps"]
    assert plan.restarts == case.get("restarts", {})
    shown = [{"of": step.diff["before_header"], "before": step.diff["before"], "after": step.diff["after"]} for step in steps if step.diff]
    assert shown == case.get("diff", shown)
    assert plan.warnings == case.get("warnings", [])


def test_nothing_to_do_is_no_step_at_all():
    _case, wish, facts = load("nothing_to_do")
    assert plan_app(wish, facts).steps == []


def test_values_of_secrets_are_in_no_diff():
    _case, wish, facts = load("a_bare_machine_gets_everything")
    facts["secrets"]["hello_key"] = "old value"
    shown = str([step.diff for step in plan_app(wish, facts).steps])
    assert "s3cr3t" not in shown
    assert "old value" not in shown
    assert "deep inside" not in shown


def test_a_restart_is_noted_before_anything_is_touched_and_the_note_is_cleared_at_the_end():
    _case, wish, facts = load("a_changed_secret_restarts_who_uses_it")
    steps = plan_app(wish, facts).steps
    assert steps[0].args["manifest"]["pending"] == ["hello.service"]
    assert steps[-1].args["manifest"] == facts["manifest"]


def test_what_will_be_made_is_noted_before_it_is_made():
    _case, wish, facts = load("a_bare_machine_gets_everything")
    ops = [step.op for step in plan_app(wish, facts).steps]
    assert ops[:3] == ["pull", "note", "make directory"]


def test_a_unit_that_goes_stays_noted_until_it_is_gone():
    _case, wish, facts = load("a_unit_no_longer_wished_for_goes")
    steps = plan_app(wish, facts).steps
    assert [step.op for step in steps].count("note") == 1
    assert steps[-1].args["manifest"]["units"] == ["hello.container", "hello.network"]
