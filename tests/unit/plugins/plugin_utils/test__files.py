# SPDX-License-Identifier: GPL-3.0-or-later
import os
import resource
import signal
import stat
import subprocess
from pathlib import Path

import pytest
from ansible_collections.psw.ai.plugins.plugin_utils._errors import PswError
from ansible_collections.psw.ai.plugins.plugin_utils._files import shown, write_atomic


def test_a_file_is_replaced_by_the_new_text(tmp_path):
    write_atomic(tmp_path / "file", "old")
    write_atomic(tmp_path / "file", "new ü")
    assert (tmp_path / "file").read_text(encoding="utf-8") == "new ü"


def test_nothing_but_the_file_is_left_behind(tmp_path):
    write_atomic(tmp_path / "file", "text")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_directories_on_the_way_are_made(tmp_path):
    write_atomic(tmp_path / "nodes/pve1/gpu.yml", "text")
    assert (tmp_path / "nodes/pve1/gpu.yml").read_text() == "text"


@pytest.mark.parametrize("mode", [0o600, 0o644])
def test_the_mode_is_the_one_asked_for_whatever_the_umask(tmp_path, mode):
    before = os.umask(0o077)
    try:
        write_atomic(tmp_path / "file", "text", mode=mode)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == mode


def test_a_file_keeps_its_mode_when_none_is_asked_for(tmp_path):
    write_atomic(tmp_path / "psw.yml", "new")
    assert stat.S_IMODE((tmp_path / "psw.yml").stat().st_mode) == 0o644
    (tmp_path / "psw.yml").chmod(0o640)
    write_atomic(tmp_path / "psw.yml", "newer")
    assert stat.S_IMODE((tmp_path / "psw.yml").stat().st_mode) == 0o640


def test_a_link_may_lead_to_another_file_system(tmp_path, small_disk):
    (small_disk / "file").write_text("old")
    (tmp_path / "link").symlink_to(small_disk / "file")
    write_atomic(tmp_path / "link", "new")
    assert ((tmp_path / "link").is_symlink(), (small_disk / "file").read_text()) == (True, "new")


def test_a_link_stays_a_link_to_the_file_that_is_replaced(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/file").write_text("old")
    (tmp_path / "link").symlink_to("elsewhere/file")
    write_atomic(tmp_path / "link", "new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "elsewhere/file").read_text() == "new"


def test_a_file_too_large_to_write_leaves_the_old_one_whole(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_atomic(Path("file"), "old")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1024, before[1]))
    try:
        with pytest.raises(PswError) as caught:
            write_atomic(Path("file"), "new" * 1000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert str(caught.value) == "cannot write file, it is as it was; the file is larger than this process may write (ulimit -f)"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert Path("file").read_text() == "old"


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 64 KiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", disk], check=False, capture_output=True).returncode:
        pytest.skip("mounting needs root")
    yield disk
    subprocess.run(["umount", "--lazy", disk], check=True)


def test_a_full_disk_leaves_the_old_file_whole(small_disk, monkeypatch):
    monkeypatch.chdir(small_disk)
    write_atomic(Path("psw.yml"), "old")
    with pytest.raises(PswError) as caught:
        write_atomic(Path("psw.yml"), "new" * 100_000)
    assert str(caught.value) == "cannot write psw.yml, it is as it was; the disk is full: make room, then run the command again"
    assert [path.name for path in small_disk.iterdir()] == ["psw.yml"]
    assert Path("psw.yml").read_text() == "old"


def test_a_path_below_the_current_directory_is_shown_short(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert shown(tmp_path / "psw.yml") == "psw.yml"


def test_a_path_elsewhere_is_shown_in_full(tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert shown(tmp_path / "psw.yml") == str(tmp_path / "psw.yml")
