# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans of a machine's own state, as a table: what differs from the wish, and the steps."""

import pytest
from ansible_collections.psw.ai.plugins.module_utils import _desired_files as files
from ansible_collections.psw.ai.plugins.module_utils import _packages
from ansible_collections.psw.ai.plugins.module_utils._errors import PswModuleError
from ansible_collections.psw.ai.plugins.module_utils._host import plan_host
from ansible_collections.psw.ai.plugins.module_utils._programs import Done
from ansible_collections.psw.ai.plugins.module_utils._steps import sentence
from ansible_collections.psw.ai.plugins.module_utils._systemd import parse_show, show_command

ROOT = {"owner": "0", "group": "0"}
SOURCES, SETTINGS, UNIT = "/etc/apt/sources.list.d/x.sources", "/etc/x/x.conf", "/etc/systemd/system/x.service"
PATHS = [
    files.wish("file", SETTINGS, content="a = 1\n", mode="0644", **ROOT),
    files.wish("file", SOURCES, content="Types: deb\n", mode="0644", **ROOT),
    files.wish("file", UNIT, content="[Service]\n", mode="0644", **ROOT),
    files.wish("link", "/etc/x/link", to="x.conf"),
    files.wish("absent", "/etc/x/old.conf"),
]
RUNS = {"LoadState": "loaded", "ActiveState": "active", "UnitFileState": "enabled", "NeedDaemonReload": "no"}


def wish(**changes):
    unit = {"name": "x.service", "enabled": True, "state": "started", "masked": None}
    return {"packages": ["x"], "recommends": False, "paths": PATHS, "restarts": {SETTINGS: ["x.service"]}, "units": [unit], **changes}


def facts(paths=(), services=(), **changes):
    there = {wished["path"]: dict(wished) for wished in PATHS if wished["kind"] != "absent"}
    return {
        "pending": [],
        "missing": [],
        "packages": {"x": "1.0"},
        "paths": {**there, **dict(paths)},
        "services": {"x.service": {**RUNS, **dict(services)}},
        **changes,
    }


def steps(wished, found):
    return [sentence(step) for step in plan_host(wished, found) if step.op not in {"note", "wish for package"}]


def unit(**wishes):
    return wish(units=[{"name": "x.service", "enabled": None, "state": None, "masked": None, **wishes}])


def test_nothing_to_do_is_no_step():
    assert plan_host(wish(), facts()) == []


def test_what_apt_reads_comes_before_packages_and_the_rest_after():
    bare = facts(packages={}, services={"LoadState": "not-found", "ActiveState": "inactive", "UnitFileState": ""})
    bare["paths"] = {"/etc/x/old.conf": {"kind": "file", "content": "b\n"}}
    assert steps(wish(), bare) == [
        f"write {SOURCES}",
        "install x",
        f"write {SETTINGS}",
        f"write {UNIT}",
        "link /etc/x/link",
        "remove /etc/x/old.conf",
        "reload systemd",
        "enable x.service",
        "restart x.service",
    ]


@pytest.mark.parametrize(
    ("wished", "found", "expected"),
    [
        (wish(), facts(paths={SETTINGS: dict(PATHS[0], content="a = 2\n")}), [f"write {SETTINGS}", "restart x.service"]),
        (wish(), facts(paths={SOURCES: dict(PATHS[1], content="")}), [f"write {SOURCES}"]),
        (wish(), facts(paths={UNIT: dict(PATHS[2], content="")}), [f"write {UNIT}", "reload systemd"]),
        (wish(), facts(services={"NeedDaemonReload": "yes"}), ["reload systemd"]),
        (wish(), facts(services={"ActiveState": "failed"}), ["start x.service"]),
        (wish(), facts(services={"ActiveState": "activating", "SubState": "start"}), []),
        (wish(), facts(services={"ActiveState": "activating", "SubState": "auto-restart"}), ["start x.service"]),
        (unit(state="stopped"), facts(services={"ActiveState": "activating", "SubState": "auto-restart"}), ["stop x.service"]),
        (wish(), facts(services={"UnitFileState": "disabled"}), ["enable x.service"]),
        (wish(), facts(services={"UnitFileState": "static"}), []),
        (wish(), facts(pending=["x.service"]), ["restart x.service"]),
        (wish(packages=["x=2.0"]), facts(), ["install x=2.0"]),
        (wish(packages=["x=1.0"]), facts(), []),
        (unit(), facts(services={"ActiveState": "inactive", "UnitFileState": "disabled"}), []),
        (unit(enabled=False, state="stopped"), facts(), ["disable x.service", "stop x.service"]),
        (unit(enabled=False, state="stopped"), facts(services={"LoadState": "not-found", "ActiveState": "inactive", "UnitFileState": ""}), []),
        (unit(masked=True, state="stopped"), facts(), ["mask x.service", "stop x.service"]),
        (unit(masked=True), facts(services={"LoadState": "masked", "UnitFileState": "masked"}), []),
        (unit(masked=False), facts(services={"LoadState": "masked", "UnitFileState": "masked"}), ["unmask x.service"]),
        (unit(state="started", provides=["/dev/x", "/dev/y"]), facts(missing=["/dev/z"]), []),
        (unit(state="started", provides=["/dev/x", "/dev/y"]), facts(missing=["/dev/y"]), ["restart x.service"]),
        (unit(state="started", provides=["/dev/x"]), facts(missing=["/dev/x"], pending=["x.service"]), ["restart x.service"]),
        (unit(state="started", provides=["/dev/x"]), facts(missing=["/dev/x"], services={"ActiveState": "failed"}), ["start x.service"]),
        (unit(provides=["/dev/x"]), facts(missing=["/dev/x"]), []),
    ],
)
def test_steps(wished, found, expected):
    assert steps(wished, found) == expected


def test_a_restart_is_noted_first_and_cleared_last():
    plan = plan_host(wish(), facts(paths={SETTINGS: dict(PATHS[0], content="a = 2\n")}))
    assert (plan[0].args, plan[-1].args) == ({"units": ["x.service"]}, {"units": []})


def test_what_a_unit_no_longer_provides_is_shown():
    (step,) = plan_host(unit(state="started", provides=["/dev/x", "/dev/y"]), facts(missing=["/dev/x", "/dev/y"]))
    assert (step.diff["before"], step.diff["after"]) == ("active, without /dev/x, /dev/y\n", "active\n")


def test_a_stopped_unit_is_not_restarted():
    wished = unit(state="stopped")
    changed = facts(paths={SETTINGS: dict(PATHS[0], content="a = 2\n")}, services={"ActiveState": "inactive"})
    assert steps(wished, changed) == [f"write {SETTINGS}"]


def test_a_unit_to_start_that_nothing_brings_is_named():
    with pytest.raises(PswModuleError, match=r"unit x\.service is to be started, and there is no such unit on this machine"):
        plan_host(wish(), facts(services={"LoadState": "not-found", "ActiveState": "inactive"}))


def test_packages_count_as_there_only_when_installed():
    said = "podman installed 5.4.2+ds1-2\nold config-files 1.0\n"
    assert _packages.parse_query(said) == {"podman": "5.4.2+ds1-2"}


def apt_that_answers(monkeypatch, *answers):
    """Let programs answer in turn with (exit code, stderr); return the commands as they come."""
    asked, answers = [], list(answers)

    def answer(argv, *, check=True, doing=None):
        asked.append(" ".join(word for word in argv if not word.startswith(("-o", "DPkg", "Dpkg"))))
        rc, err, *out = answers.pop(0)
        assert not check or rc == 0, doing
        return Done(rc, "".join(out), err)

    monkeypatch.setattr(_packages, "run", answer)
    return asked


def install_x():
    (step,) = [step for step in _packages.plan(["x"], {}, recommends=False) if step.op == "install"]
    _packages.install(step)


def test_a_repository_that_does_not_answer_matters_only_when_the_install_fails(monkeypatch):
    apt_that_answers(monkeypatch, (100, "E: Failed to fetch https://enterprise.proxmox.com 401 Unauthorized"), (0, ""))
    install_x()
    apt_that_answers(monkeypatch, (100, "Reading...\nE: 401 Unauthorized"), (100, "E: Unable to locate package x"))
    with pytest.raises(PswModuleError) as caught:
        install_x()
    assert str(caught.value) == ("apt cannot install x: E: Unable to locate package x\nBefore that, apt could not fetch all package lists: E: 401 Unauthorized")


def test_a_module_that_does_not_build_is_the_cause_and_not_drowned_by_what_follows_from_it(monkeypatch):
    said = ["Error! Bad return status for module build on kernel: 7.0.2-6-pve (x86_64)", "Consult /var/lib/dkms/nvidia/590.48.01/build/make.log"]
    apt_that_answers(
        monkeypatch, (0, ""), (100, "\n".join([*said, *["dpkg: error processing package y (--configure):"] * 9, "E: Sub-process returned an error"]))
    )
    with pytest.raises(PswModuleError) as caught:
        install_x()
    assert str(caught.value).splitlines()[:2] == [f"apt cannot install x: {said[0]}", said[1]]
    assert str(caught.value).splitlines()[-1] == "E: Sub-process returned an error"


# What apt says on a new node: the repository that it came with wants a subscription.
UNPAID = "E: Failed to fetch https://enterprise.proxmox.com/debian/pve/dists/trixie/InRelease  401  Unauthorized [IP: 192.0.2.7 443]"


def test_a_new_node_is_told_of_the_repository_that_costs_nothing_where_a_package_is_not_to_be_had(monkeypatch):
    apt_that_answers(monkeypatch, (100, UNPAID), (100, "E: Unable to locate package x"), (0, ""))
    with pytest.raises(PswModuleError, match=r"Add Proxmox's repository for nodes without a subscription .*> Add > No-Subscription\)"):
        install_x()


MADISON = " {} | 1.0 | http://download.proxmox.com/debian/pve trixie/pve-no-subscription amd64 Packages\n"


@pytest.mark.parametrize(
    ("updated", "installed"),
    [
        ((100, UNPAID), "E: Failed to fetch http://deb.example/x.deb"),
        ((0, ""), "E: Unable to locate package x"),
        ((100, UNPAID), "E: Unable to locate package x"),
    ],
    ids=["the package is known, and does not come", "all lists are there", "that repository is there, too"],
)
def test_a_failure_that_another_repository_would_not_mend_is_left_in_apts_words(monkeypatch, updated, installed):
    apt_that_answers(monkeypatch, updated, (100, installed), (0, "", MADISON.format("proxmox-default-headers")))
    with pytest.raises(PswModuleError) as caught:
        install_x()
    assert "No-Subscription" not in str(caught.value)


@pytest.mark.parametrize(
    ("updated", "offered", "way_out"),
    [
        ((100, UNPAID), "", "Add Proxmox's repository"),
        ((0, ""), "", "Add Proxmox's repository"),
        ((100, "E: Temporary failure resolving 'download.proxmox.com'"), "", "Make apt-get update succeed"),
        ((100, UNPAID), MADISON.format("sign"), ""),
        ((0, ""), MADISON.format("sign"), ""),
    ],
    ids=["not paid", "no such repository", "no network", "not paid, and not needed", "all is well"],
)
def test_what_keeps_a_package_from_a_node_is_told_from_a_package_that_is_gone(monkeypatch, updated, offered, way_out):
    apt_that_answers(monkeypatch, (0, "", ""), updated, (0, "", offered))
    lacking, trouble, said = _packages.unknown(["old"], "sign")
    assert (lacking, trouble) == (["old"], updated[1])
    assert said.startswith(way_out)
    assert bool(said) == bool(way_out)


def test_an_install_that_was_killed_is_finished_first(monkeypatch):
    interrupted = "E: dpkg was interrupted, you must manually run 'dpkg --configure -a' to correct the problem."
    asked = apt_that_answers(monkeypatch, (0, ""), (100, interrupted), (0, ""), (0, ""))
    install_x()
    install = "apt-get -qy --no-install-recommends --allow-downgrades install x"
    assert asked == ["apt-get -qy update", install, "dpkg --force-confdef --force-confold --configure -a", install]


def test_states_are_read_in_the_order_they_were_asked():
    assert show_command([]) is None
    said = "Id=dbus.service\nActiveState=active\n\nId=b.service\nActiveState=failed\n"
    assert parse_show(["dbus-alias.service", "b.service"], said) == {
        "dbus-alias.service": {"Id": "dbus.service", "ActiveState": "active"},
        "b.service": {"Id": "b.service", "ActiveState": "failed"},
    }
    with pytest.raises(PswModuleError, match=r"systemctl does not answer for a\.service: is systemd running here\?"):
        parse_show(["a.service"], "")
