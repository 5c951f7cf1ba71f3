"""Command lines as Proxmox VE's commands read them."""

import pytest

from lab.pve.args import UsageError, parse


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["101", "--cores", "2"], {"vmid": "101", "cores": "2"}),
        (["101", "-dev0", "/dev/nvidia0,mode=0666"], {"vmid": "101", "dev0": "/dev/nvidia0,mode=0666"}),
        (["101", "--memory=4096"], {"vmid": "101", "memory": "4096"}),
        (["--onboot", "1", "101"], {"vmid": "101", "onboot": "1"}),
        (["101", "--unprivileged", "--start"], {"vmid": "101", "unprivileged": "1", "start": "1"}),
        (["101", "--description", ""], {"vmid": "101", "description": ""}),
        (["101", "--tags", "psw;ai"], {"vmid": "101", "tags": "psw;ai"}),
    ],
)
def test_options_are_read_as_pct_reads_them(words, expected):
    assert parse(words, ("vmid",)) == expected


def test_a_missing_argument_is_named():
    with pytest.raises(UsageError, match=r"not enough arguments: ostemplate"):
        parse(["101", "--cores", "2"], ("vmid", "ostemplate"))


def test_a_word_too_many_is_named():
    with pytest.raises(UsageError, match=r"too many arguments: 102"):
        parse(["101", "102"], ("vmid",))
