# SPDX-License-Identifier: GPL-3.0-or-later
"""Every role is of one shape, and its manual says what is true."""

import re
from pathlib import Path

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

REPO = Path(__file__).parents[3]
ROLES = sorted(path.name for path in (REPO / "roles").iterdir() if path.is_dir())


def load(path):
    return yaml.safe_load(path.read_text(encoding="utf-8")) or {}


def test_there_are_roles_to_look_at():
    assert ROLES != []


@pytest.mark.parametrize("role", ROLES)
def test_a_role_has_its_manual_defaults_and_table_of_contents(role):
    missing = [need for need in ("README.md", "meta/argument_specs.yml", "defaults/main.yml", "tasks/main.yml") if not (REPO / "roles" / role / need).exists()]
    assert missing == []


@pytest.mark.parametrize("role", ROLES)
def test_a_role_has_a_molecule_scenario_of_its_name(role):
    assert (REPO / "molecule" / role / "molecule.yml").exists()


@pytest.mark.parametrize("role", ROLES)
def test_documented_defaults_are_the_real_defaults(role):
    real = load(REPO / "roles" / role / "defaults/main.yml")
    spec = load(REPO / "roles" / role / "meta/argument_specs.yml")["argument_specs"]["main"]["options"]
    public = {name for name in real if not name.startswith("__")}
    assert public == {name for name, option in spec.items() if not option.get("required")}
    for name, option in spec.items():
        assert "type" in option, f"{name} has no type, so Ansible would accept anything"
        computed = "{{" in str(real.get(name, ""))
        assert computed or option.get("default") == real.get(name), name


@pytest.mark.parametrize("role", ROLES)
def test_role_variables_carry_the_name_of_their_role(role):
    real = load(REPO / "roles" / role / "defaults/main.yml")
    assert [name for name in real if not name.startswith((f"{role}_", f"__{role}_"))] == []


@pytest.mark.parametrize("role", ROLES)
def test_every_entry_point_is_specified(role):
    spec = load(REPO / "roles" / role / "meta/argument_specs.yml")["argument_specs"]
    for entry, described in spec.items():
        assert (REPO / "roles" / role / "tasks" / f"{entry}.yml").exists(), f"{role}: {entry} is documented but has no tasks"
        assert described.get("short_description"), f"{role}: {entry} says not what it is for"


def booleans(role):
    """Return, as patterns, the options of a role that say yes or no, those of dictionaries included."""
    options = load(REPO / "roles" / role / "meta/argument_specs.yml")["argument_specs"]["main"]["options"]
    inner = [(rf"\.{name}", option) for outer in options.values() for name, option in outer.get("options", {}).items()]
    return [name for name, option in [*((rf"(?<![.\w]){name}", option) for name, option in options.items()), *inner] if option["type"] == "bool"]


@pytest.mark.parametrize("role", ROLES)
def test_a_no_that_came_as_text_is_a_no(role):
    """Surveys and -e give text. Specs and modules know what it says; expressions take any text for true, or fail."""
    files = [path for place in ("defaults", "tasks", "templates", "vars") for path in sorted((REPO / "roles" / role / place).glob("*")) if path.is_file()]
    trusting = [
        f"{path.name}: {line.strip()}"
        for option in booleans(role)
        for path in files
        for line in path.read_text(encoding="utf-8").splitlines()
        if re.search(rf"{option}\b(?!:)(?!( \| default\(\w+\))? \| bool)", line)
        and not (path.parent.name == "tasks" and re.search(rf': "{{{{ {option} }}}}"$', line))  # a module's option
    ]
    assert trusting == []


@pytest.mark.parametrize(
    ("said", "meant"),
    [({}, False), ({"psw_reboot": ""}, False), ({"psw_reboot": "false"}, False), ({"psw_reboot": "true"}, True), ({"psw_reboot": True}, True)],
)
def test_a_node_is_rebooted_only_when_the_job_says_yes(said, meant):
    tasks = load(REPO / "playbooks/setup_gpu.yml")[0]["tasks"]
    given = next(task["vars"] for task in tasks if "gpu_nvidia_reboot" in task.get("vars", {}))
    told = {**said, **({"psw_replace_driver": said["psw_reboot"]} if said else {})}
    templar = Templar(loader=DataLoader(), variables=told)
    assert [templar.template(trust_as_template(given[name])) for name in ("gpu_nvidia_reboot", "gpu_nvidia_replace")] == [meant, meant]
