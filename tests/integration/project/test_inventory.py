# SPDX-License-Identifier: GPL-3.0-or-later
"""`-i my-home/psw.yml` with nothing else configured."""

import json
import subprocess

from ansible_collections.psw.ai.plugins.plugin_utils._inventory import build_inventory


def inventory(project, *args):
    return subprocess.run(["ansible-inventory", "-i", project.path / "psw.yml", *args], capture_output=True, text=True, check=False)


def plain(value):
    """Undo the mark that ansible-inventory puts on text it must not evaluate."""
    if isinstance(value, dict):
        return value["__ansible_unsafe"] if set(value) == {"__ansible_unsafe"} else {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list) else value


def test_ansible_sees_the_hosts_and_groups_that_psw_sees(ready):
    seen = plain(json.loads(inventory(ready, "--list").stdout))
    built = build_inventory(ready)
    for name, group in built.items():
        if name not in ("_meta", "all"):
            assert seen[name].get("hosts", []) == group["hosts"]


def test_ansible_sees_the_variables_that_psw_sees(ready):
    seen = plain(json.loads(inventory(ready, "--list").stdout))["_meta"]["hostvars"]
    built = build_inventory(ready)
    for host, variables in built["_meta"]["hostvars"].items():
        assert seen[host] == {**built["all"]["vars"], **variables, **({} if variables.get("psw_gpu", 1) else {"psw_gpu": None})}


def test_what_a_user_writes_is_never_evaluated(ready, play):
    file = ready.path / "services/ollama/defaults.yml"
    file.parent.mkdir(parents=True)
    file.write_text("ollama_keep_alive: \"{{ lookup('pipe', 'echo evaluated') }}\"\n")
    (result,) = play(ready, {"ansible.builtin.debug": {"msg": "{{ ollama_keep_alive }}"}}, hosts="psw-ai")
    assert result["msg"] == "{{ lookup('pipe', 'echo evaluated') }}"


def test_a_broken_project_is_an_error_with_file_and_line(ready):
    file = ready.path / "psw.yml"
    file.write_text(file.read_text().replace("apps:", "aps:"))
    done = inventory(ready, "--list")
    assert "psw.yml:10: unknown key 'aps', did you mean 'apps'?" in done.stderr.replace("\n", " ")


def test_another_file_is_not_taken_for_a_project(ready):
    (ready.path / "psw.yml").rename(ready.path / "other.yml")
    done = subprocess.run(["ansible-inventory", "-i", ready.path / "other.yml", "--list"], capture_output=True, text=True, check=False)
    assert "psw-ai" not in done.stdout
