# SPDX-License-Identifier: GPL-3.0-or-later
"""What the audit log and the database tell of keys; real ones are in tests/integration/openwebui."""

import json
import sqlite3
import zipfile

from ansible_collections.psw.ai.plugins.module_utils import _openwebui_usage as usage

CALL = {"user": {"email": "one"}, "request_uri": "http://chat/api/chat/completions"}


def test_lines_that_tell_of_nobody_or_are_none_are_passed_over():
    tokens = {"user": {"email": "one"}, "extra": {"event": "model_usage"}, "usage": {"total_tokens": 7}}
    lines = [json.dumps(line) for line in ({"user": {}}, {}, {"user": None}, [], CALL, tokens, CALL)]

    assert usage.logged([*lines, "half a li"]) == {"one": {"requests": 2, "tokens": 7}}


def test_a_release_that_keeps_the_key_in_the_account_does_not_know_its_age():
    connection = sqlite3.connect(":memory:")
    connection.execute('CREATE TABLE "user" (email, api_key, last_active_at, created_at)')
    connection.execute("INSERT INTO user VALUES ('used', 'sk-1', 20, 10), ('unused', 'sk-2', 10, 10), ('person', NULL, 20, 10)")
    connection.commit()

    assert usage.times(connection) == {"used": {"created_at": None, "last_used_at": 20}, "unused": {"created_at": None, "last_used_at": None}}


def filled(folder, name, *, zipped):
    """Make a file of the audit log as Open WebUI's logger does when one is full: renamed by its date, zipped beside itself, then removed."""
    file = folder / name
    file.write_text(json.dumps({**CALL, "request_uri": f"http://chat/api/chat/completions?{name}"}) + "\n")
    if zipped:
        with zipfile.ZipFile(f"{file}.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            archive.write(file, name)
        file.unlink()


def counted(folder):
    return usage.logged(usage.audit_log({"DATA_DIR": str(folder)}))


def test_what_is_in_zipped_files_of_the_log_is_counted_too(tmp_path):
    filled(tmp_path, "audit.2026-11-01_10-00-00_000000.log", zipped=True)
    filled(tmp_path, "audit.2026-11-02_10-00-00_000000.log", zipped=False)
    filled(tmp_path, "audit.log", zipped=False)

    assert counted(tmp_path) == {"one": {"requests": 3, "tokens": 0}}


def test_a_file_that_is_being_zipped_counts_once(tmp_path):
    filled(tmp_path, "audit.2026-11-01_10-00-00_000000.log", zipped=True)
    filled(tmp_path, "audit.2026-11-01_10-00-00_000000.log", zipped=False)

    assert counted(tmp_path) == {"one": {"requests": 1, "tokens": 0}}


def test_a_zip_that_a_full_disk_broke_off_is_passed_over(tmp_path):
    (tmp_path / "audit.2026-11-01_10-00-00_000000.log.zip").write_bytes(b"PK")
    filled(tmp_path, "audit.log", zipped=False)

    assert counted(tmp_path) == {"one": {"requests": 1, "tokens": 0}}


def test_a_zip_that_holds_nothing_or_something_damaged_is_passed_over(tmp_path):
    with zipfile.ZipFile(tmp_path / "audit.2026-11-01_10-00-00_000000.log.zip", "w"):
        pass
    name = "audit.2026-11-02_10-00-00_000000.log"
    filled(tmp_path, name, zipped=True)
    packed = tmp_path / f"{name}.zip"
    content = bytearray(packed.read_bytes())
    content[30 + len(name) : 40 + len(name)] = b"\xff" * 10  # behind the head of its one member
    packed.write_bytes(content)
    filled(tmp_path, "audit.log", zipped=False)

    assert counted(tmp_path) == {"one": {"requests": 1, "tokens": 0}}


def test_of_many_files_the_newest_are_counted(tmp_path):
    for number in range(60):
        filled(tmp_path, f"audit.2026-11-01_10-{number:02}-00_000000.log", zipped=True)
    filled(tmp_path, "audit.log", zipped=False)

    assert counted(tmp_path) == {"one": {"requests": 51, "tokens": 0}}
    assert usage.audit_files(str(tmp_path / "audit.log"))[0].endswith("audit.2026-11-01_10-10-00_000000.log.zip")
