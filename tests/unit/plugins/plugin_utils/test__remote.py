# SPDX-License-Identifier: GPL-3.0-or-later
"""A module sent as one program does what Ansible's own way of running it does, and leaks no more."""

import json
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
import yaml
from ansible_collections.psw.ai.plugins.plugin_utils import _remote

REPO = Path(__file__).parents[4]
ACTIONS = sorted(path.stem for path in (REPO / "plugins/action").glob("*.py") if f"    module = {path.stem}\n" in path.read_text())


def run(name, params, *, check_mode=False):
    """Run the program as a machine does: a bare Python that has neither Ansible nor this collection."""
    text = _remote.program(name, params, check_mode=check_mode, diff=True)
    return subprocess.run([sys.executable, "-I", "-S", "-"], input=text, capture_output=True, text=True, check=False, timeout=60)


def playbook(tmp_path, task):
    (tmp_path / "play.yml").write_text(yaml.safe_dump([{"hosts": "localhost", "gather_facts": False, "tasks": [task]}]))
    options = ["-i", "localhost,", "-c", "local", "-e", f"ansible_python_interpreter={sys.executable}", "-vvv"]
    command = [Path(sys.executable).parent / "ansible-playbook", *options, tmp_path / "play.yml"]
    return subprocess.run(command, cwd=REPO, capture_output=True, text=True, check=False, timeout=120)


@pytest.mark.parametrize("name", ACTIONS)
def test_every_module_that_is_sent_needs_nothing_that_a_bare_machine_lacks(name):
    told = _remote.declared(import_module(f"ansible_collections.psw.ai.plugins.modules.{name}"))
    required = {option: None for option, spec in told["argument_spec"].items() if spec.get("required")}
    said = run(name, required)
    assert "ModuleNotFoundError" not in said.stderr, said.stderr
    assert "ImportError" not in said.stderr, said.stderr


def test_what_a_module_does_and_says_arrives(tmp_path):
    path = tmp_path / "made"
    params = yaml.safe_load(f"{{packages: [], install_recommends: false, directories: [], links: [], absent: [{path}], files: [], units: []}}")
    path.write_text("to be removed")
    assert _remote.answer(run("host_state", params, check_mode=True).stdout)["actions"] == [f"remove {path}"]
    assert path.exists()


def test_a_module_that_crashes_leaves_no_memory_on_the_disk():
    head = (REPO / "plugins/module_utils/_program.py").read_text()
    basic = "import resource\nprint(resource.getrlimit(resource.RLIMIT_CORE)[0])\ndef main(): pass"
    request = {"sources": {"ansible": None, "ansible.module_utils": None, "ansible.module_utils.basic": basic}, "module": "ansible.module_utils.basic"}
    limits = "import resource\nresource.setrlimit(resource.RLIMIT_CORE, (4096, resource.getrlimit(resource.RLIMIT_CORE)[1]))\n"
    text = f"{head}\n{limits}run({json.dumps(request)!r})\n"
    said = subprocess.run([sys.executable, "-I", "-S", "-"], input=text, capture_output=True, text=True, check=False, timeout=60)
    assert (said.stdout, said.stderr) == ("0\n", "")


def test_an_answer_is_the_last_line_whatever_was_printed_before():
    assert _remote.answer('noise\n{"no": 1}\n{"changed": false}\n') == {"changed": False}
    assert _remote.answer("no answer at all") is None
    assert _remote.answer("[1]") is None
    assert _remote.answer("") is None


def test_a_traceback_names_file_and_line():
    said = run("service_ready", {})
    assert said.returncode == 1
    assert re.search(r'plugins/modules/service_ready\.py", line \d+, in main\n(.*\n)*KeyError', said.stderr)  # newer Pythons show the line itself


def test_a_module_runs_by_ansible_and_its_options_are_checked_on_the_controller(tmp_path):
    said = playbook(tmp_path, {"name": "Wait for nothing", "psw.ai.service_ready": {"ready": [], "timeout": "5"}})
    assert said.returncode == 0, said.stdout + said.stderr
    assert "AnsiballZ" not in said.stdout
    said = playbook(tmp_path, {"name": "Wait in vain", "psw.ai.service_ready": {"ready": [{"tcp": {"port": 1, "prot": 1}}]}})
    assert said.returncode == 2
    assert re.search(r"Unsupported parameters for \(psw.ai.service_ready\) module: .*prot", said.stdout + said.stderr)


def test_without_pipelining_ansible_takes_its_own_way(tmp_path, monkeypatch):
    monkeypatch.setenv("ANSIBLE_PIPELINING", "false")
    said = playbook(tmp_path, {"name": "Wait for nothing", "psw.ai.service_ready": {"ready": []}})
    assert said.returncode == 0, said.stdout + said.stderr
    assert "AnsiballZ_service_ready.py" in said.stdout


def test_a_value_that_must_not_show_is_taken_out_of_the_answer(tmp_path):
    ready = [{"http": {"url": "http://127.0.0.1:9/hush-hush", "headers": {"Authorization": "hush-hush"}}}]
    said = playbook(tmp_path, {"name": "Wait in vain", "psw.ai.service_ready": {"ready": ready, "timeout": 0}})
    assert said.returncode == 2
    assert "hush-hush" not in said.stdout.split("fatal:")[1]
    assert "http://127.0.0.1:9/********" in said.stdout


def test_the_slim_module_offers_what_modules_use_of_ansibles():
    from ansible.module_utils import basic  # noqa: PLC0415 - compared with here alone
    from ansible_collections.psw.ai.plugins.module_utils import _slim  # noqa: PLC0415 - as above

    offered = {name for name in vars(_slim.AnsibleModule) if not name.startswith("_")}
    assert offered <= set(vars(basic.AnsibleModule))
    slim = object.__new__(_slim.AnsibleModule)
    assert slim.run_command(["sh", "-c", "cat; echo err >&2; exit 3"], data="in") == (3, "in\n", "err\n")
    assert slim.run_command(["sh", "-c", "cat"], data="in", binary_data=True)[1] == "in"
    assert slim.get_bin_path("there-is-no-such-program") is None
    assert json.dumps(slim.get_bin_path("sh"))
