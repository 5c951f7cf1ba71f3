# SPDX-License-Identifier: GPL-3.0-or-later
"""A home of one's own, and projects in it."""

import pytest
from ansible_collections.psw.ai.plugins.plugin_utils._project import Project, init_project

NVIDIA = {
    "schema": 1,
    "node": "pve1",
    "recorded_at": "2026-11-22T10:00:00Z",
    "kernel": "6.17.2-1-pve",
    "secure_boot": "disabled",
    "vendor": "nvidia",
    "gpus": [{"address": "0000:01:00.0", "id": "10de:2503", "name": "GeForce RTX 3060", "usable_mib": 12288}],
    "nvidia": {"branch": "580", "driver_version": "580.159.04", "devices": ["/dev/nvidia0", "/dev/nvidiactl"]},
}
AMD = {
    **{key: value for key, value in NVIDIA.items() if key != "nvidia"},
    "vendor": "amd",
    "gpus": [{"address": "0000:03:00.0", "id": "1002:744c", "name": "Radeon RX 7900 XTX", "usable_mib": 24560}],
    "amd": {"gfx": "gfx1100", "devices": ["/dev/kfd", "/dev/dri/renderD128"]},
}


@pytest.fixture(autouse=True)
def home(tmp_path_factory, monkeypatch):
    """No test sees the identities of whoever runs it, or a lock that is theirs."""
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(home))
    for name in ("XDG_CONFIG_HOME", "SOPS_AGE_KEY", "SOPS_AGE_KEY_FILE", "PSW_LOCK_HELD"):
        monkeypatch.delenv(name, raising=False)
    return home


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A new project, which is also the current directory."""
    created = init_project(tmp_path / "my home", "home.example")
    monkeypatch.chdir(created.project.path)
    return created.project


@pytest.fixture
def ready(project):
    """A project with a node whose GPU is recorded, and the stack @ai."""
    project.add_node("pve1", "192.0.2.10")
    project.add_apps(["@ai"])
    project.write_record("pve1", NVIDIA)
    return Project.open(project.path)
