# SPDX-License-Identifier: GPL-3.0-or-later
"""What podman is told about registries, storage and logs."""

import tomllib

MIRRORS = [
    {"registry": "docker.io", "mirror": "cache.home.example:5000/docker.io"},
    {"registry": "ghcr.io", "mirror": "192.0.2.9:5000", "insecure": True},
    {"registry": "docker.io", "mirror": "mirror.example"},
]


def settings(role, template, **given):
    return tomllib.loads(role("container_host", **given).template(template))


def test_an_image_without_a_registry_is_asked_for_nowhere(role):
    assert settings(role, "registries.conf.j2") == {"unqualified-search-registries": [], "short-name-mode": "enforcing"}


def test_mirrors_are_asked_in_their_order_and_images_keep_their_names(role):
    told = settings(role, "registries.conf.j2", container_host_mirrors=MIRRORS)
    assert told["unqualified-search-registries"] == []
    docker = [{"location": "cache.home.example:5000/docker.io", "insecure": False}, {"location": "mirror.example", "insecure": False}]
    ghcr = [{"location": "192.0.2.9:5000", "insecure": True}]
    assert told["registry"] == [
        {"prefix": "docker.io", "location": "docker.io", "mirror": docker},
        {"prefix": "ghcr.io", "location": "ghcr.io", "mirror": ghcr},
    ]


def test_storage_has_a_driver_of_its_own_choice_so_that_podman_makes_none(role):
    assert settings(role, "storage.conf.j2")["storage"]["driver"] == "overlay"


def test_containers_run_with_crun_and_log_to_the_journal(role):
    told = settings(role, "containers.conf.j2")
    assert (told["engine"]["runtime"], told["containers"]["log_driver"], told["network"]["network_backend"]) == ("crun", "journald", "netavark")


def test_the_journal_has_a_limit(role):
    assert "\nSystemMaxUse=500M\n" in role("container_host").template("journald.conf.j2")


def test_nothing_updates_images_by_itself(role):
    units = {unit["name"]: unit for unit in role("container_host").value("__container_host_units")}
    assert units["podman-auto-update.timer"] == {"name": "podman-auto-update.timer", "masked": True, "state": "stopped"}
    assert units["podman-auto-update.service"]["masked"]
    assert units["podman.socket"] == {"name": "podman.socket", "enabled": False, "state": "stopped"}
