# SPDX-License-Identifier: GPL-3.0-or-later
"""The stand-ins of vendors' servers: strict where the real ones are, signed where the real ones are."""

import hashlib
import shutil
import subprocess

import pytest

from lab import elf, machines, packages, vendors

VERSION = vendors.DRIVERS[1]


@pytest.fixture(scope="module")
def runfile(tmp_path_factory):
    file = tmp_path_factory.mktemp("nvidia") / "driver.run"
    file.write_bytes(vendors.runfile(VERSION))
    return file


def run(*command):
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)


def test_the_installer_refuses_an_option_that_the_real_one_does_not_have(runfile, tmp_path):
    done = run("sh", runfile, "--silent", "--bogus", f"--tmpdir={tmp_path}")
    assert done.returncode == 1
    assert "unrecognized option '--bogus'" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_the_installer_tells_its_version(runfile):
    assert run("sh", runfile, "--version").stdout.strip() == f"nvidia-installer:  version {VERSION}"


def test_an_installer_is_the_same_file_every_time():
    assert vendors.runfile(VERSION) == vendors.runfile(VERSION)


def test_a_damaged_installer_says_so(runfile, tmp_path):
    cut = tmp_path / "cut.run"
    cut.write_bytes(runfile.read_bytes()[:-2000])
    assert run("sh", cut, "--version", f"--tmpdir={tmp_path}").returncode == 1


@pytest.mark.skipif(shutil.which("ldconfig", path="/sbin:/usr/sbin") is None, reason="needs ldconfig")
def test_ldconfig_takes_the_libraries_for_real(tmp_path):
    library = tmp_path / f"libcuda.so.{VERSION}"
    library.write_bytes(elf.shared_library("libcuda.so.1"))
    done = run("/sbin/ldconfig", "-n", "-v", tmp_path)
    assert f"libcuda.so.1 -> libcuda.so.{VERSION}" in done.stdout


@pytest.mark.skipif(shutil.which("modinfo", path="/sbin:/usr/sbin") is None, reason="needs kmod")
def test_modinfo_reads_the_kernels_own_module(tmp_path):
    module = tmp_path / "dummy.ko"
    module.write_bytes(elf.kernel_module(name="dummy", license="GPL"))
    assert run("/sbin/modinfo", "-F", "license", module).stdout == "GPL\n"


@pytest.fixture(scope="module")
def www(tmp_path_factory):
    for program in ("gpg", "dpkg-deb"):
        if shutil.which(program) is None:
            pytest.skip(f"needs {program}")
    root = tmp_path_factory.mktemp("www")
    patch = pytest.MonkeyPatch()
    patch.setattr(packages, "KEYS", tmp_path_factory.mktemp("keys"))
    vendors.publish(root, machines.load("rtx_3060_with_a_newer_kernel_waiting"))
    yield root
    patch.undo()


def test_every_installer_lies_beside_its_checksum(www):
    for version in vendors.DRIVERS:
        file = www / f"download.nvidia.com/XFree86/Linux-x86_64/{version}/NVIDIA-Linux-x86_64-{version}.run"
        said = file.with_name(f"{file.name}.sha256sum").read_text(encoding="ascii")
        assert said == f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n"


def test_the_toolkits_repository_is_signed_with_the_published_key(www, tmp_path):
    root = www / "nvidia.github.io/libnvidia-container"
    ring = tmp_path / "key.gpg"
    run("gpg", "--batch", "--homedir", tmp_path, "--output", ring, "--dearmor", root / "gpgkey")
    checked = run("gpg", "--batch", "--homedir", tmp_path, "--no-default-keyring", "--keyring", ring, "--verify", root / "stable/deb/amd64/InRelease")
    assert "Good signature" in checked.stderr


def test_headers_are_there_for_every_kernel_of_the_machine(www):
    index = (www / "download.proxmox.com/debian/pve/dists/trixie/pve-no-subscription/binary-amd64/Packages").read_text(encoding="utf-8")
    for package in ("proxmox-headers-6.17.2-1-pve", "proxmox-headers-6.17.4-2-pve", "proxmox-default-headers"):
        assert f"Package: {package}\n" in index
    assert "Depends: proxmox-headers-6.17.4-2-pve" in index


def test_publishing_again_rewrites_nothing(www):
    before = {file: file.stat().st_mtime_ns for file in www.rglob("*") if file.is_file()}
    vendors.publish(www, machines.load("rtx_3060_with_a_newer_kernel_waiting"))
    assert {file: file.stat().st_mtime_ns for file in www.rglob("*") if file.is_file()} == before
