# SPDX-License-Identifier: GPL-3.0-or-later
"""Files on a real disk: looked at, planned, written."""

import os

import pytest
from ansible_collections.psw.ai.plugins.module_utils import _desired_files as files
from ansible_collections.psw.ai.plugins.module_utils._errors import PswModuleError
from ansible_collections.psw.ai.plugins.module_utils._steps import carry_out, sentence

ME = {"owner": str(os.getuid()), "group": str(os.getgid())}


def file(path, content="new\n", mode="0640", **more):
    return files.wish("file", str(path), content=content, mode=mode, **{**ME, **more})


def bring(*wishes):
    """Plan and do; return what was done in words."""
    steps = files.plan(wishes, files.look_at(wishes))
    carry_out(steps, files.DOERS)
    return [sentence(step) for step in steps]


def test_a_file_is_written_with_its_mode_and_then_left_alone(tmp_path):
    path = tmp_path / "deep" / "a.conf"
    assert bring(file(path)) == [f"write {path}"]
    assert (path.read_text(), path.stat().st_mode & 0o777) == ("new\n", 0o640)
    assert bring(file(path)) == []


def test_bytes_that_are_no_utf8_survive(tmp_path):
    path = tmp_path / "a.bin"
    path.write_bytes(b"\xff\xfe")
    assert bring(file(path, content="\udcff\udcfe", mode=f"{path.stat().st_mode & 0o777:o}")) == []
    bring(file(path, content="\udcff"))
    assert path.read_bytes() == b"\xff"


def test_a_mode_changed_by_hand_comes_back_without_a_write(tmp_path):
    path = tmp_path / "a"
    bring(file(path))
    inode = path.stat().st_ino
    path.chmod(0o777)
    assert bring(file(path)) == [f"set attributes of {path}"]
    assert (path.stat().st_ino, path.stat().st_mode & 0o777) == (inode, 0o640)


def test_a_draft_left_by_a_killed_run_is_no_hindrance(tmp_path):
    (tmp_path / ".a.psw-new").write_text("half")
    bring(file(tmp_path / "a"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a"]


def test_nothing_half_written_stays_when_the_disk_refuses(tmp_path, monkeypatch):
    def full(_descriptor):
        raise OSError(28, "No space left on device")

    (tmp_path / "a").write_text("old\n")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(PswModuleError, match=rf"cannot write {tmp_path}/a: No space left on device"):
        bring(file(tmp_path / "a"))
    assert [path.read_text() for path in tmp_path.iterdir()] == ["old\n"]


def test_a_link_where_a_file_belongs_is_replaced_and_what_it_led_to_is_not(tmp_path):
    (tmp_path / "precious").write_text("keep\n")
    (tmp_path / "a").symlink_to("precious")
    bring(file(tmp_path / "a"))
    assert (tmp_path / "precious").read_text() == "keep\n"
    assert not (tmp_path / "a").is_symlink()


def test_links_are_made_and_turned(tmp_path):
    path = tmp_path / "l"
    assert bring(files.wish("link", str(path), to="x")) == [f"link {path}"]
    assert bring(files.wish("link", str(path), to="y")) == [f"link {path}"]
    assert path.readlink().name == "y"
    assert bring(files.wish("link", str(path), to="y")) == []


def test_directories_are_made_and_a_link_to_one_will_do(tmp_path):
    wished = files.wish("directory", str(tmp_path / "d"), mode="0700", **ME)
    assert bring(wished) == [f"make directory {tmp_path}/d"]
    (tmp_path / "d").rmdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "d").symlink_to("elsewhere")
    assert bring(wished) == []


def test_what_must_not_be_there_goes_but_never_a_full_directory(tmp_path):
    (tmp_path / "a").touch()
    assert bring(files.wish("absent", str(tmp_path / "a"))) == [f"remove {tmp_path}/a"]
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "x").touch()
    with pytest.raises(PswModuleError, match=r"cannot remove .*/d: Directory not empty"):
        bring(files.wish("absent", str(tmp_path / "d")))


def test_contents_of_secret_files_are_not_in_the_diff(tmp_path):
    (tmp_path / "a").write_text("old secret")
    wished = file(tmp_path / "a", content="new secret", secret=True)
    (step,) = files.plan([wished], files.look_at([wished]))
    assert "old secret" not in str(step.diff)
    assert "new secret" not in str(step.diff)
    assert step.diff["before"] != step.diff["after"]


@pytest.mark.parametrize("mode", [420, "rw-r--r--", None])
def test_a_mode_that_yaml_may_have_changed_is_refused(mode):
    with pytest.raises(PswModuleError, match='the mode of /a must be an octal number in quotes, such as "0644", not'):
        file("/a", mode=mode)


@pytest.mark.parametrize("path", ["etc/a", "/etc/../a", "/etc//a", "/etc/"])
def test_a_path_that_is_not_clean_is_refused(path):
    with pytest.raises(PswModuleError, match="is not an absolute, clean path"):
        file(path)


def test_an_owner_that_does_not_exist_is_named_when_it_is_needed(tmp_path):
    wished = file(tmp_path / "a", owner="nobody-of-that-name")
    assert len(files.plan([wished], files.look_at([wished]))) == 1
    with pytest.raises(PswModuleError, match="a should belong to user nobody-of-that-name, and there is no such user on this machine"):
        bring(wished)
