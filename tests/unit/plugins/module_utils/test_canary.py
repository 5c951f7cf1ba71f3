# SPDX-License-Identifier: GPL-3.0-or-later
"""The canary: what it stands on, and which layer it names."""

import os

import pytest
from ansible_collections.psw.ai.plugins.module_utils import _canary
from ansible_collections.psw.ai.plugins.module_utils._errors import PswModuleError
from ansible_collections.psw.ai.plugins.module_utils._programs import Done

DRIVER = "580.159.04"
SPEC = f"cdiVersion: 0.5.0\nkind: nvidia.com/gpu\nhostPath: /usr/lib/x86_64-linux-gnu/libcuda.so.{DRIVER}\n"
IMAGE = "docker.io/psw/engine:1"
SAID = [
    ("Error: setting up CDI devices: unresolvable CDI devices nvidia.com/gpu=all", "CDI"),
    ("Error: crun: executable file `nvidia-smi` not found in $PATH: No such file or directory: OCI runtime attempted to invoke a command", "CDI"),
    ("Failed to initialize NVML: Driver/library version mismatch", "userspace"),
    ("sh: 1: cannot open /dev/dri/renderD128: Permission denied", "gid"),
    ("Error: stat /dev/kfd: no such file or directory", "device node"),
    ("Error: crun: mount `proc` to `proc`: Operation not permitted: OCI permission denied", "crun"),
    ("exec /bin/sh: exec format error", "image"),
    ("Killed", "image or podman"),
]


@pytest.fixture
def target(tmp_path):
    """A target on which everything fits, as far as can be seen from it."""
    texts = {
        "proc/driver/nvidia/version": f"NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  {DRIVER}  Release Build\n",
        f"usr/lib/x86_64-linux-gnu/libcuda.so.{DRIVER}": "",
        "etc/cdi/nvidia.yaml": SPEC,
        "usr/bin/podman": "podman",
        "usr/bin/crun": "crun",
        **dict.fromkeys(("dev/nvidia0", "dev/nvidiactl", "dev/nvidia-uvm"), ""),
    }
    for path, text in texts.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    return tmp_path


def ground(target, image="1"):
    return _canary.stands_on(image, ["/dev/nvidia0"], str(target))


@pytest.mark.parametrize(("said", "named"), SAID)
def test_the_layer_follows_from_what_the_container_said(target, said, named):
    with pytest.raises(PswModuleError, match=f"The layer that is wrong is the {named}: ") as failed:
        _canary.judge("nvidia", Done(125, "", said), DRIVER, str(target))
    assert said in str(failed.value)


def test_what_can_be_seen_from_the_target_is_named_before_what_the_container_said(target):
    (target / "dev/nvidia-uvm").unlink()
    with pytest.raises(PswModuleError, match="is the node or gid: /dev/nvidia-uvm cannot be used"):
        _canary.judge("nvidia", Done(125, "", "unresolvable CDI devices"), DRIVER, str(target))


def test_another_version_inside_than_loaded_is_the_userspace():
    with pytest.raises(PswModuleError, match=r"userspace: the node runs NVIDIA 580\.159\.04, and a container sees 580\.126\.09"):
        _canary.judge("nvidia", Done(0, "580.126.09\n580.126.09\n", ""), DRIVER)


def test_the_same_version_on_every_card_is_fine():
    _canary.judge("nvidia", Done(0, f"{DRIVER}\n{DRIVER}\n", ""), DRIVER)
    _canary.judge("amd", Done(0, "", ""), None)


@pytest.mark.parametrize("path", ["etc/cdi/nvidia.yaml", "usr/bin/podman", "usr/bin/crun", "dev/nvidia0", "proc/driver/nvidia/version"])
def test_it_runs_again_when_something_it_stands_on_is_gone_or_new(target, path):
    before = ground(target)
    assert ground(target) == before
    (target / path).unlink()
    assert ground(target) != before


def test_another_image_and_another_mode_are_other_grounds(target):
    before = ground(target)
    assert ground(target, image="2") != before
    (target / "dev/nvidia0").chmod(0o600)
    assert ground(target) != before


def test_it_passed_only_on_the_ground_that_is_noted(target, tmp_path, monkeypatch):
    monkeypatch.setattr(_canary, "STAMP", str(tmp_path / "canary.json"))
    assert not _canary.passed(ground(target))
    _canary.note(ground(target))
    assert _canary.passed(ground(target))
    assert not _canary.passed(ground(target, image="2"))
    (tmp_path / "canary.json").write_text("{half")
    assert not _canary.passed(ground(target))


def test_nvidia_is_asked_for_its_version_and_of_others_each_node_is_opened():
    nvidia = _canary.command("nvidia", IMAGE, ["/dev/nvidia0"])
    assert {"--device=nvidia.com/gpu=all", "--entrypoint=nvidia-smi"} <= set(nvidia)
    assert nvidia[-3:] == [IMAGE, "--query-gpu=driver_version", "--format=csv,noheader"]
    amd = _canary.command("amd", IMAGE, ["/dev/kfd", "/dev/dri/renderD128"])
    assert {"--device=/dev/kfd", "--device=/dev/dri/renderD128", "--entrypoint=/bin/sh", "--pull=never"} <= set(amd)
    assert amd[-3:] == ["sh", "/dev/kfd", "/dev/dri/renderD128"]
    assert [word for word in amd if "group" in word] == []


def test_an_image_that_does_not_run_as_root_is_let_into_the_groups_of_the_nodes(target):
    for path, group in (("dev/kfd", 993), ("dev/dri/renderD128", 993), ("dev/nvidia0", 0)):
        (target / path).parent.mkdir(exist_ok=True)
        (target / path).touch()
        os.chown(target / path, 0, group)
    groups = _canary.owners(["/dev/kfd", "/dev/dri/renderD128", "/dev/nvidia0", "/dev/gone"], str(target))
    assert groups == [993]
    words = _canary.command("amd", IMAGE, ["/dev/kfd"], groups)
    assert words.index("--group-add=993") < words.index(IMAGE)
