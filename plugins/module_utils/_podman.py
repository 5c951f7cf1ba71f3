# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""podman: what is there of images, secrets and containers, and the commands that change it; private to the collection."""

from __future__ import annotations

import json
from typing import NamedTuple

from ansible_collections.psw.ai.plugins.module_utils._errors import PswModuleError
from ansible_collections.psw.ai.plugins.module_utils._programs import last_lines, run

# How `podman image rm` ends where there is nothing to do.
_NO_SUCH, _IN_USE = 1, 2


class Container(NamedTuple):
    """A running container: the ID of its image and its first process."""

    image: str
    pid: int


def is_here():
    """Tell whether this machine has podman."""
    import shutil  # noqa: PLC0415 - takes long to load, and is asked in check mode alone

    return shutil.which("podman") is not None


def secrets_command(names):
    """Return the command that tells the values of these secrets, None for none; it speaks of those that exist and fails for the others."""
    return ["podman", "secret", "inspect", "--showsecret", *list(names)] if names else None


def parse_secrets(text):
    """Return {name: value} of the secrets that exist."""
    return {entry["Spec"]["Name"]: entry.get("SecretData", "") for entry in json.loads(text or "[]")}


def containers_command():
    """Return the command that lists all containers."""
    return ["podman", "ps", "--all", "--format=json"]


def parse_containers(text):
    """Return {service: its running container}; quadlet leaves the service's name as a label."""
    containers = {}
    for entry in json.loads(text or "[]"):
        service = (entry.get("Labels") or {}).get("PODMAN_SYSTEMD_UNIT")
        if service and entry.get("State") == "running":
            containers[service] = Container(entry.get("ImageID", ""), entry.get("Pid", 0))
    return containers


def parse_users(text):
    """Return {image ID: its containers}, running or not: each by its service, or by its own ID when no service made it."""
    users = {}
    for entry in json.loads(text or "[]"):
        user = (entry.get("Labels") or {}).get("PODMAN_SYSTEMD_UNIT") or entry.get("Id", "")
        users.setdefault(entry.get("ImageID", ""), set()).add(user)
    return users


# What an app may rely on of podman itself, and where `podman info` tells it.
_SELF = {"storage_driver": ".Store.GraphDriverName", "network_backend": ".Host.NetworkBackend", "runtime": ".Host.OCIRuntime.Name"}


def self_command(required):
    """Return the command that tells how podman works here, None when nothing is required of it."""
    return ["podman", "info", "--format={{" + "}} {{".join(_SELF.values()) + "}}"] if required else None


def check_self(required, text):
    """Refuse a podman that does not work as required; what is not given does not matter."""
    found = dict(zip(_SELF, text.split()))
    wrong = [f"{key} {found.get(key)!r} instead of {value!r}" for key, value in required.items() if value and found.get(key) != value]
    if wrong:
        advice = "Storage keeps the driver it was first used with: `podman system reset` gives up all images here, and the next run fetches them again."
        raise PswModuleError(f"podman works with {', '.join(wrong)}. {advice}")


def image_command(reference):
    """Return the command that tells the ID of an image, and fails when it is not there."""
    return ["podman", "image", "inspect", "--format={{.Id}}", reference]


def remove_image(reference):
    """Remove an image unless a container has come to use it meanwhile."""
    done = run(["podman", "image", "rm", reference], check=False)
    if done.rc not in (0, _NO_SUCH, _IN_USE):
        raise PswModuleError(f"image {reference}, which no app uses any more, cannot be removed: {last_lines(done.err, 2)}")


def set_secret(name, value):
    """Make or replace a secret; its value goes through stdin, so that no process list ever shows it."""
    run(["podman", "secret", "create", "--replace", name, "-"], stdin=value, doing=f"storing the podman secret {name}")


def remove_secret(name):
    """Remove a secret that may be gone already."""
    run(["podman", "secret", "rm", "--ignore", name], doing=f"removing the podman secret {name}")


def remove_network(name):
    """Remove a network that may be gone already; a container that still uses it is an error that names it."""
    if run(["podman", "network", "exists", name], check=False).rc == 0:
        run(["podman", "network", "rm", name], doing=f"removing the podman network {name}")
