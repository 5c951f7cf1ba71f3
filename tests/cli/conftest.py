"""What the tests of the command line share: psw as a function, and projects to use it on."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from psw_cli.main import main

RECORD = """\
schema: 1
node: pve1
recorded_at: "2026-11-22T10:00:00Z"
kernel: 6.17.2-1-pve
secure_boot: disabled
vendor: nvidia
gpus:
  - {address: "0000:01:00.0", id: "10de:2503", name: GeForce RTX 3060, arch: Ampere, integrated: false,
     vram_mib: 12288, usable_mib: 12288, vram_source: driver}
nvidia: {branch: "580", driver_version: 580.159.04, source: run, kernel_modules: open, toolkit_version: 1.20.0,
  cdi_spec: /etc/cdi/nvidia.yaml, devices: [/dev/nvidia0, /dev/nvidiactl]}
"""
PSW_YML = """\
schema: 1
domain: home.example
nodes:
  pve1: {host: 192.0.2.10} # the box under the stairs
apps: [ollama, openwebui]
"""


LOCAL = """\
ansible_connection: local
ansible_host: 127.0.0.1
ansible_python_interpreter: /usr/bin/python3
"""
MESSAGES = Path(__file__).parents[2] / "docs" / "messages.md"


@pytest.fixture(autouse=True)
def _own_world(tmp_path, monkeypatch):
    """Each test has its own current directory and age identity, and nothing of the developer's."""
    for name in ("PSW_PROJECT", "SOPS_AGE_KEY", "SOPS_AGE_KEY_CMD", "ANSIBLE_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SOPS_AGE_KEY_FILE", str(tmp_path / "age" / "keys.txt"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))  # where sops looks as well
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)


@pytest.fixture
def psw():
    """Run psw as its users do; a bug shows as the exception that it is."""

    def run(*args, **options):
        return CliRunner().invoke(main, [str(arg) for arg in args], catch_exceptions=False, **options)

    return run


@pytest.fixture
def psw_json(psw):
    """Run psw with --json; return the exit code and the one object on stdout."""

    def run(*args):
        answer = psw("--json", *args)
        return answer.exit_code, json.loads(answer.stdout)

    return run


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project in the current directory with one node, a recorded GPU and the stack @ai."""
    path = tmp_path / "my-home"
    (path / "nodes" / "pve1").mkdir(parents=True)
    (path / "psw.yml").write_text(PSW_YML)
    (path / "nodes" / "pve1" / "gpu.yml").write_text(RECORD)
    monkeypatch.chdir(path)
    return path


@pytest.fixture
def edit(project):
    """Replace a piece of a project file that must be there."""

    def replace(name, old, new):
        file = Path(project, name)
        text = file.read_text()
        assert old in text
        file.write_text(text.replace(old, new))

    return replace


@pytest.fixture
def documented(tmp_path):
    """Say whether docs/messages.md shows a message, whatever the paths, times and process ids are."""

    def shown(text):
        for path in (tmp_path / "here", tmp_path):
            text = text.replace(str(path), "/home/me")
        text = re.sub(r"pid \d+, since [\d:]+", "pid 4242, since 20:15:00", text)
        text = re.sub(r"\d{8}T\d{6}Z-deploy-converge(-\d)?", "20261122T201500Z-deploy-converge", text)
        return f"```text\n{text.strip()}\n```\n" in MESSAGES.read_text(encoding="utf-8")

    return shown


@pytest.fixture
def on_this_machine(project):
    """Let Ansible take this machine for a node or target."""

    def pretend(*names):
        (project / "host_vars").mkdir(exist_ok=True)
        for name in names:
            (project / "host_vars" / f"{name}.yml").write_text(LOCAL)

    return pretend
