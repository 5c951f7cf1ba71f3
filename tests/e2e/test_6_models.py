# SPDX-License-Identifier: GPL-3.0-or-later
"""``psw model`` on a house that runs; the lab's registry of models has one model, under two names."""

import json

import pytest

from lab.project import MODEL

pytestmark = pytest.mark.e2e
OTHER = "smollm2"  # which means smollm2:latest, and is noted so


@pytest.fixture(scope="module", autouse=True)
def house(project, converged):
    yield
    project.run("model", "remove", OTHER)


def on_engine(machines):
    """Return the names of the models that the engine itself lists."""
    told = machines.target("ollama", "podman exec ollama ollama list").stdout.splitlines()
    return {line.split()[0] for line in told[1:]}


def settings(project):
    return (project.path / "services/ollama/defaults.yml").read_text()


def test_a_pulled_model_is_on_the_engine_and_in_the_settings(project, machines):
    before = settings(project)
    foretold = json.loads(project.run("model", "pull", OTHER, "--json", "--", "--check").stdout)
    assert (foretold["check"], foretold["added"]) == (True, ["smollm2:latest"])
    assert (on_engine(machines), settings(project)) == ({MODEL}, before)
    assert project.json("model", "pull", OTHER)["added"] == ["smollm2:latest"]
    assert on_engine(machines) == {MODEL, "smollm2:latest"}
    assert OTHER in settings(project)
    assert project.json("model", "pull", OTHER)["changed"] is False


def test_the_list_says_what_the_engine_says(project, machines):
    told = {each["name"]: each for each in project.json("model", "list")["models"]}

    assert set(told) == on_engine(machines)
    assert all(each["wished"] and each["there"] for each in told.values())


def test_what_was_pulled_stays_with_the_next_converge(project, machines):
    project.run("deploy", "converge", "--tags", "apps")
    assert on_engine(machines) == {MODEL, "smollm2:latest"}


@pytest.mark.parametrize("name", ["gpt-oss:120b-cloud", "nope:3b"])
def test_what_cannot_be_had_changes_nothing(project, machines, name):
    before = settings(project)
    done = project.run("model", "pull", name, "--json", check=False)

    assert (done.returncode, name in json.loads(done.stdout)["error"]["message"]) == (1, True)
    assert (settings(project), on_engine(machines)) == (before, {MODEL, "smollm2:latest"})


def test_a_removed_model_is_gone_and_the_last_one_stays(project, machines):
    project.run("model", "remove", OTHER)
    assert on_engine(machines) == {MODEL}
    assert OTHER not in settings(project).replace(MODEL, "")
    assert project.run("model", "remove", MODEL, check=False).returncode == 3
    assert on_engine(machines) == {MODEL}
