"""What runs leave behind is short-lived, private and without secrets."""

from __future__ import annotations

import json
import resource
import signal
from pathlib import Path

import pytest

from psw_cli import runner
from psw_cli.output import seconds, table
from psw_cli.runlog import KEPT, RunLog
from psw_cli.scrub import Scrubber, values


def test_a_secret_is_masked_in_every_form_it_takes():
    scrub = Scrubber(['pass"word\\1', "line one is long\nline two is long"])
    assert scrub('a pass"word\\1 b') == "a ******** b"
    assert scrub(json.dumps({"x": 'pass"word\\1'})) == '{"x": "********"}'
    assert scrub("y: |\n  line one is long\n  line two is long") == "y: |\n  ********\n  ********"


def test_a_secret_inside_a_longer_one_leaves_no_rest():
    assert Scrubber(["12345678", "1234567890"])("=1234567890=") == "=********="


def test_short_values_do_not_blank_out_words():
    assert Scrubber(["user", ""])("the user is user") == "the user is user"


def test_every_text_of_a_tree_is_scrubbed():
    assert Scrubber(["secret-value"]).tree({"a": ["is secret-value", 1, None]}) == {"a": ["is ********", 1, None]}


def test_all_secrets_of_a_tree_are_known():
    assert list(values({"a": {"b": "1", "c": ["2", {"d": "3"}]}, "e": 4})) == ["1", "2", "3"]


def test_a_secret_made_during_the_run_is_taken_out_afterwards(tmp_path):
    scrub = Scrubber()
    with RunLog(tmp_path, "deploy-converge", scrub) as log:
        log.write("minted brand-new-key")
        scrub.learn(["brand-new-key"])
        log.rescrub()
    assert log.path.read_text() == "minted ********\n"


def test_bytes_that_are_no_text_are_spelled_out(tmp_path):
    with RunLog(tmp_path, "deploy-converge", Scrubber()) as log:
        log.write("from a file: \udcff")
    assert log.path.read_text() == "from a file: \\udcff\n"


def test_two_runs_in_one_second_have_two_logs(tmp_path):
    paths = set()
    for _ in range(3):
        with RunLog(tmp_path, "deploy-converge", Scrubber()) as log:
            paths.add(log.path)
    assert len(paths) == 3


def test_old_logs_go(tmp_path):
    runs = tmp_path / ".psw" / "runs"
    runs.mkdir(parents=True)
    for number in range(KEPT + 5):
        (runs / f"20200101T{number:06}Z-deploy-converge.log").touch()
    with RunLog(tmp_path, "deploy-converge", Scrubber()) as log:
        left = sorted(runs.glob("*.log"))
    assert (len(left), left[-1]) == (KEPT, log.path)


def test_a_full_disk_ends_the_log_and_not_the_run(tmp_path, capsys):
    with RunLog(tmp_path, "deploy-converge", Scrubber()) as log:
        log._stream = Path("/dev/full").open("w", encoding="utf-8")  # noqa: SIM115 - the log closes it
        log.write("one")
        log.write("two")
    assert capsys.readouterr().err.count(" ends here: no space left on device\n") == 1


def test_a_log_that_cannot_be_cleaned_goes_since_it_may_hold_a_secret(tmp_path, capsys):
    scrub = Scrubber()
    with RunLog(tmp_path, "deploy-converge", scrub) as log:
        log.write("minted brand-new-key")
        scrub.learn(["brand-new-key"])
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4, before[1]))
        try:
            log.rescrub()
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
            signal.signal(signal.SIGXFSZ, handler)
    assert not log.path.exists()
    assert capsys.readouterr().err == f"the log {log.name} is deleted, since secrets could not be taken out of it: file too large\n"


def test_a_run_uses_the_collection_that_psw_itself_uses(tmp_path, monkeypatch):
    monkeypatch.setenv("ANSIBLE_COLLECTIONS_PATH", "/old/copy")
    first = runner.environment(tmp_path / "ansible.cfg")["ANSIBLE_COLLECTIONS_PATH"].split(":")[0]
    assert (runner.COLLECTIONS / "ansible_collections/psw/ai/galaxy.yml").exists()
    assert first == str(runner.COLLECTIONS)


def test_a_run_checks_host_keys_whatever_ansible_runner_prefers(tmp_path):
    assert runner.environment(tmp_path / "ansible.cfg")["ANSIBLE_HOST_KEY_CHECKING"] == "true"


@pytest.mark.parametrize(("duration", "words"), [(4.23, "4.2 s"), (59.94, "59.9 s"), (61, "1 min 01 s"), (725.9, "12 min 05 s")])
def test_durations_read_as_people_say_them(duration, words):
    assert seconds(duration) == words


def test_a_table_aligns_its_columns():
    assert table(("a", "bcd"), [("xx", None), ("y", ["1", "2"])]) == "A   BCD\nxx  -\ny   1, 2"
