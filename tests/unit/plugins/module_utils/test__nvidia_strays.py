# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Libraries of another driver beside the wished ones: found, told apart from those that go anyway, and named with the way out."""

import fnmatch
from types import SimpleNamespace

import pytest
from ansible_collections.psw.ai.plugins.module_utils import _nvidia, _nvidia_strays
from ansible_collections.psw.ai.plugins.module_utils._errors import ModuleRefusal, PswModuleError
from ansible_collections.psw.ai.plugins.module_utils._nvidia import REPOSITORY, RUN
from ansible_collections.psw.ai.plugins.module_utils._programs import Done

VERSION = "580.159.04"
LIBRARIES = "/usr/lib/x86_64-linux-gnu"
STRAY = f"{LIBRARIES}/libcuda.so.590.48.01"
PACKAGED = {"userspace": "590.48.01", "packages": ["libcuda1"]}


def test_only_libraries_of_a_newer_driver_are_found(tmp_path):
    place = tmp_path / LIBRARIES[1:]
    place.mkdir(parents=True)
    for name in (
        f"libcuda.so.{VERSION}", "libcuda.so.1", "libcuda.so.580.142", "libcuda.so.590.48.01", "libnvidia-ml.so.610.43.03", "libnvidia-container.so.1.20.0",
        "libicudata.so.76.1", "libllvm.so.999.0",
    ):  # fmt: skip
        (place / name).touch()
    assert _nvidia_strays.newer(VERSION, tmp_path) == {STRAY: "590.48.01", f"{LIBRARIES}/libnvidia-ml.so.610.43.03": "610.43.03"}
    assert _nvidia_strays.newer(VERSION, tmp_path / "nowhere") == {}


def test_dpkg_tells_whose_a_file_is(monkeypatch):
    said = f"libcuda1:amd64: {STRAY}\nlibnvidia-ml1: {LIBRARIES}/libnvidia-ml.so.590.48.01\n"
    monkeypatch.setattr(_nvidia_strays, "run", lambda *_, **__: SimpleNamespace(out=said, rc=1))
    assert _nvidia_strays.owners([STRAY]) == {STRAY: "libcuda1", f"{LIBRARIES}/libnvidia-ml.so.590.48.01": "libnvidia-ml1"}


@pytest.mark.parametrize(
    ("packages", "installed", "sources", "stays"),
    [
        ({}, "", (RUN, None), True),
        ({}, f"1: {STRAY}", (RUN, None), False),
        ({}, "590.48.01\nNVIDIA Accelerated Graphics Driver", (RUN, None), False),
        ({}, f"1: {STRAY}", (REPOSITORY, RUN), False),
        ({}, f"1: {STRAY}", (REPOSITORY, None), True),
        ({STRAY: "libcuda1"}, "", (RUN, REPOSITORY), False),
        ({STRAY: "libcuda1"}, "", (REPOSITORY, None), False),
        ({STRAY: "libcuda1"}, "", (RUN, None), True),
        ({STRAY: "their-own"}, "", (REPOSITORY, None), True),
    ],
    ids=[
        "put there by hand", "of the installer that runs again", "of the version that it installed", "of the installer that is left",
        "of an installer that nobody can undo", "of packages that are left", "of packages that change", "of packages beside the installer",
        "of somebody's own package",
    ],
)  # fmt: skip
def test_what_goes_with_its_source_is_not_in_the_way(packages, installed, sources, stays):
    assert bool(_nvidia_strays.strays({STRAY: "590.48.01"}, packages, installed, PACKAGED, sources)) is stays


OTHERS = {
    "libnvcuvid1": "libnvcuvid", "libnvoptix1": "libnvoptix", "libcudadebugger1": "libcudadebugger", "libegl-nvidia0": "libEGL_nvidia",
    "libgles-nvidia2": "libGLESv2_nvidia", "libglx-nvidia0": "libGLX_nvidia", "libnvidia-ml1": "libnvidia-ml",
}  # fmt: skip


def test_every_library_of_a_packaged_driver_goes_with_it(tmp_path, monkeypatch):
    """A package that look() did not ask for was named as in the way of any downgrade, and purging it takes programs with it."""
    place = tmp_path / LIBRARIES[1:]
    place.mkdir(parents=True)
    packages = {f"{LIBRARIES}/{name}.so.590.48.01": package for package, name in OTHERS.items()}
    for path in packages:
        (tmp_path / path[1:]).touch()

    def installed(query, *questions):
        shown = [f"{name} installed 590.48.01-1\n" for name in [*OTHERS, "libnvidia-container1"] if any(fnmatch.fnmatchcase(name, part) for part in query)]
        return [Done(0, "".join(shown), ""), *(Done(1, "", "") for _ in questions)]

    monkeypatch.setattr(_nvidia, "run_together", installed)
    found, libraries = _nvidia.look(tmp_path), _nvidia_strays.newer(VERSION, tmp_path)
    assert found["packages"] == sorted(OTHERS)
    assert libraries.keys() == packages.keys()
    for sources in ((REPOSITORY, None), (RUN, REPOSITORY)):
        assert _nvidia_strays.strays(libraries, packages, "", found, sources) == {}


def test_the_files_are_named_with_the_commands_that_remove_them():
    more = {f"{LIBRARIES}/lib{name}.so.590.48.01": "590.48.01" for name in ("nvidia-ml", "nvidia-cfg", "nvidia-nvvm")}
    with pytest.raises(ModuleRefusal) as raised:
        _nvidia_strays.refuse_strays("psw-ai", {STRAY: "590.48.01", **more}, {f"{LIBRARIES}/libnvidia-ml.so.590.48.01": "libnvidia-ml1"}, VERSION)
    assert raised.value.refusal == {
        "code": "other_driver_libraries",
        "message": (
            f"On psw-ai, libraries of a newer driver lie where those of {VERSION} belong, and programs load the newest: "
            f"{STRAY}, {LIBRARIES}/libnvidia-ml.so.590.48.01, {LIBRARIES}/libnvidia-cfg.so.590.48.01 and 1 more."
        ),
        "hint": f"Remove them there: apt-get purge libnvidia-ml1 && rm {LIBRARIES}/lib*.so.590.48.01 && ldconfig. Then run this again.",
    }


@pytest.mark.parametrize("userspace", [VERSION, "580.142"], ids=["the right ones are loaded", "older ones are loaded"])
def test_what_a_run_puts_right_is_let_pass(monkeypatch, userspace):
    monkeypatch.setattr(_nvidia_strays, "newer", lambda _version: {} if userspace != VERSION else pytest.fail("nothing is wrong"))
    _nvidia_strays.refuse({"version": VERSION, "source": RUN}, {**PACKAGED, "userspace": userspace}, {"leave": None})


def test_libraries_that_are_gone_although_their_package_is_there_are_said_with_the_command_that_brings_them(monkeypatch):
    monkeypatch.setattr(_nvidia_strays, "run", lambda *_, **__: None)
    monkeypatch.setattr(_nvidia_strays, "look", lambda: {"userspace": VERSION})
    _nvidia_strays.link(VERSION)
    monkeypatch.setattr(_nvidia_strays, "look", lambda: {"userspace": None})
    with pytest.raises(PswModuleError, match=rf"libcuda\.so\.{VERSION} is gone although its package is installed.*--reinstall libcuda1$"):
        _nvidia_strays.link(VERSION)
