# SPDX-License-Identifier: GPL-3.0-or-later
"""What the user reads when psw.yml, a record or a plan is not as it has to be."""

import sys
from pathlib import Path

import pytest
from ansible_collections.psw.ai.plugins.plugin_utils import _schema, _yaml
from ansible_collections.psw.ai.plugins.plugin_utils._errors import ProjectError, PswError

NODE_NAME = "must be a name of small letters, digits and hyphens that psw has no other use for"
HEAD = "schema: 1\ndomain: home.example\n"
RECORD = """\
schema: 1
node: pve1
recorded_at: "2026-11-22T10:00:00Z"
kernel: 6.17.2-1-pve
secure_boot: disabled
vendor: nvidia
gpus:
  - {address: "0000:01:00.0", usable_mib: 12288}
nvidia: {driver_version: 580.159.04, devices: [/dev/nvidia0]}
"""


def error(text, kind="psw", name="psw.yml"):
    with pytest.raises(ProjectError) as caught:
        _schema.validate(_yaml.parse(text, Path(name)), kind)
    return str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        HEAD,
        HEAD + "plugin: psw.ai.project\n",
        HEAD + "apps:\nnodes:\n",
        HEAD + "apps: ['@ai', ollama]\n",
        HEAD + "nodes:\n  pve1: {host: 192.0.2.10}\n  pve2: {host: 'fd00::1', user: admin, port: 2222, ssh_key: ~/.ssh/id, budget: {memory_mib: 8192}}\n",
        HEAD + "sso: {mode: bundled}\nnetwork: {bridge: vmbr1, ip: dhcp}\ngpu: {vendor: amd}\nstorage: {models: {pool: tank, quota: 2T}}\n",
    ],
)
def test_what_is_right_passes(text):
    _schema.validate(_yaml.parse(text, Path("psw.yml")), "psw")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (HEAD + "aps: []\n", "psw.yml:3: unknown key 'aps', did you mean 'apps'?"),
        (
            HEAD + "zebra: 1\n",
            "psw.yml:3: unknown key 'zebra', known keys: apps, consumers, domain, gpu, network, nodes, plugin, registries, schema, sso, storage, targets",
        ),
        (HEAD + "nodes:\n  pve1: {hots: x}\n", "psw.yml:4: unknown key 'hots' in nodes.pve1, did you mean 'host'? (and 1 more in this file)"),
        (HEAD + "nodes:\n  pve1: {}\n", "psw.yml:4: nodes.pve1 lacks the key 'host'"),
        ("schema: 1\n", "psw.yml:1: this file lacks the key 'domain'"),
        ("domain: home.example\n", "psw.yml:1: this file lacks the key 'schema'"),
        ("schema: 2\ndomain: home.example\n", "psw.yml:1: schema must be 1, not the number 2; this file is of another version of psw"),
        ("schema: 1\ndomain: 5\n", "psw.yml:2: domain must be a domain in small letters, such as home.example, not the number 5"),
        ("schema: 1\ndomain: Home\n", "psw.yml:2: domain must be a domain in small letters, such as home.example, not 'Home'"),
        ("schema: 1\ndomain:\n", "psw.yml:2: domain must be a domain in small letters, such as home.example, not empty"),
        (HEAD + "apps: ollama\n", "psw.yml:3: apps must be a list, not 'ollama'"),
        (HEAD + "apps: [ollama, 7]\n", "psw.yml:3: apps[1] must be the name of an app or @stack, not the number 7"),
        (HEAD + "apps: [ollama, ollama]\n", "psw.yml:3: apps names 'ollama' twice"),
        (HEAD + "nodes: [pve1]\n", "psw.yml:3: nodes must be keys and values, not a list"),
        (
            HEAD + "nodes:\n  PVE_1: {host: x}\n",
            f"psw.yml:4: the name 'PVE_1' in nodes {NODE_NAME}",
        ),
        (
            HEAD + "nodes:\n  all: {host: x}\n",
            f"psw.yml:4: the name 'all' in nodes {NODE_NAME}",
        ),
        (HEAD + "nodes:\n  pve1: {host: '-oProxyCommand=x'}\n", "psw.yml:4: nodes.pve1.host must be a host name or an IP address, not '-oProxyCommand=x'"),
        (HEAD + 'nodes:\n  pve1: {host: "x\\n"}\n', "psw.yml:4: nodes.pve1.host must be a host name or an IP address, not 'x\\n'"),
        (HEAD + 'nodes:\n  "pve1\\n": {host: x}\n', rf"psw.yml:4: the name 'pve1\n' in nodes {NODE_NAME}"),
        (HEAD + "nodes:\n  pve1: {host: x, port: '22'}\n", "psw.yml:4: nodes.pve1.port must be a whole number, not '22'"),
        (HEAD + "nodes:\n  pve1: {host: x, port: 0}\n", "psw.yml:4: nodes.pve1.port must be at least 1, not 0"),
        (HEAD + "nodes:\n  pve1: {host: x, port: 70000}\n", "psw.yml:4: nodes.pve1.port must be at most 65535, not 70000"),
        (HEAD + "sso: {mode: bundeld}\n", "psw.yml:3: sso.mode must be one of local, bundled, external, not 'bundeld'; did you mean 'bundled'?"),
        (HEAD + "sso: {mode: true}\n", "psw.yml:3: sso.mode must be one of local, bundled, external, not true"),
        (
            HEAD + "storage: {models: {pool: tank, storage: local-lvm}}\n",
            "psw.yml:3: storage.models.pool must be auto beside a storage, which is used instead of a pool, not 'tank'",
        ),
        (HEAD + "storage: {models: {quota: 100}}\n", "psw.yml:3: storage.models.quota must be a size such as 100G or 2T, not the number 100"),
        (HEAD + "network: {bridge: []}\n", "psw.yml:3: network.bridge must be the name of a bridge, such as vmbr0, not a list"),
        (
            HEAD + "network: {ip: 192.0.2.31}\n",
            "psw.yml:3: network.ip must be dhcp, none or an address with its prefix length, such as 192.0.2.31/24, not '192.0.2.31'",
        ),
        (HEAD + "network: {vlan: 5000}\n", "psw.yml:3: network.vlan must be at most 4094, not 5000"),
        (
            HEAD + "targets: {psw-ai: {storage: 'local lvm'}}\n",
            "psw.yml:3: targets.psw-ai.storage must be the name of a storage of Proxmox VE, such as local-lvm, not 'local lvm'",
        ),
        (HEAD + "registries: {mirrors: [{registry: docker.io}]}\n", "psw.yml:3: registries.mirrors[0] lacks the key 'mirror'"),
        (
            HEAD + "registries: {mirrors: [{registry: docker.io, mirror: 'https://cache.example'}]}\n",
            "psw.yml:3: registries.mirrors[0].mirror must be a host with port and path, such as cache.home.example:5000/docker.io, not 'https://cache.example'",
        ),
        (HEAD + "targets: {psw-ai: {vmid: 99}}\n", "psw.yml:3: targets.psw-ai.vmid must be at least 100, not 99"),
        (HEAD + "targets: {psw-ai: {gpus: ['01:00.0']}}\n", "psw.yml:3: targets.psw-ai.gpus[0] must be a PCI address such as \"0000:01:00.0\", not '01:00.0'"),
        (HEAD + "plugin: other\n", "psw.yml:3: plugin must be psw.ai.project, not 'other'"),
        (HEAD + "# two mistakes\naps: 1\nndoes: 2\n", "psw.yml:4: unknown key 'aps', did you mean 'apps'?"),
    ],
)
def test_what_is_wrong_is_named_with_file_line_key_and_what_was_expected(text, message):
    assert error(text) == message


@pytest.mark.parametrize(
    ("wrong", "right", "message"),
    [
        ("vendor: nvidia", "vendor: nvidea", "gpu.yml:6: vendor must be one of nvidia, amd, intel, not 'nvidea'; did you mean 'nvidia'?"),
        ("vendor: nvidia", "vendor: amd", "gpu.yml:1: this file lacks the key 'amd' (and 1 more in this file)"),
        ("nvidia: {driver", "amd: {gfx: x, devices: [/dev/kfd]}\nnvidia: {driver", "gpu.yml:9: amd does not belong here"),
        ("usable_mib: 12288", "usable_mib: much", "gpu.yml:8: gpus[0].usable_mib must be a whole number, not 'much'"),
        ('  - {address: "0000:01:00.0", usable_mib: 12288}', "  []", "gpu.yml:7: gpus must not be empty"),
        ("[/dev/nvidia0]", "[/etc/shadow]", "gpu.yml:9: nvidia.devices[0] must be a path below /dev, not '/etc/shadow'"),
    ],
)
def test_a_record_edited_by_hand_is_held_to_its_shape(wrong, right, message):
    assert wrong in RECORD
    assert error(RECORD.replace(wrong, right), "gpu", "gpu.yml") == message


def test_a_single_value_is_held_to_its_key():
    with pytest.raises(ProjectError) as caught:
        _schema.check_key("home", "psw", "domain")
    assert str(caught.value) == "the domain must be a domain in small letters, such as home.example, not 'home'"


def test_where_jsonschema_is_missing_what_is_right_still_passes_and_what_is_wrong_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "jsonschema", None)
    _schema._validator.cache_clear()
    _schema.validate(_yaml.parse(HEAD, Path("psw.yml")), "psw")
    with pytest.raises(PswError) as caught:
        _schema.validate(_yaml.parse(HEAD + "aps: []\n", Path("psw.yml")), "psw")
    assert str(caught.value) == "the Python package jsonschema is not there; install it where Ansible runs: pip install jsonschema"
