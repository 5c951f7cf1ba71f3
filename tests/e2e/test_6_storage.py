# SPDX-License-Identifier: GPL-3.0-or-later
"""Where models lie when the node is not as it should be: said before anything changes, and done when the user has decided."""

import json
import os
import re
import subprocess

import pytest

from lab.lab import down, up
from lab.project import LabProject
from lab.state import NODE

from .conftest import NAME

pytestmark = pytest.mark.e2e
LAB = f"{NAME}-storage"


@pytest.fixture(scope="module")
def home():
    """A house whose node lost its pool, and has an NFS share and a disk with a plain file system."""
    if os.geteuid() != 0:
        pytest.skip("the lab needs root")
    down(LAB)  # what a killed run may have left
    project = LabProject(up(LAB, "rtx_3060", upstream_images=True))  # no image is pulled here
    project.make("@ai")
    shell(project, 'zpool list; echo \'{"pools": {}, "datasets": {}, "txg": 10}\' >/var/lib/psw-lab/datasets/zfs.json')
    shell(project, "mkdir /mnt/fast; pvesm add dir fast --path /mnt/fast; pvesm add nfs nas --server 192.0.2.5 --export /srv")
    project.run("node", "setup-gpu", NODE)
    yield project
    if not os.environ.get("PSW_KEEP_LAB"):
        down(LAB)


def shell(project, script):
    options = ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR"]
    command = ["ssh", *options, "-i", project.lab.key, f"root@{project.lab.node_address}", script]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=300).stdout


def converge(project, *options):
    done = project.run("deploy", "converge", "--tags", "targets", "--json", *options, check=False)
    return done.returncode, json.loads(done.stdout)


def wish(project, models):
    file = project.path / "psw.yml"
    lines = [line for line in file.read_text(encoding="utf-8").splitlines() if not line.startswith("storage:")]
    file.write_text("\n".join([*lines, f"storage: {{models: {models}}}", ""]), encoding="utf-8")


@pytest.mark.parametrize(
    ("models", "code", "said"),
    [
        ("{pool: auto}", "no_pool", "storage nas (nfs) is on the network"),
        ("{pool: tank}", "pool_unfit", "there is no ZFS pool tank on this node"),
        ("{storage: nas}", "storage_unfit", "storage nas (nfs) is on the network"),
        ("{storage: fsat, quota: 50G}", "storage_unfit", "did you mean fast?"),
        ("{storage: fast, quota: 50T}", "storage_unfit", "storage fast has 100G free of the 51200G needed"),
    ],
)
def test_a_place_that_will_not_do_is_refused_before_anything_is_made(home, models, code, said):
    wish(home, models)
    for check in (("--check",), ()):
        status, answer = converge(home, *check)
        assert (status, answer["refusal"]["code"]) == (3, code)
        assert said in f"{answer['refusal']['message']}; {answer['refusal']['hint']}"
    assert shell(home, "pct list; ls /mnt/fast; zfs list -H") == ""
    assert not (home.path / "secrets" / "apps.yml").exists()


@pytest.mark.parametrize(
    ("storage", "mount", "lost"),
    [
        ("fast", "mp0: /mnt/fast/psw-models,mp=/srv/models,replicate=0", "no quota: models and whatever else is in /mnt/fast (overlay) can fill it"),
        ("local-lvm", r"mp0: local-lvm:vm-\d+-disk-\d+,backup=0,mp=/srv/models,size=50G", "it is destroyed together with the container"),
    ],
)
def test_a_storage_that_was_named_is_used_and_what_is_lost_is_said(home, storage, mount, lost):
    shell(home, "for vmid in $(pct list | awk 'NR > 1 {print $1}'); do pct stop $vmid; pct destroy $vmid --purge 1; done")
    wish(home, f"{{storage: {storage}, quota: 50G}}")
    status, answer = converge(home)
    assert status == 0, answer
    models, *roots = answer["warnings"]
    assert f"psw-models is on storage {storage} and not on ZFS: {lost}" in models
    assert sorted(said.partition(";")[0] for said in roots) == [f"the root disk of {target} goes to fast" for target in ("psw-ai", "psw-core")]
    assert re.search(mount, shell(home, "cat /etc/pve/lxc/*.conf"))
    status, again = converge(home)
    assert (status, again["changed"]) == (0, 0)
