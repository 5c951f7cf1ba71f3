# SPDX-License-Identifier: GPL-3.0-or-later
"""What a failed unit said, in the words of its journal."""

import os

from ansible_collections.psw.ai.plugins.module_utils._systemd import journal


def test_words_that_the_journal_has_not_taken_in_yet_are_quoted_too(tmp_path, monkeypatch):
    program = tmp_path / "journalctl"
    program.write_text(f"#!/bin/sh\ncd {tmp_path}\nif [ $1 = --sync ]; then mv told kept; else cat kept; fi\n")
    program.chmod(0o755)
    (tmp_path / "told").write_text("no such file\n")
    (tmp_path / "kept").write_text("")
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")

    assert journal("ollama.service") == "no such file"
