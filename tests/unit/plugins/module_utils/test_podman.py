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


def test_whoever_has_a_container_of_an_image_uses_it():
    listed = [
        {"Id": "c1", "Labels": {"PODMAN_SYSTEMD_UNIT": "a.service"}, "State": "exited", "ImageID": "1"},
        {"Id": "c2", "Labels": None, "State": "created", "ImageID": "1"},
    ]
    assert _podman.parse_users(json.dumps(listed)) == {"1": {"a.service", "c2"}}
    assert _podman.parse_users("") == {}


@pytest.mark.parametrize(("rc", "harmless"), [(0, True), (1, True), (2, True), (125, False)])
def test_an_image_that_is_gone_or_used_meanwhile_is_no_failure(monkeypatch, rc, harmless):
    monkeypatch.setattr(_podman, "run", lambda _argv, **_more: Done(rc, "", "Error: no room for a note\n"))
    if harmless:
        _podman.remove_image("x")
    else:
        with pytest.raises(PswModuleError, match="image x, which no app uses any more, cannot be removed: Error: no room"):
            _podman.remove_image("x")
