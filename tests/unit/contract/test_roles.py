# SPDX-License-Identifier: GPL-3.0-or-later
"""Every role is of one shape, and its manual says what is true."""

from pathlib import Path

import pytest
import yaml

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
