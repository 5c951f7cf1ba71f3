# SPDX-License-Identifier: GPL-3.0-or-later
"""The program that takes weekly snapshots, run with a zfs that only remembers."""

import os
import subprocess

import pytest
from ansible_collections.psw.ai.plugins.module_utils import _snapshots

ZFS = """\
#!/bin/sh
case $1 in
  snapshot) echo "$2" >>"$SNAPSHOTS" ;;
  list) sort -r "$SNAPSHOTS" ;;
  destroy) grep -vxF -- "$2" "$SNAPSHOTS" >"$SNAPSHOTS.new"; mv "$SNAPSHOTS.new" "$SNAPSHOTS" ;;
esac
"""


@pytest.fixture
def snapshot(tmp_path):
    (tmp_path / "zfs").write_text(ZFS)
    (tmp_path / "zfs").chmod(0o755)
    (tmp_path / "script").write_text(_snapshots._SCRIPT)
    there = tmp_path / "snapshots"

    def run(before, keep):
        there.write_text("".join(f"{name}\n" for name in before))
        environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "SNAPSHOTS": str(there)}
        subprocess.run(["sh", tmp_path / "script", "ta.nk/psw-models", str(keep)], env=environment, check=True)
        return there.read_text().splitlines()

    return run


OURS = [f"ta.nk/psw-models@psw-weekly-2026110{day}T000000Z" for day in range(1, 5)]


def test_a_new_snapshot_is_taken(snapshot):
    (taken,) = snapshot([], 2)
    assert taken.startswith("ta.nk/psw-models@psw-weekly-2")


def test_the_newest_are_kept_and_the_older_removed(snapshot):
    kept = snapshot(OURS, 3)
    assert kept[:2] == OURS[2:]
    assert len(kept) == 3


def test_snapshots_of_others_stay_and_do_not_count(snapshot):
    others = ["ta.nk/psw-models@mine", "ta.nk/psw-models@zrepl_1", "taxnk/psw-models@psw-weekly-20200101T000000Z"]
    kept = snapshot([*others, *OURS], 1)
    assert [name for name in kept if name in others] == others
    assert len(kept) == 4


def test_the_program_finds_snapshots_by_the_name_that_the_module_knows():
    assert f"@{_snapshots.PREFIX}" in _snapshots._SCRIPT
