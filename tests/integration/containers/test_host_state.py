# SPDX-License-Identifier: GPL-3.0-or-later
"""A machine's own state on a real Debian: real apt, dpkg and systemd."""

import pytest

SERVICE = "[Service]\nType=exec\nExecStart={program} {seconds}\n[Install]\nWantedBy=multi-user.target\n"


def options(seconds="1d", setting="a", program="/bin/sleep"):
    return {
        "packages": ["zstd", "jo"],
        "directories": [{"path": "/etc/nap", "mode": "0750"}],
        "files": [
            {"path": "/etc/systemd/system/nap.service", "content": SERVICE.format(program=program, seconds=seconds), "restart": ["nap.service"]},
            {"path": "/etc/nap/nap.conf", "content": f"setting = {setting}\n", "restart": ["nap.service"]},
            {"path": "/etc/nap/password", "secret_content": "only-in-a-file", "mode": "0600"},
        ],
        "links": [{"path": "/etc/nap/current", "to": "nap.conf"}],
        "absent": ["/etc/nap/old.conf"],
        "units": [
            {"name": "nap.service", "enabled": True, "state": "started"},
            {"name": "apt-daily.timer", "masked": True, "state": "stopped"},
        ],
    }


@pytest.fixture
def napping(machine):
    result = machine.module("host_state", **options())
    assert "failed" not in result, result["msg"]
    return machine


def test_from_nothing_in_one_call_and_nothing_to_do_after(machine):
    machine.run(
        "sh",
        "-c",
        "systemctl disable --now nap.service; rm -rf /etc/nap /etc/systemd/system/nap.service; apt-get -qy purge jo; systemctl daemon-reload",
        check=False,
    )
    machine.write("/etc/nap/old.conf", "x")
    foretold = machine.module("host_state", check=True, **options())
    assert machine.read("/etc/nap/old.conf") == "x"
    done = machine.module("host_state", **options())
    assert done["actions"] == foretold["actions"]
    assert "install jo" in done["actions"] or "install zstd jo" in done["actions"]
    assert machine.run("systemctl", "is-active", "nap.service").stdout == "active\n"
    assert machine.run("systemctl", "is-enabled", "nap.service").stdout == "enabled\n"
    assert machine.run("systemctl", "is-enabled", "apt-daily.timer", check=False).stdout == "masked\n"
    assert "only-in-a-file" not in str(done)
    again = machine.module("host_state", **options())
    assert (again["changed"], again["actions"], again["diff"]) == (False, [], [])


def test_a_changed_file_restarts_the_unit_it_names(napping):
    before = napping.invocation("nap.service")
    result = napping.module("host_state", **options(setting="b"))
    assert result["actions"] == ["write /etc/nap/nap.conf", "restart nap.service"]
    assert napping.invocation("nap.service") != before


@pytest.mark.parametrize("moment", ["systemctl daemon-reload", "systemctl restart"])
def test_killed_before_the_restart_the_next_run_makes_up_for_it(napping, moment):
    before = napping.invocation("nap.service")
    napping.kill_at(moment)
    assert napping.module("host_state", **options(seconds="2d")) is None
    napping.module("host_state", **options(seconds="2d"))
    assert napping.invocation("nap.service") != before
    assert "/bin/sleep 2d" in napping.run("systemctl", "status", "nap.service").stdout
    assert not napping.module("host_state", **options(seconds="2d"))["changed"]


def test_a_package_that_does_not_exist_is_named(machine):
    result = machine.module("host_state", packages=["psw-no-such-package"])
    assert result["msg"] == "apt cannot install psw-no-such-package: E: Unable to locate package psw-no-such-package"


def test_a_service_that_does_not_start_is_shown_with_its_journal(napping):
    result = napping.module("host_state", **options(program="/bin/no-such-program"))
    assert result["msg"].startswith("systemctl restart failed: ")
    assert "nap.service is failed (failed), result exit-code, restarted 0 times; the last lines of its journal:" in result["msg"]
    assert "Unable to locate executable '/bin/no-such-program'" in result["msg"]
    napping.module("host_state", **options())
    assert not napping.module("host_state", **options())["changed"]
