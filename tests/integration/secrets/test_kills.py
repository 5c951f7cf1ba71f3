# SPDX-License-Identifier: GPL-3.0-or-later
"""psw killed at any moment: the secrets are the old ones or the new ones, whole, and the next run leaves nothing behind."""

import contextlib
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
import yaml
from pyrage import x25519

ANN = str(x25519.Identity.generate().to_public())
QUIET = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
# What is changed, and what tells that it was.
VERBS = {
    "set": (("secrets", "set", "probe.pin"), lambda secrets: secrets.get("probe", "pin") == "4567"),
    "add-recipient": (("secrets", "add-recipient", ANN), lambda secrets: ANN in secrets.sealed.recipients()),
}


def kill(process):
    """Kill psw and the sops it has started, as a power cut would."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@pytest.mark.parametrize("verb", VERBS)
def test_the_secrets_are_whole_after_a_kill_at_any_moment(secrets, psw, tmp_path, verb):
    args, done = VERBS[verb]
    value = tmp_path / "value"
    value.write_text("4567\n")

    def start():
        with value.open() as stdin:
            return psw(*args, stdin=stdin, start_new_session=True, **QUIET)

    old = {path: path.read_bytes() for path in (secrets.file, Path(".sops.yaml"))}
    began = time.monotonic()
    assert start().wait() == 0
    took = time.monotonic() - began
    outcomes = []
    while True not in outcomes:  # each time killed a little later, until it was done before
        for path, content in old.items():
            path.write_bytes(content)
        process = start()
        time.sleep(took * len(outcomes) / 14)
        kill(process)
        assert secrets.get("postgres", "postgres_password") == "first"
        outcomes.append(done(secrets))
    assert set(outcomes) == {False, True}
    for path, content in old.items():
        path.write_bytes(content)
    assert start().wait() == 0
    assert done(secrets)
    yaml.safe_load(Path(".sops.yaml").read_text())
    assert list(Path().rglob("*.tmp")) == []
    assert not Path(".psw/recipients").exists()
