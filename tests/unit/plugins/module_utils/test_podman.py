# SPDX-License-Identifier: GPL-3.0-or-later
"""What podman says, and how it is asked."""

import json

import pytest
from ansible_collections.psw.ai.plugins.module_utils import _podman
from ansible_collections.psw.ai.plugins.module_utils._errors import PswModuleError
from ansible_collections.psw.ai.plugins.module_utils._programs import Done

REQUIRED = {"storage_driver": "overlay", "network_backend": "netavark", "runtime": None}


def test_nothing_is_asked_when_nothing_is_required():
    assert _podman.self_command({}) is None
    assert _podman.secrets_command([]) is None


def test_a_podman_as_required_is_accepted_and_what_is_not_given_does_not_matter():
    _podman.check_self(REQUIRED, "overlay netavark runc\n")
    _podman.check_self({}, "")


def test_a_podman_on_vfs_is_refused_with_the_way_out():
    with pytest.raises(PswModuleError, match=r"podman works with storage_driver 'vfs' instead of 'overlay'\. Storage keeps .*`podman system reset`"):
        _podman.check_self(REQUIRED, "vfs netavark crun\n")


def test_only_running_containers_of_services_count():
    listed = [
        {"Labels": {"PODMAN_SYSTEMD_UNIT": "a.service"}, "State": "running", "ImageID": "1", "Pid": 7},
        {"Labels": {"PODMAN_SYSTEMD_UNIT": "b.service"}, "State": "exited", "ImageID": "2"},
        {"Labels": None, "State": "running", "ImageID": "3"},
    ]
    assert _podman.parse_containers(json.dumps(listed)) == {"a.service": _podman.Container("1", 7)}
    assert _podman.parse_containers("") == {}


def test_a_secret_travels_over_stdin_and_never_as_an_argument(monkeypatch):
    calls = []
    monkeypatch.setattr(_podman, "run", lambda argv, **more: calls.append((argv, more)) or Done(0, "", ""))
    _podman.set_secret("db_password", "s3cr3t")
    ((argv, more),) = calls
    assert more["stdin"] == "s3cr3t"
    assert "s3cr3t" not in " ".join(argv)
    assert "s3cr3t" not in more["doing"]


def test_secrets_are_read_by_name():
    told = [{"Spec": {"Name": "a"}, "SecretData": "x"}, {"Spec": {"Name": "b"}, "SecretData": ""}]
    assert _podman.parse_secrets(json.dumps(told)) == {"a": "x", "b": ""}
    assert _podman.parse_secrets("[]\n") == {}


def test_an_image_that_does_not_come_says_that_nothing_changed(monkeypatch):
    monkeypatch.setattr(_podman, "run", lambda _argv, **_more: Done(125, "", "Error: initializing source docker://x: connection refused\n"))
    with pytest.raises(PswModuleError, match=r"image x cannot be pulled: Error: .*connection refused\nNothing else was changed\. Run again"):
        _podman.pull("x")
