# SPDX-License-Identifier: GPL-3.0-or-later
"""What a unit file says about itself."""

import pytest
from ansible_collections.psw.ai.plugins.module_utils._errors import PswModuleError
from ansible_collections.psw.ai.plugins.module_utils._generator import parse_refusals
from ansible_collections.psw.ai.plugins.module_utils._quadlet import parse_unit, read_units

CONTAINER = """\
# A comment, and a line that goes on
[Unit]
Description=Volume=/not/a/mount
[Container]
; Volume=/put/aside \\
ContainerName=hello
Image=docker.io/psw/hello:1
Volume=/srv/a/:/data:ro
Volume=named.volume:/named
Volume=anonymous:/x
Mount=type=bind,source=/srv/b,\\
  destination=/b
Network=psw.network:ip=10.1.2.3
Secret=one,type=env,target=ONE
Secret=two
EnvironmentFile=-/etc/hello.env
[Service]
EnvironmentFile=/etc/service.env
"""


def test_a_container_unit_tells_what_it_uses():
    unit = parse_unit("hello.container", CONTAINER)
    assert unit.service == "hello.service"
    assert unit.label == "hello"
    assert unit.images == ("docker.io/psw/hello:1",)
    assert unit.secrets == ("one", "two")
    assert unit.sources == ("/etc/hello.env", "/etc/service.env", "/srv/a", "/srv/b")
    assert unit.needs == ("named.volume", "psw.network")


@pytest.mark.parametrize(
    ("name", "text", "service", "label"),
    [
        ("a.container", "", "a.service", "systemd-a"),
        ("a.network", "", "a-network.service", "systemd-a"),
        ("a.volume", "[Volume]\nVolumeName=data", "a-volume.service", "data"),
        ("a.network", "[Network]\nServiceName=other\nNetworkName=net", "other.service", "net"),
        ("a.container", "[Container]\nImage=a.image", "a.service", "systemd-a"),
    ],
)
def test_services_and_names_are_those_that_quadlet_gives(name, text, service, label):
    unit = parse_unit(name, text)
    assert (unit.service, unit.label, unit.images) == (service, label, ())


@pytest.mark.parametrize("name", ["a", "a.service", ".container", "../a.container", "a@.container"])
def test_a_name_that_quadlet_would_ignore_is_refused(name):
    with pytest.raises(PswModuleError, match=r"must be named <name>\.container, <name>\.network or <name>\.volume"):
        parse_unit(name, "")


def test_networks_and_volumes_come_before_the_containers_that_need_them():
    units = read_units({"a.container": "", "b.network": "", "c.volume": ""})
    assert [unit.name for unit in units] == ["c.volume", "b.network", "a.container"]


def test_the_generators_refusals_are_read_without_its_draft_folder():
    said = (
        "quadlet-generator[377]: Loading source unit file /tmp/q/a.container\n"
        "quadlet-generator[377]: converting \"a.container\": unsupported key 'Memory' in group 'Container' in /tmp/q/a.container\n"
        'converting "b.container": requested Quadlet unit psw.network was not found\n'
    )
    assert parse_refusals(said) == {
        "a.container": "unsupported key 'Memory' in group 'Container'",
        "b.container": "requested Quadlet unit psw.network was not found",
    }
