# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong, from a record and facts: each fault is named once, by the layer that is wrong, and not by what follows from it."""

import copy

import pytest
from ansible_collections.psw.ai.plugins.module_utils import _cdi
from ansible_collections.psw.ai.plugins.module_utils._finding import LAYERS
from ansible_collections.psw.ai.plugins.module_utils._gpu_health import node_findings, target_findings

CARD, ELSEWHERE = "0000:01:00.0", "0000:02:00.0"
VERSION, OTHER = "580.159.04", "580.159.03"
KERNEL, NEXT = "6.17.2-1-pve", "6.17.4-2-pve"
SPEC_PATH = "/etc/cdi/nvidia.yaml"
SPEC = f"""\
---
cdiVersion: 0.5.0
kind: nvidia.com/gpu
devices:
  - name: "all"
    containerEdits:
      deviceNodes:
        - path: /dev/nvidia0
containerEdits:
  mounts:
    - hostPath: /usr/lib/x86_64-linux-gnu/libcuda.so.{VERSION}
      containerPath: /usr/lib/x86_64-linux-gnu/libcuda.so.{VERSION}
"""
NODES = ("/dev/nvidia0", "/dev/nvidiactl", "/dev/nvidia-uvm")
MODULE = {"version": VERSION, "flavour": "open"}
GONE = object()


def gpu(address, vendor="nvidia", driver="nvidia", number="10de:2503", **more):
    card = {
        "address": address,
        "id": number,
        "name": "the card",
        "vendor": vendor,
        "driver": driver,
        "integrated": False,
        "vms": [],
        "reserved": None,
        "vfio": False,
    }
    return {**card, **more}


def device(number, gid=0, mode=0o666):
    return {"number": number, "gid": gid, "mode": mode}


def nvidia_record():
    return {
        "vendor": "nvidia",
        "secure_boot": "disabled",
        "gpus": [{"address": CARD, "id": "10de:2503", "name": "GeForce RTX 3060", "devices": ["/dev/nvidia0"]}],
        "nvidia": {
            "driver_version": VERSION,
            "source": "run",
            "kernel_modules": "open",
            "toolkit_version": "1.20.0",
            "cdi_spec": SPEC_PATH,
            "devices": list(NODES),
        },
    }


def cdi_facts():
    return {"specs": {SPEC_PATH: SPEC}, "absent": [], "listed": ["nvidia.com/gpu=0", "nvidia.com/gpu=all"]}


def nvidia_node():
    driver = {"kernel": KERNEL, "userspace": VERSION, "source": "run", "modules": {KERNEL: dict(MODULE)}, "loaded": VERSION, "loaded_flavour": "open"}
    return {
        "gpus": [gpu(CARD)],
        "secure_boot": "disabled",
        "devices": {path: device("511:0" if "uvm" in path else f"195:{minor}") for minor, path in enumerate(NODES)},
        "groups": {"render": 993, "video": 44},
        "kfd": {},
        "driver": driver,
        "next_kernel": KERNEL,
        "toolkit": "1.20.0-1",
        "cdi": cdi_facts(),
        "silent": False,
    }


def amd_record():
    return {
        "vendor": "amd",
        "secure_boot": "enabled",
        "gpus": [{"address": CARD, "id": "1002:744c", "name": "Radeon RX 7900 XTX"}],
        "amd": {"gfx": "gfx1100", "video_gid": 44, "render_gid": 993, "devices": ["/dev/kfd", "/dev/dri/renderD128"]},
    }


def amd_node():
    return {
        "gpus": [gpu(CARD, "amd", "amdgpu", "1002:744c")],
        "secure_boot": "enabled",
        "devices": {"/dev/kfd": device("234:0", 993, 0o660), "/dev/dri/renderD128": device("226:128", 993, 0o660)},
        "groups": {"render": 993, "video": 44},
        "kfd": {CARD: "gfx1100"},
    }


def nvidia_target():
    node = nvidia_node()
    same = {key: node[key] for key in ("devices", "toolkit", "cdi")}
    return {**same, "others": [], "groups": {"video": 44}, "loaded": VERSION, "userspace": VERSION, "uvm_major": 511}


def amd_target():
    return {"devices": amd_node()["devices"], "others": [], "groups": {"render": 993, "video": 44}}


SCENES = {
    "an NVIDIA node": (nvidia_record, nvidia_node, lambda record, facts: node_findings(record, facts, "pve1")),
    "an AMD node": (amd_record, amd_node, lambda record, facts: node_findings(record, facts, "pve1")),
    "an NVIDIA target": (nvidia_record, nvidia_target, lambda record, facts: target_findings(record, facts, "pve1")),
    "an AMD target": (amd_record, amd_target, lambda record, facts: target_findings(record, facts, "pve1")),
}
# (scene, what happened, {path into the facts: value}, what is found)
FAULTS = [
    ("an NVIDIA node", "the card is gone", {"gpus": [], "devices./dev/nvidia0": None, "driver.loaded": None}, ["card_gone"]),
    ("an NVIDIA node", "the card moved", {"gpus": [gpu(ELSEWHERE)]}, ["card_moved"]),
    ("an NVIDIA node", "the card moved and a node went missing", {"gpus": [gpu(ELSEWHERE)], "devices./dev/nvidia-uvm": None}, ["card_moved", "device_missing"]),
    ("an NVIDIA node", "another card sits in the slot", {"gpus": [gpu(CARD, number="10de:1b80")]}, ["card_replaced"]),
    ("an NVIDIA node", "a VM has the card", {"gpus": [gpu(CARD, driver="vfio-pci", vms=["VM 101 (win11)"], vfio=True)]}, ["card_given_away"]),
    ("an NVIDIA node", "a second card was put in", {"gpus": [gpu(CARD), gpu(ELSEWHERE)]}, ["card_unused"]),
    (
        "an NVIDIA node",
        "the kernel numbers its cards otherwise",
        {"gpus": [gpu(CARD, devices=["/dev/nvidia1"])], "devices./dev/nvidia0": None},
        ["card_renamed"],
    ),
    ("an NVIDIA node", "the kernel numbers its cards as ever", {"gpus": [gpu(CARD, devices=["/dev/nvidia0"])]}, []),
    ("an NVIDIA node", "a VM's second card is nobody's business", {"gpus": [gpu(CARD), gpu(ELSEWHERE, vfio=True)]}, []),
    ("an NVIDIA node", "secure boot was switched on", {"secure_boot": "enabled", "driver.loaded": None}, ["secure_boot_on"]),
    ("an NVIDIA node", "the module is gone from disk", {f"driver.modules.{KERNEL}": GONE}, ["module_on_disk"]),
    ("an NVIDIA node", "the kernel was updated without it", {f"driver.modules.{KERNEL}": GONE, "driver.loaded": None}, ["module_on_disk"]),
    ("an NVIDIA node", "the next kernel has no module", {"next_kernel": NEXT}, ["module_next_kernel"]),
    ("an NVIDIA node", "the next kernel has another module", {"next_kernel": NEXT, f"driver.modules.{NEXT}": {"version": OTHER}}, ["module_next_kernel"]),
    ("an NVIDIA node", "the next kernel has its module", {"next_kernel": NEXT, f"driver.modules.{NEXT}": MODULE}, []),
    ("an NVIDIA node", "no module is loaded", {"driver.loaded": None, "devices./dev/nvidia0": None}, ["module_not_loaded"]),
    ("an NVIDIA node", "the driver was changed as a whole", {"driver.loaded": OTHER, "driver.userspace": OTHER}, ["module_version"]),
    ("an NVIDIA node", "an old module is still loaded", {"driver.loaded": OTHER}, ["module_version"]),
    ("an NVIDIA node", "the other flavour is loaded", {"driver.loaded_flavour": "proprietary"}, ["module_flavour"]),
    ("an NVIDIA node", "nouveau took the card", {"gpus": [gpu(CARD, driver="nouveau")]}, ["driver_not_bound"]),
    ("an NVIDIA node", "the libraries are a point release off", {"driver.userspace": OTHER}, ["userspace_version"]),
    ("an NVIDIA node", "the libraries are gone", {"driver.userspace": None}, ["userspace_version"]),
    ("an NVIDIA node", "packages took over from the .run file", {"driver.source": "nvidia_repo"}, ["driver_source"]),
    ("an NVIDIA node", "the toolkit was upgraded", {"toolkit": "1.21.0-1"}, ["toolkit_version"]),
    ("an NVIDIA node", "the toolkit is gone", {"toolkit": None, "cdi.listed": None}, ["toolkit_version"]),
    ("an NVIDIA node", "the uvm node is missing", {"devices./dev/nvidia-uvm": None, "cdi.absent": ["/dev/nvidia-uvm"]}, ["device_missing"]),
    ("an NVIDIA node", "the CDI spec is gone", {"cdi.specs": {}}, ["cdi_missing"]),
    ("an NVIDIA node", "the CDI spec is of another driver", {"cdi.specs": {SPEC_PATH: SPEC.replace(VERSION, OTHER)}}, ["cdi_stale"]),
    ("an NVIDIA node", "the CDI spec names what is not there", {"cdi.absent": ["/dev/nvidia-modeset"]}, ["cdi_stale"]),
    ("an NVIDIA node", "another spec wins", {"cdi.specs": {SPEC_PATH: SPEC, "/run/cdi/nvidia.yaml": SPEC}}, ["cdi_shadowed"]),
    ("an NVIDIA node", "a spec of something else is no rival", {"cdi.specs": {SPEC_PATH: SPEC, "/run/cdi/a.json": '{"kind": "amd.com/gpu"}'}}, []),
    ("an NVIDIA node", "the CDI spec was cut off", {"cdi.specs": {SPEC_PATH: SPEC[:40]}}, ["cdi_invalid"]),
    ("an NVIDIA node", "the CDI spec is not understood", {"cdi.listed": []}, ["cdi_invalid"]),
    ("an NVIDIA node", "nvidia-smi hangs", {"silent": True}, ["driver_silent"]),
    ("an AMD node", "the render group was renumbered", {"groups.render": 992}, ["device_gid", "group_changed"]),
    (
        "an AMD node",
        "the render group was renumbered before the last reboot",
        {"groups.render": 992, "devices./dev/kfd.gid": 992, "devices./dev/dri/renderD128.gid": 992},
        ["group_changed"],
    ),
    ("an AMD node", "the render group is gone", {"groups.render": GONE}, ["group_changed"]),
    ("an AMD node", "a device node is another group's", {"devices./dev/kfd.gid": 104}, ["device_gid"]),
    ("an AMD node", "the kfd node is missing", {"devices./dev/kfd": None}, ["device_missing"]),
    ("an AMD node", "amdgpu is not loaded", {"gpus.0.driver": None, "devices./dev/kfd": None, "kfd": {}}, ["driver_not_bound"]),
    ("an AMD node", "the card cannot compute", {"kfd": {}}, ["compute_missing"]),
    ("an AMD node", "the card is of another target", {"kfd": {CARD: "gfx1101"}}, ["gfx_changed"]),
    ("an AMD node", "the card moved", {"gpus.0.address": ELSEWHERE, "kfd": {ELSEWHERE: "gfx1100"}}, ["card_moved"]),
    ("an NVIDIA target", "the libraries are a point release off", {"userspace": OTHER, "cdi.absent": ["/x"]}, ["userspace_version"]),
    ("an NVIDIA target", "a device is not passed through", {"devices./dev/nvidia-uvm": None}, ["device_missing"]),
    ("an NVIDIA target", "a device is root's alone", {"devices./dev/nvidia0.mode": 0o660}, ["device_closed"]),
    ("an NVIDIA target", "the CDI spec is of another driver", {"cdi.specs": {SPEC_PATH: SPEC.replace(VERSION, OTHER)}}, ["cdi_stale"]),
    ("an NVIDIA target", "the node's module was loaded again", {"uvm_major": 509}, ["device_stale"]),
    ("an NVIDIA target", "nobody knows the uvm's number", {"uvm_major": None}, []),
    ("an NVIDIA target", "the node's module is not loaded", {"loaded": None}, ["module_not_loaded"]),
    ("an AMD target", "the render group has another number here", {"groups.render": 105}, ["device_gid"]),
    ("an AMD target", "the render node is not passed through", {"devices./dev/dri/renderD128": None}, ["device_missing"]),
]


def change(facts, path, value):
    """Set what a dotted path leads to; file names and versions with dots are keys as they are."""
    place, rest = facts, path
    while rest:
        key = next((key for key in place if rest == key or rest.startswith(f"{key}.")), None) if isinstance(place, dict) else int(rest.partition(".")[0])
        key = rest if key is None else key
        rest = rest[len(str(key)) + 1 :]
        if rest:
            place = place[key]
    if value is GONE:
        del place[key]
    else:
        place[key] = copy.deepcopy(value)


def found(scene, changes):
    record, facts, judge = SCENES[scene]
    seen = facts()
    for path, value in changes.items():
        change(seen, path, value)
    return judge(record(), seen)


@pytest.mark.parametrize("scene", SCENES)
def test_nothing_is_wrong_where_all_is_as_recorded(scene):
    assert found(scene, {}) == []


@pytest.mark.parametrize(("scene", "what", "changes", "expected"), FAULTS, ids=[f"{scene}: {what}" for scene, what, *_ in FAULTS])
def test_a_fault_is_named_by_the_layer_that_is_wrong(scene, what, changes, expected):
    assert [each["id"] for each in found(scene, changes)] == expected, what


@pytest.mark.parametrize(("scene", "what", "changes", "expected"), FAULTS, ids=[f"{scene}: {what}" for scene, what, *_ in FAULTS])
def test_every_finding_says_what_is_wrong_and_what_heals_it(scene, what, changes, expected):
    for each in found(scene, changes):
        assert each["layer"] == LAYERS[each["id"]], what
        assert len(each["message"].split()) > 5
        assert each["heal"].startswith(("psw node setup-gpu pve1", "psw deploy converge")) != each["there"]


def test_every_finding_has_a_fault_that_leads_to_it():
    # In the tests of the module, and in those of ollama_health.
    elsewhere = {"not_recorded"} | {name for name, layer in LAYERS.items() if layer == "app"}
    assert {name for *_, expected in FAULTS for name in expected} | elsewhere == set(LAYERS)


def test_an_upgrade_that_waits_for_a_reboot_names_the_libraries_and_the_modules():
    upgraded = {"driver.userspace": OTHER, f"driver.modules.{KERNEL}.version": OTHER}
    assert [each["id"] for each in found("an NVIDIA node", upgraded)] == ["module_on_disk", "userspace_version"]


def test_a_target_names_what_it_suffers_from_its_node_as_such():
    assert [each["inherited"] for each in found("an NVIDIA target", {"loaded": None})] == [True]
    assert [each["inherited"] for each in found("an NVIDIA target", {"userspace": OTHER})] == [False]
    assert [each["inherited"] for each in found("an AMD target", {"devices./dev/dri/renderD128": None})] == [False]
    renamed = {"devices./dev/dri/renderD128": None, "others": ["/dev/dri/renderD129"]}
    assert [each["inherited"] for each in found("an AMD target", renamed)] == [True]


def test_what_only_the_next_boot_will_suffer_from_explains_nothing_that_is_wrong_now():
    assert [each["later"] for each in found("an NVIDIA node", {f"driver.modules.{KERNEL}.version": OTHER})] == [True]
    assert [each["later"] for each in found("an NVIDIA node", {"gpus": [gpu(ELSEWHERE)]})] == [False]


def test_of_two_cards_of_a_kind_the_one_that_is_gone_is_named():
    record, facts = nvidia_record(), nvidia_node()
    record["gpus"].append({"address": ELSEWHERE, "id": "10de:2503", "name": "GeForce RTX 3060"})
    gone = node_findings(record, facts, "pve1")
    assert [(each["id"], ELSEWHERE in each["message"]) for each in gone] == [("card_gone", True)]


def test_a_vulkan_card_needs_no_compute_topology():
    record, facts = amd_record(), amd_node()
    record["amd"]["backend"], facts["kfd"] = "vulkan", {}
    assert node_findings(record, facts, "pve1") == []


def test_a_specification_in_one_line_of_json_is_read_like_one_in_yaml():
    text = '{"cdiVersion":"0.5.0","kind":"nvidia.com/gpu","devices":[{"name":"all","containerEdits":{"deviceNodes":[{"path":"/dev/nvidia0"}]}}],'
    text += f'"containerEdits":{{"mounts":[{{"hostPath":"/usr/lib/libcuda.so.{VERSION}","containerPath":"/usr/lib/libcuda.so.{VERSION}"}}]}}}}'
    assert (_cdi.is_whole(text), _cdi.kind_of(text)) == (True, "nvidia.com/gpu")
    assert _cdi.needs(text) == (["/dev/nvidia0", f"/usr/lib/libcuda.so.{VERSION}"], [VERSION])
