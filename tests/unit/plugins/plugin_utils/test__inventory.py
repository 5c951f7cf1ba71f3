# SPDX-License-Identifier: GPL-3.0-or-later
"""The one inventory of CLI, ansible-playbook and AWX."""

import shlex
import subprocess
from pathlib import Path

import pytest
from ansible_collections.psw.ai.plugins.plugin_utils import _targets
from ansible_collections.psw.ai.plugins.plugin_utils._catalog import Catalog
from ansible_collections.psw.ai.plugins.plugin_utils._errors import ProjectError
from ansible_collections.psw.ai.plugins.plugin_utils._inventory import build_inventory, ssh_arguments
from ansible_collections.psw.ai.plugins.plugin_utils._preflight import current_plan
from ansible_collections.psw.ai.plugins.plugin_utils._project import Project

from .conftest import NVIDIA


def hosts(project):
    return build_inventory(project)["_meta"]["hostvars"]


def test_groups_are_nodes_targets_and_one_for_each_app(ready):
    inventory = build_inventory(ready)
    assert {name: group.get("hosts") for name, group in inventory.items() if name not in ("_meta", "all")} == {
        "nodes": ["pve1"],
        "targets": ["psw-ai", "psw-core"],
        "app_ollama": ["psw-ai"],
        "app_postgres": ["psw-core"],
        "app_openwebui": ["psw-core"],
        "app_caddy": ["psw-core"],
    }


def test_every_host_knows_the_house(ready):
    assert build_inventory(ready)["all"]["vars"] == {
        "psw_domain": "home.example",
        "psw_project_dir": str(ready.path),
        "psw_sso": {"mode": "local"},
        "psw_gpu_vendor": None,
        "psw_gpu_backend": None,
        "psw_gpu_gfx_override": None,
        "psw_registries": {"mirrors": []},
        "psw_vhosts": [{"app": "openwebui", "name": "chat", "port": 8080, "target": "psw-core"}],
        "psw_consumers": [{"consumer": "probe", "secret": "probe_openwebui_service_key", "email": "psw-probe@psw.local", "role": "user", "app": "openwebui"}],
        "psw_key_holders": [],
        "psw_planned_apps": ["ollama", "postgres", "openwebui", "caddy"],
        "psw_verified_apps": ["ollama", "openwebui"],
        "ansible_python_interpreter": "/usr/bin/python3",
        "ansible_pipelining": True,
    }


def test_targets_on_several_gpus_are_hosts_like_any_other(ready):
    ready.add_node("pve2", "192.0.2.11")
    ready.write_record("pve2", {**NVIDIA, "node": "pve2"})
    catalog = Catalog.load()
    ears = {**catalog.apps["ollama"], "name": "ears", "resources": {**catalog.apps["ollama"]["resources"], "vram_mib": 10000}}
    catalog = Catalog({**catalog.apps, "ears": ears}, catalog.stacks)
    ready.add_apps(["ears"], catalog)
    inventory = build_inventory(Project.open(ready.path), catalog)
    assert inventory["targets"]["hosts"] == ["psw-ai", "psw-ai-pve2", "psw-core"]
    assert (inventory["app_ears"]["hosts"], inventory["app_ollama"]["hosts"]) == (["psw-ai"], ["psw-ai-pve2"])
    second = inventory["_meta"]["hostvars"]["psw-ai-pve2"]
    assert (second["psw_node"], second["psw_apps"], second["psw_target"]["gpu"]["vendor"]) == ("pve2", ["ollama"], "nvidia")


def test_what_is_said_about_a_target_reaches_it(ready):
    file = ready.path / "psw.yml"
    file.write_text(file.read_text() + "targets: {psw-ai: {vmid: 200, storage: fast, ip: 192.0.2.31/24, gateway: 192.0.2.1, vlan: 20}}\n")
    target = hosts(Project.open())["psw-ai"]["psw_target"]
    assert (target["vmid"], target["storage"]) == (200, "fast")
    assert target["network"] == {"bridge": "vmbr0", "ip": "192.0.2.31/24", "gateway": "192.0.2.1", "vlan": 20}


def test_mirrors_of_registries_reach_every_host(ready):
    file = ready.path / "psw.yml"
    file.write_text(file.read_text() + "registries: {mirrors: [{registry: docker.io, mirror: 'cache.home.example:5000/docker.io', insecure: true}]}\n")
    mirrors = build_inventory(Project.open())["all"]["vars"]["psw_registries"]["mirrors"]
    assert mirrors == [{"registry": "docker.io", "mirror": "cache.home.example:5000/docker.io", "insecure": True}]


def test_a_node_has_its_way_in_and_its_record(ready):
    node = hosts(ready)["pve1"]
    assert {key: value for key, value in node.items() if key != "ansible_ssh_common_args"} == {
        "ansible_host": "192.0.2.10",
        "ansible_user": "root",
        "ansible_port": 22,
        "psw_gpu": NVIDIA,
    }


def test_a_node_without_a_record_says_so(project):
    project.add_node("pve1", "h")
    assert hosts(project)["pve1"]["psw_gpu"] is None


def test_a_target_has_its_part_of_the_plan(ready):
    target = hosts(ready)["psw-ai"]
    assert (target["psw_node"], target["psw_apps"], target["ansible_user"]) == ("pve1", ["ollama"], "root")
    assert target["psw_target"]["gpu"] == {"vendor": "nvidia", "addresses": ["0000:01:00.0"]}


def test_a_target_has_an_address_once_it_was_found(ready):
    assert "ansible_host" not in hosts(ready)["psw-ai"]
    _targets.remember(ready.path, "psw-ai", {"vmid": 101, "address": "192.0.2.31"})
    assert hosts(ready)["psw-ai"]["ansible_host"] == "192.0.2.31"


def test_a_target_has_the_numbers_of_its_groups_once_they_were_found(ready):
    """A run that begins with the apps writes the same units as one that has just looked."""
    assert "lxc_target_groups" not in hosts(ready)["psw-ai"]
    _targets.remember(ready.path, "psw-ai", {"vmid": 101, "groups": {"video": 44, "render": 993}})
    assert hosts(ready)["psw-ai"]["lxc_target_groups"] == {"video": 44, "render": 993}


@pytest.mark.parametrize(
    ("key", "path"),
    [("~/.ssh/id", "{home}/.ssh/id"), ("keys/id", "{project}/keys/id"), ("/etc/key", "/etc/key")],
)
def test_the_key_of_a_node_opens_its_targets_too(ready, home, key, path):
    file = ready.path / "psw.yml"
    file.write_text(file.read_text().replace("{host: 192.0.2.10}", f"{{host: 192.0.2.10, ssh_key: {key}}}"))
    expected = path.format(home=home, project=ready.path)
    assert {name: found["ansible_ssh_private_key_file"] for name, found in hosts(Project.open()).items()} == dict.fromkeys(
        ("pve1", "psw-ai", "psw-core"), expected
    )


def test_settings_of_an_app_are_variables_of_its_group(ready):
    file = ready.path / "services/ollama/defaults.yml"
    file.parent.mkdir(parents=True)
    file.write_text("ollama_keep_alive: '{{ 1 + 1 }}'\n")
    assert build_inventory(Project.open())["app_ollama"]["vars"] == {"ollama_keep_alive": "{{ 1 + 1 }}"}


def test_without_a_plan_the_nodes_are_there_for_setup_gpu(project):
    project.add_node("pve1", "h")
    project.add_apps(["@ai"])
    inventory = build_inventory(project)
    assert (inventory["nodes"]["hosts"], inventory["targets"]["hosts"]) == (["pve1"], [])


def test_when_no_plan_can_be_made_the_written_one_stands(ready):
    ready.write_plan(current_plan(ready, Catalog.load()))
    Path("nodes/pve1/gpu.yml").unlink()
    assert build_inventory(Project.open())["targets"]["hosts"] == ["psw-ai", "psw-core"]


def test_settings_for_a_misspelt_app_are_an_error(ready):
    Path("services/olama").mkdir(parents=True)
    with pytest.raises(ProjectError, match="services/olama: no app called 'olama'"):
        build_inventory(ready)


def test_a_misspelt_app_is_an_error(ready):
    file = ready.path / "psw.yml"
    file.write_text(file.read_text().replace("[ollama, openwebui]", "[olama]"))
    with pytest.raises(ProjectError, match="did you mean 'ollama'"):
        build_inventory(Project.open())


# --- ssh -------------------------------------------------------------------------------------------------------------
def ssh_config(arguments):
    """Return what the real ssh understands."""
    done = subprocess.run(["ssh", "-G", *shlex.split(arguments), "192.0.2.10"], capture_output=True, text=True, check=True)
    return {key: value for key, _, value in (line.partition(" ") for line in done.stdout.splitlines())}


@pytest.mark.parametrize("name", ["plain", "my home", "it's", '100% "mine"', "back\\slash", "täg"])
def test_ssh_finds_the_known_hosts_in_any_directory(tmp_path, home, name):
    path = tmp_path / name
    config = ssh_config(ssh_arguments(path, "accept-new"))
    assert config["stricthostkeychecking"] == "accept-new"
    assert config["userknownhostsfile"].replace("%%", "%").startswith(f"{path}/.psw/known_hosts")
    assert config["userknownhostsfile"].endswith("/.ssh/known_hosts")


def test_nodes_are_believed_the_first_time_and_targets_never_by_themselves(ready):
    arguments = {name: ssh_config(found["ansible_ssh_common_args"]) for name, found in hosts(ready).items()}
    assert {name: (config["stricthostkeychecking"], config.get("hostkeyalias")) for name, config in arguments.items()} == {
        "pve1": ("accept-new", None),
        "psw-ai": ("true", "psw-ai"),
        "psw-core": ("true", "psw-core"),
    }


def test_a_target_is_known_by_its_name_and_only_to_this_project(tmp_path):
    config = ssh_config(ssh_arguments(tmp_path, "yes", alias="psw-ai"))
    assert (config["stricthostkeychecking"], config["hostkeyalias"]) == ("true", "psw-ai")
    assert config["userknownhostsfile"] == f"{tmp_path}/.psw/known_hosts"
