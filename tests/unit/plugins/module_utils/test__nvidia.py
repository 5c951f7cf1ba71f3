# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What nvidia_driver sees, plans and refuses, and how it gets the installer."""

import functools
import hashlib
import http.server
import threading

import pytest
from ansible_collections.psw.ai.plugins.module_utils import _nvidia
from ansible_collections.psw.ai.plugins.module_utils import _nvidia_install as installer
from ansible_collections.psw.ai.plugins.module_utils._errors import PswModuleError
from ansible_collections.psw.ai.plugins.module_utils._gpu_text import parse_loaded
from ansible_collections.psw.ai.plugins.module_utils._nvidia import (
    describe_found,
    flavour_of,
    library_version,
    plan,
    reboot_reason,
    what_is_there,
)
from ansible_collections.psw.ai.plugins.module_utils._programs import Done

KERNEL, NEXT = "6.17.2-1-pve", "6.17.4-1-pve"
VERSION = "580.159.04"
OPEN = {"version": VERSION, "flavour": "open"}
NONE = {"version": None, "flavour": None}
LOADED_OPEN = f"NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  {VERSION}  Release Build  (root@pve)\nGCC version:  gcc version 14.2.0\n"
LOADED_PROPRIETARY = "NVRM version: NVIDIA UNIX x86_64 Kernel Module  580.142  Tue Feb  3 10:00:00 UTC 2026\n"


def machine(**found):
    return {
        "kernel": KERNEL, "userspace": VERSION, "source": "run", "packages": [], "modules": {KERNEL: OPEN}, "headers": [KERNEL],
        "loaded": VERSION, "loaded_flavour": "open", "held": {}, **found,
    }  # fmt: skip


FRESH = {"userspace": None, "source": None, "modules": {KERNEL: NONE}, "loaded": None, "loaded_flavour": None}


@pytest.mark.parametrize(
    ("text", "expected"),
    [(LOADED_OPEN, (VERSION, "open")), (LOADED_PROPRIETARY, ("580.142", "proprietary")), (None, (None, None)), ("garbage", (None, None))],
)
def test_the_loaded_module_is_read_from_proc(text, expected):
    assert parse_loaded(text) == expected


@pytest.mark.parametrize(
    ("path", "version"), [("/usr/lib/x86_64-linux-gnu/libcuda.so.580.159.04", VERSION), ("/usr/lib/x86_64-linux-gnu/libcuda.so.1", None), (None, None)]
)
def test_the_version_of_a_library_is_in_its_name(path, version):
    assert library_version(path) == version


@pytest.mark.parametrize(("licence", "flavour"), [("Dual MIT/GPL", "open"), ("NVIDIA", "proprietary"), (None, None)])
def test_the_licence_tells_the_flavour(licence, flavour):
    assert flavour_of(licence) == flavour


NOTHING = {"leave": None, "install": False, "build": [], "load": False, "link": False}
PACKAGED = {"source": "nvidia_repo", "packages": ["libcuda1", "nvidia-kernel-open-dkms"]}


@pytest.mark.parametrize(
    ("found", "kernel_modules", "todo"),
    [
        (machine(), "open", NOTHING),
        (machine(**FRESH), "open", {**NOTHING, "install": True, "load": True}),
        (machine(userspace="580.142"), "open", {**NOTHING, "install": True}),
        (machine(), "proprietary", {**NOTHING, "install": True}),
        (machine(modules={KERNEL: OPEN, NEXT: NONE}), "open", {**NOTHING, "build": [NEXT]}),
        (machine(modules={KERNEL: NONE, NEXT: OPEN}), "open", {**NOTHING, "install": True, "build": [NEXT]}),
        (machine(loaded=None), "open", {**NOTHING, "load": True}),
        (machine(modules={}, loaded=VERSION), "none", NOTHING),
        (machine(modules={}, userspace="580.142"), "none", {**NOTHING, "install": True}),
        (machine(**PACKAGED), "open", {**NOTHING, "leave": "nvidia_repo", "install": True}),
        (machine(**PACKAGED, modules={}), "none", {**NOTHING, "leave": "nvidia_repo", "install": True}),
    ],
)
def test_only_what_is_missing_is_planned_with_nvidias_installer(found, kernel_modules, todo):
    assert plan(found, VERSION, kernel_modules, "run") == todo


@pytest.mark.parametrize(
    ("found", "kernel_modules", "todo"),
    [
        (machine(**PACKAGED), "open", NOTHING),
        (machine(**FRESH), "open", {**NOTHING, "build": [KERNEL], "load": True, "link": True}),
        (machine(**PACKAGED, modules={}, userspace="580.142"), "none", {**NOTHING, "link": True}),
        (machine(**PACKAGED, modules={KERNEL: OPEN, NEXT: NONE}), "open", {**NOTHING, "build": [NEXT]}),
        (machine(), "open", {**NOTHING, "leave": "run", "build": [KERNEL]}),
        (machine(modules={}), "none", {**NOTHING, "leave": "run"}),
    ],
)
def test_with_packages_only_modules_are_planned_because_apt_brings_the_rest(found, kernel_modules, todo):
    assert plan(found, VERSION, kernel_modules, "nvidia_repo") == todo


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (machine(**FRESH), "This machine has no NVIDIA driver now"),
        (machine(userspace="580.142"), "This machine has NVIDIA driver 580.142 now, with its open module for the running kernel"),
        (machine(modules={KERNEL: NONE}), f"This machine has NVIDIA driver {VERSION} now, with no module for the running kernel"),
    ],
)
def test_a_run_that_failed_says_what_it_leaves_behind(found, said):
    assert what_is_there(found) == f"{said}; run the same command again once the cause is gone."


HELD = machine(**FRESH, held={"0000:01:00.0": "nouveau"})


def test_a_card_that_nouveau_holds_needs_a_reboot():
    assert reboot_reason(HELD, VERSION, "open") == "The nouveau driver holds 0000:01:00.0; it is switched off from the next boot on."


def test_cards_that_one_of_the_kernels_own_drivers_has_are_found_with_its_name(tmp_path, monkeypatch):
    for driver, address in (
        ("NovaCore", "0000:01:00.0"), ("nouveau", "0000:02:00.0"), ("vfio-pci", "0000:03:00.0"), ("nova-core", "0000:04:00.0"),
    ):  # fmt: skip
        (tmp_path / "sys/bus/pci/drivers" / driver / address).mkdir(parents=True)
        (tmp_path / "sys/bus/pci/drivers" / driver / "new_id").touch()
    monkeypatch.setattr(_nvidia, "run_together", lambda *questions: [Done(0, "", "")] * len(questions))
    found = _nvidia.look(tmp_path)
    assert found["held"] == {"0000:02:00.0": "nouveau", "0000:01:00.0": "nova_core", "0000:04:00.0": "nova_core"}
    assert reboot_reason(found, VERSION, "open").startswith("The nouveau and nova_core driver holds 0000:02:00.0, 0000:01:00.0, 0000:04:00.0;")


def test_nouveau_is_the_nodes_business_and_not_a_containers():
    assert reboot_reason(HELD, VERSION, "none") == ""


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (machine(), ""),
        (machine(loaded=None, loaded_flavour=None), ""),
        (machine(loaded="580.142"), f"NVIDIA driver {VERSION} (open kernel modules) is installed, but 580.142 (open) is still loaded."),
        (machine(loaded_flavour="proprietary"), f"NVIDIA driver {VERSION} (open kernel modules) is installed, but {VERSION} (proprietary) is still loaded."),
    ],
)
def test_another_version_or_flavour_that_is_loaded_needs_a_reboot(found, reason):
    assert reboot_reason(found, VERSION, "open") == reason


def test_the_diff_shows_a_module_of_another_version():
    found = machine(modules={KERNEL: OPEN, NEXT: {"version": "580.142", "flavour": "open"}})
    assert describe_found(found, "open") == f"driver: {VERSION} (run)\nmodule for {KERNEL}: open\nmodule for {NEXT}: open 580.142\n"


def test_a_container_gets_no_modules_and_a_loaded_driver_may_stay():
    assert "--no-kernel-modules" in installer.options("none", running=True, directory="/c")
    assert "--allow-installation-with-running-driver" not in installer.options("none", running=True, directory="/c")
    host = installer.options("proprietary", running=True, directory="/c")
    assert {"--dkms", "--kernel-module-type=proprietary", "--allow-installation-with-running-driver"} <= set(host)


def test_the_installers_own_words_are_quoted_with_the_logs(tmp_path):
    script = tmp_path / "installer"
    script.write_text("echo; echo 'ERROR: Failed to build'; echo 'ERROR: See /var/lib/dkms/nvidia/1/build/make.log'; exit 1", encoding="utf-8")
    with pytest.raises(PswModuleError) as failed:
        installer.install(str(script), [])
    assert str(failed.value) == "NVIDIA's installer failed: Failed to build (logs: /var/log/nvidia-installer.log and /var/lib/dkms/nvidia/1/build/make.log)"


@pytest.fixture
def vendor(tmp_path):
    """A web server with an installer and its checksum; yields its directory and URL."""
    root = tmp_path / "www"
    root.mkdir()
    (root / "driver.run").write_bytes(b"driver" * 1000)
    (root / "driver.run.sha256sum").write_text(f"{hashlib.sha256(b'driver' * 1000).hexdigest()}  driver.run\n", encoding="ascii")

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=root))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield root, f"http://127.0.0.1:{server.server_port}/driver.run"
    server.shutdown()
    server.server_close()


def test_a_download_is_held_against_the_vendors_checksum(vendor, tmp_path):
    _, url = vendor
    path = installer.download(url, str(tmp_path / "cache"))
    assert (tmp_path / "cache/driver.run").read_bytes() == b"driver" * 1000
    assert path == str(tmp_path / "cache/driver.run")


def test_a_download_that_was_cut_off_leaves_nothing_behind(vendor, tmp_path):
    root, url = vendor
    (root / "driver.run").write_bytes(b"driver" * 500)
    with pytest.raises(PswModuleError, match=r"is damaged or was cut off: its SHA-256 is .*Run this again"):
        installer.download(url, str(tmp_path / "cache"))
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_checked_download_is_used_again(vendor, tmp_path):
    root, url = vendor
    installer.download(url, str(tmp_path / "cache"))
    (root / "driver.run").unlink()
    installer.download(url, str(tmp_path / "cache"))


def test_a_checksum_file_without_a_checksum_is_refused(vendor, tmp_path):
    root, url = vendor
    (root / "driver.run.sha256sum").write_text("<html>not found</html>", encoding="ascii")
    with pytest.raises(PswModuleError, match=r"driver\.run\.sha256sum holds no SHA-256 checksum"):
        installer.download(url, str(tmp_path / "cache"))


def test_a_vendor_that_does_not_answer_is_named(vendor, tmp_path):
    _, url = vendor
    with pytest.raises(PswModuleError, match=r"cannot download http://.*/missing\.run\.sha256sum: .*404"):
        installer.download(url.replace("driver", "missing"), str(tmp_path / "cache"))
