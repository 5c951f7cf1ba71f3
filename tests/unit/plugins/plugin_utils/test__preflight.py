# SPDX-License-Identifier: GPL-3.0-or-later
"""What is refused before a node is touched."""

import pytest
from ansible_collections.psw.ai.plugins.plugin_utils._catalog import Catalog
from ansible_collections.psw.ai.plugins.plugin_utils._errors import PlanError, ProjectError, Refusal
from ansible_collections.psw.ai.plugins.plugin_utils._preflight import check, current_plan
from ansible_collections.psw.ai.plugins.plugin_utils._project import Project

from .conftest import AMD, NVIDIA

CATALOG = Catalog.load()


def edit(project, before, after):
    file = project.path / "psw.yml"
    text = file.read_text()
    assert before in text
    file.write_text(text.replace(before, after))
    return Project.open(project.path)


def refusals(project):
    return [(refusal.code, str(refusal)) for refusal in check(project, current_plan(project, CATALOG), CATALOG)]


def test_a_project_that_is_ready_is_not_refused(ready):
    assert refusals(ready) == []


def test_a_skipped_setup_gpu_names_the_command(project):
    project.add_node("pve1", "h")
    project.add_apps(["@ai"])
    with pytest.raises(Refusal) as caught:
        current_plan(project, CATALOG)
    assert (caught.value.code, caught.value.hint) == ("node_not_set_up", "run: psw node setup-gpu pve1")


def test_a_record_deleted_after_planning_names_the_command(ready):
    plan = current_plan(ready, CATALOG)
    (ready.path / "nodes/pve1/gpu.yml").unlink()
    found = check(Project.open(ready.path), plan, CATALOG)
    assert [(refusal.code, refusal.hint) for refusal in found] == [("node_not_set_up", "run: psw node setup-gpu pve1")]


def test_a_recorded_vendor_other_than_the_planned_one_is_refused(ready):
    ready.write_plan(current_plan(ready, CATALOG))
    ready.write_record("pve1", AMD)
    assert refusals(Project.open(ready.path)) == [
        (
            "vendor_mismatch",
            (
                "psw-ai is planned for nvidia, but the GPU recorded for pve1 is amd; "
                "run: psw node setup-gpu pve1; if the card was changed on purpose, set gpu: {vendor: amd} in psw.yml"
            ),
        )
    ]


def test_a_wanted_vendor_other_than_the_recorded_one_is_refused(ready):
    project = edit(ready, "network:", "gpu: {vendor: intel}\nnetwork:")
    assert [code for code, _ in refusals(project)] == ["vendor_mismatch"]


def test_a_node_with_an_amd_card_is_as_good_as_any(ready):
    ready.write_record("pve1", AMD)
    assert refusals(Project.open(ready.path)) == []


@pytest.mark.parametrize("mode", ["bundled", "external"])
def test_a_login_that_is_not_built_yet_is_refused_by_name(ready, mode):
    project = edit(ready, "mode: local", f"mode: {mode}")
    assert refusals(project) == [("not_built_yet", f"sso.mode {mode} is not built yet; set sso: {{mode: local}} in psw.yml: Open WebUI's own login")]


def test_another_user_than_root_is_refused_by_name(ready):
    project = edit(ready, "{host: 192.0.2.10", "{user: admin, host: 192.0.2.10")
    assert refusals(project) == [("not_built_yet", "nodes.pve1.user: admin is not built yet; psw logs in to nodes as root: leave user out")]
    assert refusals(edit(project, "user: admin", "user: root")) == []


def told(project, *lines):
    return edit(project, "sso:", "targets:\n" + "".join(f"  {line}\n" for line in lines) + "sso:")


def test_a_fixed_address_for_each_target_is_fine(ready):
    assert refusals(told(ready, "psw-ai: {ip: 192.0.2.31/24, gateway: 192.0.2.1}", "psw-core: {ip: 192.0.2.32/24, ip6: '2001:db8::32/64'}")) == []


@pytest.mark.parametrize(
    ("wish", "message"),
    [
        ("ip: 192.0.2.300/24", "psw-ai: ip 192.0.2.300/24 is no IPv4 address with a prefix length; see targets.psw-ai and network in psw.yml"),
        ("ip: 192.0.2.31/33", "psw-ai: ip 192.0.2.31/33 is no IPv4 address with a prefix length; see targets.psw-ai and network in psw.yml"),
        ("ip: 192.0.2.0/24", "psw-ai: ip 192.0.2.0/24 is the network itself, not an address in it; see targets.psw-ai and network in psw.yml"),
        ("ip: 192.0.2.31/24, gateway: 192.0.2.256", "psw-ai: gateway 192.0.2.256 is no IPv4 address; see targets.psw-ai and network in psw.yml"),
        ("ip6: '2001::db8::1/64'", "psw-ai: ip6 2001::db8::1/64 is no IPv6 address with a prefix length; see targets.psw-ai and network in psw.yml"),
        ("ip: none", "psw-ai: there is neither an IPv4 nor an IPv6 address; see targets.psw-ai and network in psw.yml"),
        ("ip: 192.0.2.10/24", "psw-ai is to have the address 192.0.2.10 of the node pve1; give it one of its own: targets.psw-ai.ip in psw.yml"),
    ],
)
def test_an_address_that_cannot_work_is_refused_before_a_container_has_it(ready, wish, message):
    assert refusals(told(ready, f"psw-ai: {{{wish}}}")) == [("bad_network", message)]


@pytest.mark.parametrize("address", ["127.0.0.1/32", "192.0.2.2/31"])
def test_ends_of_a_link_are_addresses(ready, address):
    assert refusals(told(ready, f"psw-ai: {{ip: {address}}}")) == []


def test_one_address_for_all_targets_is_refused(ready):
    assert refusals(edit(ready, "ip: dhcp", "ip: 192.0.2.20/24")) == [
        ("bad_network", "psw-core is to have the address 192.0.2.20 of psw-ai; give it one of its own: targets.psw-core.ip in psw.yml")
    ]


def test_one_number_for_two_targets_is_refused(ready):
    assert refusals(told(ready, "psw-ai: {vmid: 200}", "psw-core: {vmid: 200}")) == [
        ("vmid_taken", "psw-ai and psw-core are both to be container 200; change targets.psw-core.vmid in psw.yml")
    ]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("psw-ia: {}", "no target called 'psw-ia', did you mean 'psw-ai'?"),
        ("web: {}", "no target called 'web'; there is psw-ai, psw-ai-pve1, psw-core"),
        ("psw-ai: {node: pev1}", "no node called 'pev1', did you mean 'pve1'?"),
    ],
)
def test_a_target_or_node_that_is_not_there_is_named_with_its_line(ready, line, message):
    project = told(ready, line)
    at = (project.path / "psw.yml").read_text().splitlines().index(f"  {line}") + 1
    with pytest.raises(ProjectError) as caught:
        current_plan(project, CATALOG)
    assert str(caught.value) == f"psw.yml:{at}: {message}"


def test_a_target_with_a_nodes_name_stays_on_that_node(ready):
    ready.add_node("pve2", "192.0.2.11")
    with pytest.raises(ProjectError, match=r"psw-ai-pve1 is on pve1 by its name, not on pve2$"):
        current_plan(told(ready, "psw-ai-pve1: {node: pve2}"), CATALOG)


def test_everything_that_stands_in_the_way_is_named_at_once(ready):
    project = edit(edit(ready, "mode: local", "mode: bundled"), "ip: dhcp", "ip: 192.0.2.20/24")
    assert len(refusals(project)) == 2


def test_a_plan_on_a_node_that_is_gone_is_refused(ready):
    ready.write_plan(current_plan(ready, CATALOG))
    plan = ready.plan
    project = edit(ready, "  pve1: {host: 192.0.2.10}", "  pve2: {host: 192.0.2.11}")
    assert [(refusal.code, refusal.message) for refusal in check(project, plan, CATALOG)] == [
        ("unknown_node", "the plan puts psw-ai on pve1, which psw.yml does not name"),
        ("unknown_node", "the plan puts psw-core on pve1, which psw.yml does not name"),
    ]


def test_a_planned_app_that_the_catalogue_lost_is_refused(ready):
    plan = current_plan(ready, CATALOG)
    plan["apps"]["frigate"] = {"target": "psw-core", "reason": "wished"}
    assert [str(refusal) for refusal in check(ready, plan, CATALOG)] == ["the plan holds frigate, which the catalogue does not know; run: psw plan --write"]


def test_a_card_too_small_for_the_apps_is_refused_with_the_numbers(ready):
    ready.write_record("pve1", {**NVIDIA, "gpus": [{**NVIDIA["gpus"][0], "usable_mib": 2048}]})
    with pytest.raises(PlanError) as caught:
        current_plan(Project.open(ready.path), CATALOG)
    assert str(caught.value) == "the apps need 4096 MiB of GPU memory (ollama 4096), pve1 has 2048 MiB; remove an app, or add a node with a larger card"


def test_a_written_plan_that_still_fits_is_the_current_one(ready):
    ready.write_plan(current_plan(ready, CATALOG))
    assert current_plan(Project.open(ready.path), CATALOG) == ready.plan


def test_a_misspelt_app_in_the_file_is_named_with_its_line(ready):
    project = edit(ready, "apps: [ollama, openwebui]", "apps:\n  - olama")
    with pytest.raises(ProjectError, match=r"^psw.yml:\d+: no app called 'olama', did you mean 'ollama'\?$"):
        current_plan(project, CATALOG)
