# SPDX-License-Identifier: GPL-3.0-or-later
"""A layer is what a directory adds, in the words of the OCI image specification."""

import hashlib
import io
import os
import shutil
import socket
import subprocess
import tarfile

import pytest

from lab.images.layer import pack, write


def _members(root):
    stream = io.BytesIO()
    write(root, stream)
    stream.seek(0)
    with tarfile.open(fileobj=stream) as archive:
        return {member.name: member for member in archive.getmembers()}


def test_a_layer_holds_files_links_and_directories_with_their_modes(tmp_path):
    (tmp_path / "usr/bin").mkdir(parents=True)
    (tmp_path / "usr/bin/tool").write_text("tool")
    (tmp_path / "usr/bin/tool").chmod(0o755)
    (tmp_path / "usr/bin/alias").symlink_to("tool")
    members = _members(tmp_path)
    assert members["usr/bin/tool"].mode == 0o755
    assert members["usr/bin/alias"].linkname == "tool"
    assert members["usr/bin"].isdir()


def test_two_names_of_one_file_are_stored_once(tmp_path):
    (tmp_path / "first").write_text("same")
    os.link(tmp_path / "first", tmp_path / "second")
    assert _members(tmp_path)["second"].islnk()


@pytest.mark.parametrize("place", ["var/lib/apt/lists", "var/cache/apt", "tmp", "etc/apt/sources.list.d"])
def test_what_only_the_build_needs_stays_out(tmp_path, place):
    (tmp_path / place).mkdir(parents=True)
    (tmp_path / place / "file").write_text("from the build machine")
    members = _members(tmp_path)
    assert place in members
    assert f"{place}/file" not in members


def test_the_machines_mirror_is_in_no_image(tmp_path):
    (tmp_path / "etc/apt").mkdir(parents=True)
    (tmp_path / "etc/apt/sources.list").write_text("deb http://mirror.example/debian trixie main")
    assert set(_members(tmp_path)) == {"etc", "etc/apt"}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes the device node that marks a deleted file")
def test_a_deleted_file_becomes_a_whiteout(tmp_path):
    (tmp_path / "etc").mkdir()
    os.mknod(tmp_path / "etc/gone", 0o600 | 0o020000, os.makedev(0, 0))
    members = _members(tmp_path)
    assert "etc/.wh.gone" in members
    assert "etc/gone" not in members


def test_a_socket_is_left_out(tmp_path):
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket"))
        (tmp_path / "file").touch()
        assert set(_members(tmp_path)) == {"file"}


@pytest.mark.skipif(shutil.which("zstd") is None, reason="zstd packs the layers")
def test_a_packed_layer_knows_its_hash_before_and_after_packing(tmp_path):
    (tmp_path / "root").mkdir()
    (tmp_path / "root/file").write_text("content" * 1000)
    layer = pack(tmp_path / "root", tmp_path / "layer")
    packed = (tmp_path / "layer").read_bytes()
    plain = subprocess.run(["zstd", "-dc"], input=packed, capture_output=True, check=True).stdout
    assert layer.digest == f"sha256:{hashlib.sha256(packed).hexdigest()}"
    assert layer.diff_id == f"sha256:{hashlib.sha256(plain).hexdigest()}"
    assert layer.size == len(packed)
