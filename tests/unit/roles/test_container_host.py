# SPDX-License-Identifier: GPL-3.0-or-later
"""What podman is told about registries, storage and logs."""

import tomllib

import pytest

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


def test_the_mirrors_of_a_project_are_those_of_its_psw_yml(role):
    told = settings(role, "registries.conf.j2", psw_registries={"mirrors": MIRRORS[1:2]})
    assert told["registry"] == [{"prefix": "ghcr.io", "location": "ghcr.io", "mirror": [{"location": "192.0.2.9:5000", "insecure": True}]}]


def test_storage_has_a_driver_of_its_own_choice_so_that_podman_makes_none(role):
    assert settings(role, "storage.conf.j2")["storage"]["driver"] == "overlay"


def test_containers_run_with_crun_and_log_to_the_journal(role):
    told = settings(role, "containers.conf.j2")
    assert (told["engine"]["runtime"], told["containers"]["log_driver"], told["network"]["network_backend"]) == ("crun", "journald", "netavark")
    assert told["containers"]["keyring"] is False  # the node has 200 for all its unprivileged containers


def test_the_journal_has_a_limit(role):
    assert "\nSystemMaxUse=500M\n" in role("container_host").template("journald.conf.j2")


def test_nothing_updates_images_by_itself(role):
    units = {unit["name"]: unit for unit in role("container_host").value("__container_host_units")}
    assert units["podman-auto-update.timer"] == {"name": "podman-auto-update.timer", "masked": True, "state": "stopped"}
    assert units["podman-auto-update.service"]["masked"]
    assert units["podman.socket"] == {"name": "podman.socket", "enabled": False, "state": "stopped"}


def on(vendor, *apps, **more):
    target = {"gpu": {"vendor": vendor} if vendor else None}
    record = {"vendor": vendor, "amd": {"devices": ["/dev/kfd", "/dev/dri/renderD128"]}, "nvidia": {"devices": ["/dev/nvidia0"]}, **more}
    return {"psw_apps": list(apps), "psw_target": target, "psw_node": "pve1", "hostvars": {"pve1": {"psw_gpu": record}}}


@pytest.mark.parametrize(
    ("vendor", "more", "tail"), [("nvidia", {}, ":0.32.15"), ("amd", {}, "-rocm"), ("amd", {"amd": {"backend": "vulkan", "devices": []}}, ":0.32.15")]
)
def test_the_canary_is_of_the_first_app_that_wants_a_gpu_for_this_kind_of_gpu(role, vendor, more, tail):
    image = role("container_host", **on(vendor, "caddy", "ollama", **more)).value("container_host_canary_image")
    assert image.startswith("docker.io/ollama/ollama:")
    assert image.endswith(tail)


def test_the_canary_takes_the_image_that_the_user_gave_the_app(role):
    assert (
        role("container_host", ollama_image="house.example/ollama:1", **on("nvidia", "ollama")).value("container_host_canary_image") == "house.example/ollama:1"
    )


def test_without_an_app_that_wants_a_gpu_there_is_no_canary(role):
    assert role("container_host", **on(None, "caddy")).value("container_host_canary_image") == ""
    assert role("container_host", **on(None)).value("container_host_gpu_vendor") == "none"


def test_the_canary_gets_the_nodes_that_the_target_gets(role):
    assert role("container_host", **on("amd", "ollama")).value("container_host_gpu_devices") == ["/dev/kfd", "/dev/dri/renderD128"]
    assert role("container_host", **on(None)).value("container_host_gpu_devices") == []
