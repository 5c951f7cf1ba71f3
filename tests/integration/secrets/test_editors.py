# SPDX-License-Identifier: GPL-3.0-or-later
"""Real editors and a real second psw beside `psw secrets edit`."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import VALUE

# A vim that keeps as many copies as it can.
VIMRC = """\
set nocompatible backup writebackup undofile swapfile updatecount=1 history=1000
set backupdir=~ undodir=~ directory=~
set viminfo='1000,<1000,s1000,h
"""


@pytest.mark.skipif(not shutil.which("vim"), reason="vim is not installed")
def test_vim_keeps_no_copy_whatever_its_user_told_it(secrets, psw, home, tmp_path, monkeypatch):
    (home / ".vimrc").write_text(VIMRC)
    (tmp_path / "keys").write_text(":normal! ggyG\n:%s/first/second/\n:w\n:%s/second/third/\n:x\n")
    monkeypatch.setenv("EDITOR", f"vim -s {tmp_path}/keys")
    with (tmp_path / "out").open("w") as out:
        assert psw("secrets", "edit", stdin=subprocess.DEVNULL, stdout=out, stderr=out).wait(300) == 0
    assert secrets.get("postgres", "postgres_password") == "third"
    assert [path for path in home.rglob("*") if path.is_file() and VALUE.encode() in path.read_bytes()] == []


@pytest.mark.skipif(not shutil.which("vim"), reason="vim is not installed")
def test_the_vim_of_this_test_would_keep_copies(home, tmp_path):
    """Without it, the test above could not fail."""
    (home / ".vimrc").write_text(VIMRC)
    (tmp_path / "keys").write_text(":normal! ggyG\n:%s/first/second/\n:x\n")
    (tmp_path / "text").write_text(f"{VALUE}\nfirst\n")
    subprocess.run(["vim", "-s", tmp_path / "keys", tmp_path / "text"], stdin=subprocess.DEVNULL, capture_output=True, check=True)
    assert [path for path in home.rglob("*") if path.is_file() and VALUE.encode() in path.read_bytes()] != []


def test_another_psw_waits_for_the_editor_even_when_started_from_it(secrets, psw, tmp_path, monkeypatch):
    editor = tmp_path / "editor"
    editor.write_text(f"#!/bin/sh\npsw secrets rekey --lock-timeout 0 2> {tmp_path}/said\necho $? >> {tmp_path}/said\n")
    editor.chmod(0o755)
    monkeypatch.setenv("EDITOR", str(editor))
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    assert psw("secrets", "edit", stdout=subprocess.DEVNULL).wait(300) == 0
    said = (tmp_path / "said").read_text()
    assert said.startswith("refused: another psw is at work in .: ")
    assert said.endswith("\n3\n")
