# SPDX-License-Identifier: GPL-3.0-or-later
"""What the apps' units promise, read from the rendered text."""

import ipaddress
import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml

REPO = Path(__file__).parents[3]
UNITS = [(role.name, unit.name) for role in sorted((REPO / "roles").iterdir()) for unit in sorted(role.glob("templates/*.container.j2"))]
OPENWEBUI = "openwebui.container.j2"


def in_the_house(url):
    host = urlsplit(url).hostname
    if not host:
        return False
    try:
        return ipaddress.ip_address(host).is_private
    except ValueError:
        return "." not in host or host.endswith((".lan", ".local", ".home.arpa"))


def published(text):
    return [line.partition("=")[2] for line in text.splitlines() if line.startswith("PublishPort=")]


def test_there_are_units_to_look_at():
    assert len(UNITS) >= 4


@pytest.mark.parametrize(("name", "unit"), UNITS)
def test_no_secret_value_is_in_a_unit(role, name, unit):
    assert role.secret not in role(name).template(unit)


@pytest.mark.parametrize(("name", "unit"), UNITS)
def test_a_unit_runs_the_pinned_image_and_comes_back_after_a_reboot(role, name, unit):
    text = role(name).template(unit)

    assert f"Image={role(name).value(f'{name}_image')}\n" in text
    assert "Pull=never\n" in text  # what a start may take is no time for gigabytes: psw pulls before, with progress
    assert "WantedBy=multi-user.target\n" in text
    assert "Restart=always\n" in text


@pytest.mark.parametrize(("name", "unit"), UNITS)
def test_a_crash_leaves_neither_secrets_nor_what_was_said_in_a_core_dump(role, name, unit):
    sections = {section.partition("]")[0]: section.splitlines() for section in role(name).template(unit).split("\n[")[1:]}

    assert "Ulimit=core=0" in sections["Container"]  # whatever runs in the container, also by `podman exec`
    assert "LimitCORE=0" in sections["Service"]  # podman itself


@pytest.mark.parametrize(("name", "unit"), UNITS)
def test_every_privacy_switch_of_the_catalogue_is_in_the_unit(role, name, unit):
    promised = yaml.safe_load((REPO / f"catalog/apps/{name}.yml").read_text())["privacy"]

    assert promised.items() <= role(name).environment(unit).items()


@pytest.mark.parametrize(
    ("name", "variable"), [("ollama", "OLLAMA_NO_CLOUD"), ("openwebui", "OFFLINE_MODE"), ("openwebui", "ENABLE_API_KEYS_ENDPOINT_RESTRICTIONS")]
)
def test_a_users_setting_cannot_take_back_a_promise(role, name, variable):
    mine = role(name, **{f"{name}_environment": {variable: "mine", "MY_OWN": "kept"}}).environment(f"{name}.container.j2")

    assert mine[variable] != "mine"
    assert mine["MY_OWN"] == "kept"


def test_the_guides_way_to_keep_a_setting_of_open_webui_reaches_its_environment(role):
    guide = (REPO / "docs/project.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"# services/openwebui/defaults.yml\n(.*?)```", guide, re.DOTALL)
    given = yaml.safe_load(example)["openwebui_environment"]
    assert set(given) == {"DEFAULT_LOCALE", "DEFAULT_MODELS"}
    assert role("openwebui", openwebui_environment=given).environment(OPENWEBUI).items() >= given.items()


@pytest.mark.parametrize(("name", "ports"), [("openwebui", []), ("postgres", []), ("ollama", ["11434:11434"]), ("caddy", ["80:80", "443:443", "443:443/udp"])])
def test_only_the_front_door_and_the_engine_publish_ports(role, name, ports):
    assert published(role(name).template(f"{name}.container.j2")) == ports


def test_openai_connections_are_off_while_no_local_engine_needs_them(role):
    assert role("openwebui").environment(OPENWEBUI)["ENABLE_OPENAI_API"] == "false"


def test_openai_connections_are_on_for_a_local_engine(role):
    found = role("openwebui", openwebui_openai_engines=["http://vllm:8000/v1"]).environment(OPENWEBUI)

    assert (found["ENABLE_OPENAI_API"], found["OPENAI_API_BASE_URLS"], found["OPENAI_API_KEYS"]) == ("true", "http://vllm:8000/v1", "local")


@pytest.mark.parametrize("engines", [[], ["http://vllm:8000/v1"], ["http://vllm:8000/v1", "http://192.0.2.40:8000/v1"]])
def test_every_openai_type_url_is_in_the_house(role, engines):
    found = role("openwebui", openwebui_openai_engines=engines).environment(OPENWEBUI)
    urls = {name: value.split(";") for name, value in found.items() if "OPENAI" in name and "BASE_URL" in name}

    assert len(urls) == 8
    assert [name for name, values in urls.items() if not all(in_the_house(url) for url in values)] == []


def test_a_cloud_as_an_engine_is_refused(role):
    with pytest.raises(Exception, match=r"api\.openai\.com"):
        role("openwebui", openwebui_openai_engines=["https://api.openai.com/v1"]).environment(OPENWEBUI)


def test_the_first_account_exists_before_the_port_answers(role):
    text = role("openwebui").template(OPENWEBUI)

    assert role("openwebui").environment(OPENWEBUI)["WEBUI_ADMIN_EMAIL"] == "admin@home.example"
    assert "Secret=openwebui_admin_password,type=env,target=WEBUI_ADMIN_PASSWORD\n" in text


def test_nobody_can_sign_up(role):
    found = role("openwebui").environment(OPENWEBUI)

    assert (found["ENABLE_SIGNUP"], found["ENABLE_INITIAL_ADMIN_SIGNUP"], found["ENABLE_PERSISTENT_CONFIG"]) == ("false", "false", "false")


def test_a_key_opens_two_endpoints_to_members_of_the_service_group_and_nothing_else(role):
    confinement = role("openwebui").value("__openwebui_confinement")

    assert confinement == {
        "ENABLE_API_KEYS": "true",
        "ENABLE_API_KEYS_ENDPOINT_RESTRICTIONS": "true",
        "API_KEYS_ALLOWED_ENDPOINTS": "/api/models,/api/chat/completions",
        "USER_PERMISSIONS_FEATURES_API_KEYS": "false",
        "BYPASS_MODEL_ACCESS_CONTROL": "true",
        "OAUTH_MERGE_ACCOUNTS_BY_EMAIL": "false",
        "OAUTH_BLOCKED_GROUPS": '["psw-service"]',
        "AUDIT_LOG_LEVEL": "METADATA",
        "AUDIT_EXCLUDED_PATHS": "/chats,/folders",
    }
    assert confinement.items() <= role("openwebui").environment(OPENWEBUI).items()


@pytest.mark.parametrize(("usable_mib", "given", "kind"), [(12288, {}, "f16"), (8192, {}, "q8_0"), (8192, {"ollama_kv_cache": "q4_0"}, "q4_0")])
def test_context_is_kept_the_best_way_that_fits_and_as_the_user_says(role, usable_mib, given, kind):
    record = {"nvidia": {}, "gpus": [{"address": "0000:01:00.0", "usable_mib": usable_mib}]}
    house = {"psw_node": "pve1", "hostvars": {"pve1": {"psw_gpu": record}}, "ollama_models": ["qwen3:8b", "unknown:1b"]}

    assert role("ollama", **house, **given).environment("ollama.container.j2")["OLLAMA_KV_CACHE_TYPE"] == kind


@pytest.mark.parametrize("name", ["registry.ollama.ai/library/qwen3:8b", "library/qwen3:8b"])
def test_a_model_is_known_by_any_name_that_means_it(role, name):
    record = {"nvidia": {}, "gpus": [{"address": "0000:01:00.0", "usable_mib": 8192}]}
    house = {"psw_node": "pve1", "hostvars": {"pve1": {"psw_gpu": record}}, "ollama_models": [name]}

    assert role("ollama", **house).environment("ollama.container.j2")["OLLAMA_KV_CACHE_TYPE"] == "q8_0"


@pytest.mark.parametrize(("flash_attention", "needs"), [(True, 4983 + 648 + 1024), (False, 4983 + 2304 + 1024)])
def test_context_that_cannot_be_quantised_is_reckoned_with_as_it_is_kept(role, flash_attention, needs):
    found = role("ollama", ollama_kv_cache="q4_0", ollama_flash_attention=flash_attention).value("__ollama_needs")

    assert found["qwen3:8b"] == needs


def test_openwebui_finds_the_engine_on_the_other_target(role):
    assert role("openwebui").environment(OPENWEBUI)["OLLAMA_BASE_URLS"] == "http://192.0.2.31:11434"


def test_an_address_of_ipv6_stands_in_brackets(role):
    hosts = {name: {"ansible_host": "2001:db8::31"} for name in ("psw-ai", "psw-core")}
    vhosts = [{"app": "wiki", "name": "wiki", "port": 80, "target": "psw-ai"}]

    assert role("openwebui", hostvars=hosts).environment(OPENWEBUI)["OLLAMA_BASE_URLS"] == "http://[2001:db8::31]:11434"
    assert "reverse_proxy [2001:db8::31]:80 {" in role("caddy", hostvars=hosts, psw_vhosts=vhosts).template("Caddyfile.j2")


def test_only_its_own_page_may_ask_from_a_browser(role):
    assert role("openwebui").environment(OPENWEBUI)["CORS_ALLOW_ORIGIN"] == "https://chat.home.example"


def test_a_database_password_fits_into_the_address_whatever_is_in_it(role):
    found = role("openwebui", openwebui_database_password="p@ss/w:rd").value("__openwebui_database_url")

    assert found == "postgresql://openwebui:p%40ss%2Fw%3Ard@postgres:5432/openwebui"


def test_ollama_takes_the_gpu_through_cdi_after_its_spec_is_made(role):
    text = role("ollama").template("ollama.container.j2")

    assert "AddDevice=nvidia.com/gpu=all\n" in text
    assert "After=psw-nvidia-cdi.service\n" in text


def test_ollamas_switches_are_numbers_because_it_takes_any_word_for_true(role):
    found = role("ollama").environment("ollama.container.j2")

    assert {found[name] for name in ("OLLAMA_NO_CLOUD", "OLLAMA_NOHISTORY", "OLLAMA_FLASH_ATTENTION")} == {"1"}
    assert found["OLLAMA_DEBUG_LOG_REQUESTS"] == "0"


def test_a_new_engine_starts_with_the_models_of_the_catalogue(role):
    catalogue = yaml.safe_load((REPO / "catalog/models.yml").read_text())

    assert role("ollama").value("ollama_models") == catalogue["starter"]
    assert set(catalogue["starter"]) <= set(catalogue["models"])


def test_an_engine_without_a_gpu_gets_no_device(role):
    assert "AddDevice" not in role("ollama", psw_target={"gpu": None}).template("ollama.container.j2")


def test_the_front_door_shows_what_the_plan_says_and_nothing_else(role):
    vhosts = [{"app": "wiki", "name": "wiki", "port": 80, "target": "psw-ai"}, *role("caddy").variables["psw_vhosts"]]
    text = role("caddy", psw_vhosts=vhosts).template("Caddyfile.j2")

    assert [line.split()[0] for line in text.splitlines() if line.endswith(" {") and not line.startswith("\t")] == ["chat.home.example", "wiki.home.example"]
    assert "reverse_proxy openwebui:8080 {" in text
    assert "reverse_proxy 192.0.2.31:80 {" in text
    assert text.count("flush_interval -1") == 2
    assert text.count("tls internal") == 2


def test_the_network_waits_for_the_directory_that_podman_keeps_network_namespaces_in(role):
    text = role("container_host").template("network.j2")

    assert "After=user-runtime-dir@0.service\n" in text
    assert "/var/lib/systemd/linger/root" in [file["path"] for file in role("container_host").variables["__container_host_files"]]


def on(vendor, **about):
    """An engine's target on a node with such a record."""
    house = {"psw-ai": {"ansible_host": "192.0.2.31"}, "psw-core": {"ansible_host": "192.0.2.32"}, "pve1": {"psw_gpu": {"vendor": vendor, vendor: about}}}
    return {"psw_target": {"gpu": {"vendor": vendor}}, "psw_node": "pve1", "hostvars": house}


@pytest.mark.parametrize(
    ("record", "devices", "is_rocm"),
    [
        (on("amd", backend="rocm", devices=["/dev/kfd", "/dev/dri/renderD128"]), ["/dev/kfd", "/dev/dri/renderD128"], True),
        (on("amd", devices=["/dev/kfd"]), ["/dev/kfd"], True),
        (on("amd", backend="vulkan", devices=["/dev/dri/renderD129"]), ["/dev/dri/renderD129"], False),
        (on("intel", devices=["/dev/dri/renderD129"]), ["/dev/dri/renderD129"], False),
        (on("nvidia", devices=["/dev/nvidia0"]), ["nvidia.com/gpu=all"], False),
    ],
)
def test_ollamas_image_and_devices_follow_the_record(role, record, devices, is_rocm):
    text = role("ollama", **record).template("ollama.container.j2")

    assert [line.partition("=")[2] for line in text.splitlines() if line.startswith("AddDevice=")] == devices
    assert text.partition("Image=")[2].splitlines()[0].endswith("-rocm") is is_rocm


@pytest.mark.parametrize(
    ("vendor", "devices", "groups", "added"),
    [
        ("amd", ["/dev/kfd", "/dev/dri/renderD128"], {"video": 44, "render": 993}, ["993"]),
        ("intel", ["/dev/dri/renderD128"], {"video": 44, "render": 105}, ["105"]),
        ("nvidia", ["/dev/nvidia0"], {"video": 44, "render": 993}, []),  # whose nodes are open to all
    ],
)
def test_ollama_is_a_member_of_the_group_that_its_devices_belong_to_in_the_target(role, vendor, devices, groups, added):
    text = role("ollama", **on(vendor, devices=devices), lxc_target_groups=groups).template("ollama.container.j2")

    assert [line.partition("=")[2] for line in text.splitlines() if line.startswith("GroupAdd=")] == added


@pytest.mark.parametrize("groups", [{}, {"ollama_gpu_groups": [993]}])
def test_outside_of_a_project_ollama_gets_the_devices_and_groups_that_it_is_given(role, groups):
    text = role("ollama", ollama_gpu_vendor="amd", ollama_gpu_devices=["/dev/kfd"], **groups).template("ollama.container.j2")

    assert [line for line in text.splitlines() if line.startswith(("AddDevice=", "GroupAdd="))] == ["AddDevice=/dev/kfd", *(["GroupAdd=993"] if groups else [])]


def test_a_card_pretends_to_be_another_one_only_where_that_is_recorded(role):
    def override(**about):
        return role("ollama", **on("amd", devices=["/dev/kfd"], **about)).environment("ollama.container.j2").get("HSA_OVERRIDE_GFX_VERSION")

    assert (override(gfx_override="10.3.0"), override()) == ("10.3.0", None)


PORT = "psw-ollama-port.nft.j2"
OF_ITS_OWN = ['iifname "lo" accept', 'iifname "podman*" accept']


def let_in(text):
    return [line.strip() for line in text.splitlines() if line.strip().endswith(" accept")]


def test_the_engines_port_is_open_to_the_targets_of_apps_that_need_it(role):
    groups = {"app_ollama": ["psw-ai"], "app_openwebui": ["psw-core"], "app_postgres": ["psw-other"]}
    hosts = {"psw-ai": {"ansible_host": "192.0.2.31"}, "psw-core": {"ansible_host": "192.0.2.32"}, "psw-other": {"ansible_host": "192.0.2.33"}}
    text = role("ollama", psw_planned_apps=["ollama", "openwebui", "postgres"], groups=groups, hostvars=hosts).template(PORT)

    assert let_in(text) == [*OF_ITS_OWN, "ip saddr 192.0.2.32 accept"]
    assert text.index("tcp dport 11434 drop") > text.index("192.0.2.32")


def test_the_engines_port_is_closed_to_a_target_that_has_no_address_yet(role):
    text = role("ollama", psw_planned_apps=["openwebui"], groups={"app_openwebui": ["psw-core"]}, hostvars={"psw-core": {}}).template(PORT)

    assert let_in(text) == OF_ITS_OWN


def test_the_engines_port_is_open_to_whom_the_user_allows(role):
    text = role("ollama", ollama_port=8000, ollama_allowed=["192.0.2.0/24", "fd00:1::/64"]).template(PORT)

    assert let_in(text) == [*OF_ITS_OWN, "ip saddr 192.0.2.0/24 accept", "ip6 saddr fd00:1::/64 accept"]
    assert "tcp dport 8000 drop" in text
