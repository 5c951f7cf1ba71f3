# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What stands in the way of a driver is a refusal before anything is touched, and check mode refuses the same."""

from types import SimpleNamespace

import pytest
from ansible_collections.psw.ai.plugins.module_utils import _boot_images, _nvidia, _nvidia_change, _nvidia_job, _nvidia_packages, _nvidia_strays, _packages
from ansible_collections.psw.ai.plugins.module_utils._errors import ModuleRefusal
from ansible_collections.psw.ai.plugins.module_utils._nvidia_refusals import (
    refuse,
    refuse_foreign_kernel,
    refuse_headers,
    refuse_kernels,
    refuse_release,
)
from ansible_collections.psw.ai.plugins.modules import nvidia_driver

KERNEL, NEXT, LEFT = "6.17.2-1-pve", "7.1.1-1-pve", "6.8.12-1-pve"
DEBIANS = "6.12.48+deb13-amd64"
VERSION = "580.159.04"
NONE = {"version": None, "flavour": None}
FRESH = {
    "kernel": KERNEL, "userspace": None, "source": None, "packages": [], "modules": {KERNEL: NONE}, "headers": [KERNEL],
    "headers_to_follow": [], "loaded": None, "loaded_flavour": None, "held": {},
}  # fmt: skip
PACKAGED = {
    **FRESH, "userspace": VERSION, "source": "nvidia_repo", "packages": ["libcuda1"], "modules": {KERNEL: {"version": VERSION, "flavour": "open"}},
    "loaded": VERSION, "loaded_flavour": "open",
}  # fmt: skip
PARAMS = {
    "version": VERSION, "kernel_modules": "open", "source": "run", "replace": False, "least_versions": {}, "headers": True, "release": "13",
    "keys": [], "packages": [], "files": [], "absent": [], "units": [], "cdi": None,
}  # fmt: skip


@pytest.mark.parametrize(
    ("version", "kernels"),
    [("580.126.09", [KERNEL, DEBIANS, "6.12-amd64"]), ("580.142", [KERNEL, "7.0.2-6-pve"]), (VERSION, ["7.4.0-1-pve"])],
)
def test_a_version_that_builds_on_all_installed_kernels_is_let_pass(version, kernels):
    refuse_kernels({"modules": dict.fromkeys(kernels, NONE)}, version, {"7.0": "580.142", "7.1": VERSION})


def test_a_kernel_that_waits_for_the_next_boot_counts_when_a_version_is_too_old():
    found = {"modules": {KERNEL: NONE, NEXT: NONE}}
    with pytest.raises(ModuleRefusal, match=r"580\.142 does not build on kernel 7\.1\.1-1-pve, which is installed; 580\.159\.04 is the first that does"):
        refuse_kernels(found, "580.142", {"7.0": "580.142", "7.1": VERSION})


def test_a_kernel_that_waits_counts_when_no_version_of_the_branch_builds_on_it():
    refuse_kernels({"modules": {KERNEL: NONE}}, "590.48.01", {"7.0": None})
    with pytest.raises(ModuleRefusal, match=r"No version of NVIDIA's driver branch 590 is known to build on kernel 7\.1\.1-1-pve, which is installed"):
        refuse_kernels({"modules": {KERNEL: NONE, NEXT: NONE}}, "590.48.01", {"7.0": None})


@pytest.mark.parametrize(("kernel", "headers"), [(KERNEL, []), (DEBIANS, [DEBIANS])], ids=["Proxmox VE's, for which psw gets them", "with headers"])
def test_a_kernel_for_which_a_module_can_be_built_is_let_pass(kernel, headers):
    refuse_foreign_kernel({"kernel": kernel, "headers": headers})


def test_a_kernel_of_debian_without_headers_is_named_with_both_ways_out():
    with pytest.raises(ModuleRefusal, match=r"runs kernel 6\.12\.48\+deb13-amd64, which is not one of Proxmox VE's") as raised:
        refuse_foreign_kernel({"kernel": DEBIANS, "headers": [KERNEL]})
    assert "apt-get install proxmox-default-kernel" in raised.value.refusal["hint"]
    assert "apt-get install linux-headers-6.12.48+deb13-amd64" in raised.value.refusal["hint"]


def test_a_kernel_whose_headers_nobody_offers_is_named_with_the_package_to_remove():
    with pytest.raises(ModuleRefusal, match=rf"headers .* of kernel {LEFT}, which is installed.*apt-get purge proxmox-kernel-{LEFT}-signed\."):
        refuse_headers(KERNEL, [f"proxmox-headers-{LEFT}"], "", "")


def test_the_running_kernel_is_not_one_to_remove():
    with pytest.raises(ModuleRefusal) as raised:
        refuse_headers(KERNEL, [f"proxmox-headers-{LEFT}", f"proxmox-headers-{KERNEL}"], "", "")
    assert "purge" not in str(raised.value)
    assert "upgrade the node" in raised.value.refusal["hint"]


@pytest.mark.parametrize("lacking", [[f"proxmox-headers-{KERNEL}"], [f"proxmox-headers-{LEFT}"], ["proxmox-default-headers"]])
def test_a_node_that_gets_no_packages_of_proxmox_is_told_how_to_get_them_and_not_to_upgrade_or_remove_kernels(lacking):
    with pytest.raises(ModuleRefusal) as raised:
        refuse_headers(KERNEL, lacking, "E: no network", "Add the repository.")
    assert raised.value.refusal["hint"] == "Add the repository."
    assert raised.value.refusal["message"].endswith("apt could not fetch all package lists: E: no network")


@pytest.mark.parametrize(("release", "text"), [("13", 'ID=debian\nVERSION_ID="13"\n'), (None, 'VERSION_ID="12"\n'), ("13", None)])
def test_packages_for_this_release_or_for_none_that_is_known_are_let_pass(release, text):
    refuse_release(release, text)


def test_packages_for_another_debian_release_are_refused():
    with pytest.raises(ModuleRefusal, match=r"runs Debian 12, and NVIDIA's repository is the one for Debian 13\."):
        refuse_release("13", 'VERSION_ID="12"\n')


@pytest.mark.parametrize("check", [False, True], ids=["in a real run", "in check mode"])
@pytest.mark.parametrize(
    ("found", "params", "code"),
    [
        ({**FRESH, "modules": {KERNEL: NONE, NEXT: NONE}}, {"least_versions": {"7.1": "580.178.04"}}, "driver_too_old_for_kernel"),
        ({**FRESH, "modules": {KERNEL: NONE, LEFT: NONE}}, {}, "kernel_headers_missing"),
        ({**FRESH, "kernel": DEBIANS, "modules": {DEBIANS: NONE, KERNEL: NONE}}, {"least_versions": {"7.0": "580.142"}}, "kernel_headers_missing"),
        ({**FRESH, "held": {"0000:01:00.0": "nouveau"}}, {}, "boot_full"),
        (FRESH, {"source": "nvidia_repo", "release": "0"}, "wrong_debian_release"),
        (PACKAGED, {}, "driver_packages_needed"),
        ({**PACKAGED, "modules": {}}, {"kernel_modules": "none"}, "driver_packages_needed"),
        ({**PACKAGED, "modules": {}, "userspace": "590.48.01"}, {"kernel_modules": "none", "source": "nvidia_repo"}, "other_driver_libraries"),
        (PACKAGED, {"source": "nvidia_repo", "version": "590.48.01"}, "driver_change_unconfirmed"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_check_mode_refuses_what_a_real_run_refuses(monkeypatch, found, params, code, check):
    def full():
        raise ModuleRefusal("boot_full", "/boot is full.", "Make room.")

    monkeypatch.setattr(_nvidia, "look", lambda: found)
    monkeypatch.setattr(nvidia_driver, "gather", lambda _wish: {"paths": {}, "packages": {}, "services": {}, "pending": []})
    monkeypatch.setattr(_nvidia_change, "containers", list)
    monkeypatch.setattr(_boot_images, "stale", lambda *_: True)
    monkeypatch.setattr(_boot_images, "refuse_full", full)
    monkeypatch.setattr(_nvidia_packages, "simulate", lambda _packages: _nvidia_packages.refuse_losses("Remv pve-manager [9.1]\n"))
    monkeypatch.setattr(_nvidia_strays, "newer", lambda _version: {"/usr/lib/libcuda.so.590.48.01": "590.48.01"} if code == "other_driver_libraries" else {})
    monkeypatch.setattr(_packages, "unknown", lambda names, _sign: (names, "", ""))
    monkeypatch.setattr(_nvidia_job, "carry_out", lambda *_: pytest.fail("something was changed"))
    if code == "driver_change_unconfirmed":
        monkeypatch.setattr(nvidia_driver._nvidia_refusals, "refuse", lambda *_: None)
    with pytest.raises(ModuleRefusal) as raised:
        nvidia_driver.converge(SimpleNamespace(params={**PARAMS, **params}, check_mode=check, warn=pytest.fail))
    assert raised.value.refusal["code"] == code


@pytest.mark.parametrize("check", [False, True], ids=["in a real run", "in check mode"])
@pytest.mark.parametrize("userspace", [VERSION, None], ids=["there is nothing to install", "there is all to install"])
def test_a_container_whose_node_runs_another_driver_is_refused(monkeypatch, userspace, check):
    monkeypatch.setattr(_nvidia, "look", lambda: {**PACKAGED, "modules": {}, "userspace": userspace, "loaded": "580.142"})
    monkeypatch.setattr(nvidia_driver, "gather", lambda _wish: {"paths": {}, "packages": {}, "services": {}, "pending": []})
    monkeypatch.setattr(_nvidia_job, "carry_out", lambda *_: pytest.fail("something was changed"))
    params = {**PARAMS, "kernel_modules": "none", "source": "nvidia_repo"}
    with pytest.raises(ModuleRefusal, match=rf"the node runs NVIDIA driver 580\.142, and libraries of {VERSION}, which is recorded") as raised:
        nvidia_driver.converge(SimpleNamespace(params=params, check_mode=check, warn=pytest.fail))
    assert raised.value.refusal["code"] == "module_version"


def test_boot_images_that_wait_for_a_reboot_need_no_room(monkeypatch):
    monkeypatch.setattr(_boot_images, "stale", lambda *_: False)
    monkeypatch.setattr(_boot_images, "refuse_full", lambda: pytest.fail("nothing is rebuilt"))
    refuse({**PARAMS, "headers": False}, {**FRESH, "held": {"0000:01:00.0": "nouveau"}}, {"leave": None, "install": True, "build": []}, [])


def test_check_mode_says_that_a_reboot_is_owed_although_there_is_nothing_to_change(monkeypatch):
    warned = []
    monkeypatch.setattr(_nvidia, "look", lambda: {**PACKAGED, "loaded": "590.44.01"})
    monkeypatch.setattr(nvidia_driver, "gather", lambda _wish: {"paths": {}, "packages": {}, "services": {}, "pending": []})
    params = {**PARAMS, "source": "nvidia_repo"}
    assert nvidia_driver.converge(SimpleNamespace(params=params, check_mode=True, warn=warned.append))["changed"] is False
    assert warned == [f"NVIDIA driver {VERSION} (open kernel modules) is installed, but 590.44.01 (open) is still loaded. The node needs a reboot."]
