# SPDX-License-Identifier: GPL-3.0-or-later
"""What a user of a converged @ai may rely on."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from lab.project import MODEL
from lab.state import DOMAIN

pytestmark = pytest.mark.e2e
REPO = Path(__file__).parents[2]
EXAMPLE = REPO / "examples" / "awx"


def changed(result):
    return sum(host["changed"] for host in result["hosts"].values())


def test_the_demo_walks_the_road_and_prints_what_the_model_answers(project):
    environment = {**os.environ, "PSW_LAB_NAME": project.lab.name}
    done = subprocess.run(["make", "demo"], cwd=REPO, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr
    walked = [line for line in done.stdout.splitlines() if line.startswith("$ ")]
    assert walked[-4:] == ["$ psw node setup-gpu pve1", "$ psw app add @ai", "$ psw deploy converge", "$ psw status"]
    said = re.escape(f"   ({MODEL} through https://chat.{DOMAIN}/api/chat/completions, with a minted key)")
    assert re.search(rf"^Q: What is the capital of France\? .*\nA: .*\w.*(\n.+)*\n{said}$", done.stdout, re.MULTILINE), done.stdout[-3000:]


def answers_on_the_engines_port(address):
    try:
        socket.create_connection((address, 11434), timeout=3).close()
    except OSError:
        return False
    return True


def test_the_engine_answers_to_openwebui_and_not_to_the_house(project, machines):
    asked = machines.target("openwebui", "podman", "exec", "openwebui", "curl", "-sS", "-m", "5", f"http://{project.address('ollama')}:11434/api/version")
    assert "version" in asked.stdout
    assert not answers_on_the_engines_port(project.address("ollama"))


def test_a_second_converge_changes_nothing_and_says_so(project):
    assert changed(project.json("deploy", "converge")) == 0


def plain_ansible_playbook(project):
    """Converge without psw's own command; return what was printed."""
    playbook = Path(sys.executable).parent / "ansible-playbook"
    done = subprocess.run([playbook, "-i", project.path / "psw.yml", "psw.ai.converge"], env=project.environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:]
    return done.stdout


def test_plain_ansible_playbook_sees_what_the_cli_sees(project):
    assert set(re.findall(r"changed=(\d+)", plain_ansible_playbook(project))) == {"0"}


def outside(project, *path):
    """Return the environment of somebody who has no checkout, and in whose PATH there is this alone."""
    mine = {name: value for name, value in project.environment.items() if not name.startswith("ANSIBLE_")}
    return mine | {"PATH": os.pathsep.join([*map(str, path), "/usr/bin", "/bin"])}


def installed(place, *words):
    """Make a virtual environment with these packages; return its programs' directory."""
    uv, programs = Path(sys.executable).parent / "uv", place / "venv" / "bin"
    for command in (["venv", "--python", sys.executable, place / "venv"], ["pip", "install", "--compile-bytecode", "--python", programs / "python", *words]):
        subprocess.run([uv, *command], check=True, capture_output=True)
    return programs


def test_psw_as_pipx_installs_it_does_without_a_checkout_what_the_checkout_does(project, tmp_path):
    programs = installed(tmp_path, "--refresh-package", "psw-ai", REPO)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "psw").symlink_to(programs / "psw")  # all that is in the PATH: neither Ansible nor sops

    def run(*words):
        done = subprocess.run(["psw", *words], cwd=tmp_path, env=outside(project, tmp_path / "bin"), capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr
        return done.stdout

    run("init", "another-home", "--domain", "another.example")
    run("-C", "another-home", "plan")
    assert changed(json.loads(run("-C", str(project.path), "deploy", "converge", "--json"))) == 0
    assert json.loads(run("-C", str(project.path), "doctor", "--json"))["findings"] == []
    password = run("-C", str(project.path), "secrets", "show", "openwebui.openwebui_admin_password").strip()
    assert password == project.secret("openwebui", "openwebui_admin_password")


def test_the_collection_as_galaxy_installs_it_does_with_plain_ansible_what_the_checkout_does(project, tmp_path):
    galaxy = Path(sys.executable).parent / "ansible-galaxy"
    subprocess.run([galaxy, "collection", "build", "--output-path", tmp_path, REPO], check=True, capture_output=True)
    (artefact,) = tmp_path.glob("psw-ai-*.tar.gz")
    subprocess.run([galaxy, "collection", "install", "--offline", "--force", "--collections-path", tmp_path, artefact], check=True, capture_output=True)
    programs = installed(tmp_path, "ansible-core", "-r", tmp_path / "ansible_collections/psw/ai/meta/ee-requirements.txt")

    words = [programs / "ansible-playbook", "-i", project.path / "psw.yml", "psw.ai.converge"]
    environment = outside(project) | {"ANSIBLE_COLLECTIONS_PATH": str(tmp_path)}
    done = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr
    assert set(re.findall(r"changed=(\d+)", done.stdout)) == {"0"}
    assert done.stdout.count("Prove that the GPU does the work") == 1


@pytest.fixture
def job(project, tmp_path):
    """Return what runs a command as a scheduler does: in a copy of the repository, which has none of the notes that git ignores."""
    copy = tmp_path / "job"
    shutil.copytree(project.path, copy)
    shutil.copytree(EXAMPLE, copy, dirs_exist_ok=True)

    def run(*words, code=0):
        shutil.rmtree(copy / ".psw", ignore_errors=True)
        command = [Path(sys.executable).parent / words[0], *words[1:]]
        done = subprocess.run(command, cwd=copy, env=project.environment, capture_output=True, text=True, check=False)
        assert done.returncode == code, done.stdout[-3000:] + done.stderr
        return done.stdout

    return run


def test_a_job_template_does_with_the_repository_what_the_cli_did(job, tmp_path):
    # AWX reads the inventory once, and gives it to its jobs as a program that prints it. Semaphore's is the file.
    (tmp_path / "inventory.json").write_text(job("ansible-inventory", "-i", "psw.yml", "--list", "--export"), encoding="utf-8")
    (tmp_path / "inventory.sh").write_text(f"#!/bin/sh\ncat {tmp_path}/inventory.json\n", encoding="utf-8")
    (tmp_path / "inventory.sh").chmod(0o755)
    for words in ([tmp_path / "inventory.sh"], [tmp_path / "inventory.sh", "--check"], ["psw.yml"]):
        said = job("ansible-playbook", "converge.yml", "-i", *words)
        assert set(re.findall(r"changed=(\d+)", said)) == {"0"}
        assert said.count("Prove that the GPU does the work") == 1


def test_a_job_says_what_is_wrong_with_a_target_and_what_heals_it(job, machines):
    machines.target("ollama", "mkdir -p /run/cdi && cp /etc/cdi/nvidia.yaml /run/cdi/")
    try:
        said = job("ansible-playbook", "doctor.yml", "-i", "psw.yml", code=2)
    finally:
        machines.target("ollama", "rm /run/cdi/nvidia.yaml")
    assert re.search(r"\[psw-ai\]: FAILED! .*CDI \(cdi_shadowed\): .*heal, on psw-ai: rm /run/cdi/nvidia.yaml", said, re.DOTALL)
    assert "failed=0" in job("ansible-playbook", "doctor.yml", "-i", "psw.yml")


def test_no_secret_is_found_where_none_belongs(project, machines):
    secrets = [
        project.secret("probe", "probe_openwebui_service_key"),
        project.secret("postgres", "postgres_password"),
        next(line for line in project.identity.read_text(encoding="utf-8").splitlines() if line.startswith("AGE-SECRET-KEY-")),
    ]
    seen, stop = [], threading.Event()

    def sample():
        while not stop.wait(0.05):
            for process in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    seen.append(process.read_bytes().decode(errors="replace"))
                except OSError:
                    continue

    sampler = threading.Thread(target=sample)
    sampler.start()
    try:
        printed = project.run("deploy", "converge", "-vvv")
    finally:
        stop.set()
        sampler.join()
    places = {
        "the process list": "\n".join(seen),
        "the output": printed.stdout + printed.stderr,
        "what psw keeps": "\n".join(file.read_text(encoding="utf-8", errors="replace") for file in (project.path / ".psw").rglob("*") if file.is_file()),
    }
    looks = {
        "the units": "systemctl cat '*.service' 2>/dev/null; true",  # a unit without a file makes it fail, after it has printed the others
        "podman inspect": "podman ps -aq | xargs podman inspect",
        "the journal": "journalctl --no-pager -q",
    }
    for app in ("openwebui", "ollama"):
        for look, command in looks.items():
            text = machines.target(app, command).stdout
            assert app in text, f"{look} of {app}'s target could not be read"
            places[f"{look} of {app}'s target"] = text
    assert len(places["the process list"]) > 1000
    assert [place for place, text in places.items() for secret in secrets if secret in text] == []


def test_everything_comes_back_after_a_restart_of_the_node_without_psw(project, machines):
    chat = replace(project.chat(), patience=30)  # a question may get lost while the house wakes up
    assert chat.models().status == 200
    subprocess.run([sys.executable, "-m", "lab", "restart", "--name", project.lab.name], check=True, capture_output=True)
    deadline, status = time.monotonic() + 180, 0
    while status != 200 and time.monotonic() < deadline:
        time.sleep(2)
        try:
            status = chat.ask(MODEL, "Hello?").status
        except OSError:
            continue
    assert status == 200
    assert not answers_on_the_engines_port(project.address("ollama"))


@pytest.mark.skipif(not os.environ.get("PSW_FULL"), reason="a first converge takes two minutes, and Molecule does it role by role: PSW_FULL=1 does it whole")
def test_plain_ansible_playbook_does_from_nothing_what_the_cli_does(project, machines):
    machines.forget_everything()
    plain_ansible_playbook(project)
    assert changed(project.json("deploy", "converge")) == 0
    assert project.chat().ask(MODEL, "Hello?").status == 200
