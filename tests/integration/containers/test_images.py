# SPDX-License-Identifier: GPL-3.0-or-later
"""Images come from a real registry, come back, and go when nobody needs them."""

import pytest

SHELF = "127.0.0.1:5000/psw/shelf"
UNIT = "[Container]\nContainerName={name}\nImage={image}\nExec=/bin/busybox sleep 1d\nNetwork=none\nPodmanArgs=--stop-signal=SIGKILL\n"
STOCK = """\
for tag in 1 2 3; do
    test -d /srv/registry/$tag && continue
    echo "shelf $tag" >/tmp/web/tag
    tar -C /tmp/web -c . | podman import --quiet - localhost/shelf:$tag
    mkdir -p /srv/registry
    podman push --quiet localhost/shelf:$tag dir:/srv/registry/$tag
    podman rmi localhost/shelf:$tag
done
printf '[[registry]]\\nlocation = "127.0.0.1:5000"\\ninsecure = true\\n' >/etc/containers/registries.conf.d/shelf.conf
here=/opt/psw/ansible_collections/psw/ai/tests/integration/containers
systemctl is-active --quiet registry || systemd-run --unit=registry python3 -B $here/registry.py /srv/registry
until python3 -c 'import socket; socket.create_connection(("127.0.0.1", 5000))' 2>/dev/null; do sleep 0.1; done
"""


def app(tag=1, name="shelf", image=SHELF):
    unit = {"name": f"{name}.container", "content": UNIT.format(name=name, image=f"{image}:{tag}")}
    return {"name": name, "units": [unit], "ready": [{"exec": {"container": name, "argv": ["/bin/true"]}}], "ready_timeout": 60}


@pytest.fixture
def shelf(machine):
    """The machine with an app whose image psw has pulled."""
    machine.run("sh", "-ec", STOCK)
    for other in ("reader", "shelf"):
        machine.module("quadlet_app", name=other, state="absent")
    result = machine.module("quadlet_app", **app())
    assert result.get("actions", [""])[0] == f"pull {SHELF}:1", result.get("msg")
    yield machine
    for name in ("reader", "shelf"):
        machine.module("quadlet_app", name=name, state="absent")


def there(machine, tag):
    return machine.run("podman", "image", "exists", f"{SHELF}:{tag}", check=False).returncode == 0


def test_an_image_removed_by_hand_comes_back_and_what_runs_goes_on(shelf):
    before = shelf.invocation("shelf")
    shelf.run("podman", "image", "untag", f"{SHELF}:1")
    foretold = shelf.module("quadlet_app", check=True, **app())
    assert foretold["actions"] == [f"pull {SHELF}:1"]
    assert [diff["after"] for diff in foretold["diff"]] == ["present\n"]
    healed = shelf.module("quadlet_app", **app())
    assert (healed["actions"], healed["restarted"]) == ([f"pull {SHELF}:1"], {})
    assert shelf.invocation("shelf") == before
    assert not shelf.module("quadlet_app", **app())["changed"]


def test_the_image_of_an_old_pin_goes_once_the_new_one_runs(shelf):
    foretold = shelf.module("quadlet_app", check=True, **app(2))
    assert there(shelf, 1)
    done = shelf.module("quadlet_app", **app(2))
    assert done["actions"] == foretold["actions"]
    assert done["actions"][-1] == f"remove image {SHELF}:1"
    assert done["diff"] == foretold["diff"]
    assert shelf.run("podman", "exec", "shelf", "/bin/cat", "/tag").stdout == "shelf 2\n"
    assert not there(shelf, 1)
    assert not shelf.module("quadlet_app", **app(2))["changed"]


def test_the_old_image_stays_until_the_new_one_answers(shelf):
    silent = {**app(2), "ready": [{"tcp": {"host": "127.0.0.1", "port": 9}}], "ready_timeout": 1}
    assert "not ready" in shelf.module("quadlet_app", **silent)["msg"]
    assert there(shelf, 1)
    assert shelf.module("quadlet_app", **app(2))["actions"] == [f"remove image {SHELF}:1"]
    assert not there(shelf, 1)


def test_the_image_of_a_removed_app_goes_when_no_other_app_has_it(shelf):
    shelf.module("quadlet_app", **app(name="reader"))
    assert f"remove image {SHELF}:1" not in shelf.module("quadlet_app", name="shelf", state="absent")["actions"]
    assert there(shelf, 1)
    assert f"remove image {SHELF}:1" in shelf.module("quadlet_app", name="reader", state="absent")["actions"]
    assert not there(shelf, 1)


def test_an_image_that_somebody_elses_container_uses_stays(shelf):
    shelf.run("podman", "create", "--name=mine", f"{SHELF}:1", "/bin/true")
    try:
        assert f"remove image {SHELF}:1" not in shelf.module("quadlet_app", **app(2))["actions"]
        assert there(shelf, 1)
    finally:
        shelf.run("podman", "rm", "mine")
    assert shelf.module("quadlet_app", **app(2))["actions"] == [f"remove image {SHELF}:1"]


def test_an_image_that_somebody_pulled_by_hand_stays(shelf):
    shelf.run("podman", "pull", "--quiet", f"{SHELF}:3")
    shelf.module("quadlet_app", **app(3))
    shelf.module("quadlet_app", **app(2))
    assert there(shelf, 3)
    shelf.run("podman", "rmi", f"{SHELF}:3")


def test_an_image_that_does_not_exist_is_named_with_its_registry(shelf):
    result = shelf.module("quadlet_app", **app(404))
    assert f"image {SHELF}:404 cannot be pulled: " in result["msg"]
    assert "Nothing else was changed. 127.0.0.1:5000 has no such image: correct its name or tag." in result["msg"]
    assert not shelf.module("quadlet_app", **app())["changed"]


def test_groups_by_number_reach_a_container_that_does_not_run_as_root(shelf):
    grouped = app()
    grouped["units"][0]["content"] += "User=1000\nGroupAdd=44\nGroupAdd=993\n"
    assert shelf.module("quadlet_app", **grouped)["ready"]
    status = shelf.run("sh", "-c", "grep ^Groups: /proc/$(podman inspect --format '{{.State.Pid}}' shelf)/status").stdout
    assert {"44", "993"} <= set(status.split())
    grouped["units"][0]["content"] += "GroupAdded=44\n"
    assert "unsupported key 'GroupAdded'" in shelf.module("quadlet_app", **grouped)["msg"]
