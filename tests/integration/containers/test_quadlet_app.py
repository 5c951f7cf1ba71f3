# SPDX-License-Identifier: GPL-3.0-or-later
"""Apps on a real machine: the real quadlet generator, podman and systemd."""

import json

import pytest

NETWORK = "[Network]\nNetworkName=web\nSubnet={subnet}\n"
UNIT = """\
[Container]
ContainerName={name}
Image=docker.io/psw/web:{tag}
Exec=/bin/httpd -f -p 8080 -h {root}
Network=web.network
IP={ip}
Volume=/etc/{name}:/etc/web:ro
Secret={name}_key,type=env,target=KEY
PodmanArgs=--stop-signal=SIGKILL --mac-address={mac}
{more}
[Install]
WantedBy=multi-user.target
"""
HELLO, GREETER = "10.99.0.5", "10.99.0.6"
# An address that always has the same card: else the kernel goes on asking the card that had it before, for half a minute.
MACS = {HELLO: "02:00:0a:63:00:05", GREETER: "02:00:0a:63:00:06"}


def app(name="hello", ip=HELLO, *, key="s3cr3t", greeting="hi", tag=1, root="/www", more="", timeout=120):  # noqa: PLR0913 - what the tests vary
    return {
        "name": name,
        "directories": [{"path": f"/srv/{name}", "mode": "0750"}],
        "files": [{"path": f"/etc/{name}/web.conf", "content": f"greeting = {greeting}\n"}],
        "secrets": [{"name": f"{name}_key", "value": key}],
        "units": [{"name": f"{name}.container", "content": UNIT.format(name=name, ip=ip, mac=MACS[ip], tag=tag, root=root, more=more)}],
        "ready": [
            {"http": {"url": f"http://{ip}:8080/ready", "json": {"status": True}}},
            {"http": {"url": "http://web:8080/ready", "container": name}},
            {"exec": {"container": name, "argv": ["/bin/true"]}},
        ],
        "ready_timeout": timeout,
    }


def network(subnet="10.99.0.0/24"):
    return {"name": "network", "units": [{"name": "web.network", "content": NETWORK.format(subnet=subnet)}]}


@pytest.fixture
def running(machine):
    """The machine with the network and both apps as described."""
    for options in (network(), app(), app("greeter", GREETER)):
        result = machine.module("quadlet_app", **options)
        assert result.get("ready"), result.get("msg")
    return machine


@pytest.fixture
def heal(running):
    """Return a function that converges and proves that a second time there is nothing left to do."""

    def converge(options):
        result = running.module("quadlet_app", **options)
        assert result.get("ready"), result.get("msg")
        again = running.module("quadlet_app", **options)
        assert (again["changed"], again["actions"], again["diff"]) == (False, [], [])
        return result

    return converge


def diffs(result):
    return [diff["after_header"] for diff in result["diff"]]


def test_from_nothing_to_ready_and_check_mode_foretells_it(machine):
    for options in (app("greeter", GREETER), app(), network()):
        machine.module("quadlet_app", **{**options, "state": "absent", "ready": []})
    machine.module("quadlet_app", **network())
    foretold = machine.module("quadlet_app", check=True, **app())
    assert not machine.exists("/etc/containers/systemd/hello.container")
    done = machine.module("quadlet_app", **app())
    assert done.get("ready"), done.get("msg")
    assert foretold["actions"] == done["actions"]
    assert foretold["diff"] == done["diff"]
    assert not machine.module("quadlet_app", **app())["changed"]


def test_a_unit_edited_by_hand_is_exactly_the_difference_and_heals_with_one_restart(running, heal):
    running.run("sed", "-i", "s|-h /www|-h /|", "/etc/containers/systemd/hello.container")
    before = {service: running.invocation(service) for service in ("hello", "greeter", "web-network")}
    foretold = running.module("quadlet_app", check=True, **app())
    assert diffs(foretold) == ["/etc/containers/systemd/hello.container"]
    assert "-h /\n" in foretold["diff"][0]["before"]
    assert "-h /www\n" in foretold["diff"][0]["after"]
    assert {service: running.invocation(service) for service in before} == before
    assert heal(app())["restarted"] == {"hello.service": "its unit file changed"}
    changed = [service for service in before if running.invocation(service) != before[service]]
    assert changed == ["hello"]


def test_a_unit_edited_and_restarted_by_hand_heals(running, heal):
    running.run("sh", "-ec", "sed -i 's|-h /www|-h /|' /etc/containers/systemd/hello.container; systemctl daemon-reload; systemctl restart hello")
    heal(app())
    assert "/www" in running.run("podman", "inspect", "hello", "--format={{.Args}}").stdout


def test_a_new_secret_reaches_its_container_and_shows_nowhere(running, heal):
    result = heal(app(key="n3w-s3cr3t"))
    assert result["restarted"] == {"hello.service": "its secret hello_key changed"}
    assert running.run("podman", "exec", "hello", "/bin/sh", "-c", "echo $KEY").stdout == "n3w-s3cr3t\n"
    assert "s3cr3t" not in json.dumps(result)
    assert running.run("grep", "-rl", "s3cr3t", "/etc", check=False).stdout == ""
    assert "s3cr3t" not in running.run("journalctl", "--no-pager").stdout
    assert "s3cr3t" not in running.run("podman", "inspect", "hello").stdout


def test_a_secret_replaced_by_hand_heals(running, heal):
    running.run("podman", "secret", "create", "--replace", "hello_key", "-", stdin="guessed")
    assert heal(app())["actions"] == ["set secret hello_key", "restart hello.service"]


def test_a_mounted_file_restarts_its_container_alone(running, heal):
    greeter = running.invocation("greeter")
    assert heal(app(greeting="moin"))["restarted"] == {"hello.service": "/etc/hello/web.conf changed"}
    assert running.run("podman", "exec", "hello", "/bin/cat", "/etc/web/web.conf").stdout == "greeting = moin\n"
    assert running.invocation("greeter") == greeter


def test_a_stopped_service_is_started(running, heal):
    running.run("systemctl", "stop", "hello")
    assert heal(app())["actions"] == ["start hello.service"]


def test_a_tag_that_moved_restarts_its_container(running, heal):
    running.run("sh", "-ec", "podman tag docker.io/psw/web:1 localhost/kept; podman tag docker.io/psw/web:2 docker.io/psw/web:1")
    assert heal(app())["restarted"] == {"hello.service": "it runs another image than docker.io/psw/web:1 is now"}
    running.run("podman", "tag", "localhost/kept", "docker.io/psw/web:1")


def test_a_changed_network_is_made_anew_and_every_app_on_it_comes_back(running):
    result = running.module("quadlet_app", **network("10.99.0.0/25"))
    assert "remake network web" in result["actions"], result
    assert "10.99.0.0/25" in running.run("podman", "network", "inspect", "web").stdout
    for options in (app(), app("greeter", GREETER)):
        assert not running.module("quadlet_app", **options)["changed"]
    running.module("quadlet_app", **network())


@pytest.mark.parametrize("moment", ["podman secret create", "systemctl daemon-reload", "systemctl restart", "podman ps"])
def test_killed_between_two_steps_the_next_run_finishes(running, heal, moment):
    wished = app(key="after the kill", greeting="after the kill", tag=2)
    before = running.invocation("hello")
    running.kill_at(moment)
    assert running.module("quadlet_app", **wished) is None
    heal(wished)
    assert running.invocation("hello") != before
    assert (
        running.run("podman", "exec", "hello", "/bin/sh", "-c", "cat /tag /etc/web/web.conf; echo $KEY").stdout
        == "2\ngreeting = after the kill\nafter the kill\n"
    )
    heal(app())


def test_a_run_that_outlived_its_psw_is_waited_for(running):
    hold = "mkdir -p /run/psw; rm -f /run/held /run/let-go; flock /run/psw/app-hello.lock sh -c 'touch /run/held; sleep 3; touch /run/let-go' >/dev/null 2>&1 &"
    running.run("sh", "-c", f"{hold} until test -e /run/held; do sleep 0.1; done")
    assert running.module("quadlet_app", **app())["ready"]
    assert running.exists("/run/let-go")


def test_a_key_that_quadlet_does_not_know_is_refused_before_anything_changes(running):
    result = running.module("quadlet_app", **app(more="Memory=1G", greeting="changed"))
    assert result["msg"] == "app hello: quadlet refuses hello.container: unsupported key 'Memory' in group 'Container'"
    assert running.read("/etc/hello/web.conf") == "greeting = hi\n"
    assert not running.module("quadlet_app", **app())["changed"]


def test_an_image_that_cannot_be_pulled_leaves_the_app_as_it_is(running):
    before = running.invocation("hello")
    result = running.module("quadlet_app", **app(tag="404").copy() | {"images": ["127.0.0.1:9/psw/web:404"]})
    assert "image 127.0.0.1:9/psw/web:404 cannot be pulled: " in result["msg"]
    assert "connection refused" in result["msg"]
    assert running.invocation("hello") == before
    assert not running.module("quadlet_app", **app())["changed"]


def test_what_is_not_ready_is_named_with_its_journal(running):
    options = app(timeout=2)
    options["ready"][0]["http"]["json"] = {"status": "never"}
    result = running.module("quadlet_app", **options)
    assert 'http://10.99.0.5:8080/ready answers {"status": true}\n where {"status": "never"} is expected' in result["msg"]
    assert "hello.service is active (running)" in result["msg"]
    assert "the last lines of its journal" in result["msg"]


def test_a_service_that_dies_is_named_with_its_last_words_and_not_its_secret(running, heal):
    dying = app(more="Entrypoint=/bin/sh\n[Service]\nRestart=no", key="must-not-show")
    dying["units"][0]["content"] = dying["units"][0]["content"].replace("/bin/httpd -f -p 8080 -h /www", "-c 'echo no config for $$KEY; exit 3'")
    result = running.module("quadlet_app", **dying)
    assert "hello.service is failed" in result["msg"]
    assert "no config for" in result["msg"]
    assert "must-not-show" not in result["msg"]
    heal(app())


def test_a_unit_no_longer_wished_for_is_stopped_and_removed(running, heal):
    extra = app()
    extra["units"].append(
        {"name": "helper.container", "content": "[Container]\nContainerName=helper\nImage=docker.io/psw/web:1\nExec=/bin/httpd -f\nNetwork=none\n"}
    )
    heal(extra)
    assert running.run("podman", "ps", "--format={{.Names}}", "--filter=name=helper").stdout == "helper\n"
    hello = running.invocation("hello")
    assert heal(app())["actions"] == ["stop helper.service", "remove /etc/containers/systemd/helper.container", "reload systemd"]
    assert running.run("podman", "ps", "--all", "--format={{.Names}}", "--filter=name=helper").stdout == ""
    assert running.invocation("hello") == hello


def test_an_absent_app_leaves_its_data_and_nothing_else(running):
    running.write("/srv/hello/letters.db", "dear diary")
    result = running.module("quadlet_app", name="hello", state="absent")
    assert "stop hello.service" in result["actions"]
    assert running.read("/srv/hello/letters.db") == "dear diary"
    for path in ("/etc/containers/systemd/hello.container", "/etc/hello/web.conf", "/etc/psw/apps/hello.json"):
        assert not running.exists(path)
    assert running.run("podman", "secret", "exists", "hello_key", check=False).returncode == 1
    assert not running.module("quadlet_app", name="hello", state="absent")["changed"]


def test_only_the_apps_that_may_be_here_stay(running, heal):
    running.write("/srv/greeter/letters.db", "dear diary")
    foretold = running.module("quadlet_app", check=True, **network(), only_apps=["hello"])
    assert "stop greeter.service" in foretold["actions"]
    assert running.run("systemctl", "is-active", "greeter").stdout == "active\n"
    hello = running.invocation("hello")
    assert heal({**network(), "only_apps": ["hello"]})["actions"] == foretold["actions"]
    assert not running.exists("/etc/containers/systemd/greeter.container")
    assert running.read("/srv/greeter/letters.db") == "dear diary"
    assert running.invocation("hello") == hello


def test_a_promise_is_kept_by_the_process_that_runs_and_not_by_its_unit(running, heal):
    promised = {**app(more="Environment=CLOUD=0"), "environment": {"CLOUD": 0}}
    heal(promised)
    running.write("/etc/containers/systemd/hello.container.d/cloud.conf", "[Container]\nEnvironment=CLOUD=1\n")
    running.run("systemctl", "daemon-reload")
    running.run("systemctl", "restart", "hello")
    assert "hello.service runs with settings that are not the promised ones: CLOUD is '1', not '0'" in running.module("quadlet_app", **promised)["msg"]
    assert "A is None, not '1'" in running.module("quadlet_app", **{**promised, "environment": {"A": 1}})["msg"]
    running.run("rm", "-r", "/etc/containers/systemd/hello.container.d")
    running.run("systemctl", "daemon-reload")
    running.run("systemctl", "restart", "hello")
    heal(promised)
    heal(app())


def test_small_files_come_back_once_the_app_is_ready(running):
    asked = {**app(), "returned_files": ["/etc/hello/web.conf", "/etc/hello/none"]}
    assert running.module("quadlet_app", **asked)["returned"] == {"/etc/hello/web.conf": "greeting = hi\n"}


def test_what_an_app_needs_of_its_machine_comes_first_and_stays_when_it_goes(running, heal):
    script = {"path": "/usr/local/bin/before-hello", "content": "#!/bin/sh\necho one\n", "mode": "0755", "restart": ["before-hello.service"]}
    unit = {
        "path": "/etc/systemd/system/before-hello.service",
        "content": "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/usr/local/bin/before-hello\n[Install]\nWantedBy=multi-user.target\n",
    }
    host = {"packages": ["zstd"], "files": [script, unit], "units": [{"name": "before-hello.service", "enabled": True, "state": "started"}]}
    running.run("systemctl", "disable", "--now", "before-hello.service", check=False)
    running.run("rm", "-f", script["path"], unit["path"])
    wished = {**app(greeting="later"), "host": host}
    foretold = running.module("quadlet_app", check=True, **wished)
    assert running.run("test", "-e", script["path"], check=False).returncode == 1
    done = heal(wished)
    assert done["actions"] == foretold["actions"]
    assert done["actions"].index("restart before-hello.service") < done["actions"].index("write /etc/hello/web.conf")
    started = running.invocation("before-hello.service")
    running.module("quadlet_app", **{**wished, "state": "absent", "ready": []})
    assert running.invocation("before-hello.service") == started


def test_what_a_machine_lacks_leaves_the_app_as_it_is(running):
    before = running.invocation("hello.service")
    result = running.module("quadlet_app", **{**app(key="new"), "host": {"packages": ["no-such-package"]}})
    assert result["msg"].startswith("apt cannot install no-such-package")
    assert running.invocation("hello.service") == before


def test_what_is_wrong_with_an_app_is_said_before_its_machine_changes(running):
    wished = {**app(), "host": {"files": [{"path": "/etc/too-early.conf", "content": "x\n"}]}}
    result = running.module("quadlet_app", **{**wished, "units": wished["units"] * 2})
    assert (result["msg"], result["changed"], result["actions"]) == ("app hello: unit hello.container is named twice", False, [])
    assert running.run("test", "-e", "/etc/too-early.conf", check=False).returncode == 1


def test_what_a_machine_got_is_told_although_the_app_fails(running):
    running.run("rm", "-f", "/etc/in-time.conf")
    wished = {**app(more="NoSuchKey=1"), "host": {"files": [{"path": "/etc/in-time.conf", "content": "x\n"}]}}
    result = running.module("quadlet_app", **wished)
    assert "quadlet refuses hello.container" in result["msg"]
    assert (result["changed"], result["actions"], diffs(result)) == (True, ["write /etc/in-time.conf"], ["/etc/in-time.conf"])
