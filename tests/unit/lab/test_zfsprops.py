"""ZFS properties: accepted, refused in OpenZFS's words, and printed as it prints them."""

import pytest

from lab.pve.zfsprops import ZfsError, check, check_name, nice, parse_size, show

CREATE, SET = "cannot create 'tank/x'", "cannot set property for 'tank/x'"


@pytest.mark.parametrize(
    ("name", "value", "stored"),
    [
        ("recordsize", "1M", "1048576"),
        ("recordsize", "16M", "16777216"),
        ("quota", "100G", "107374182400"),
        ("quota", "none", "0"),
        ("compression", "zstd-19", "zstd-19"),
        ("acltype", "posixacl", "posix"),
        ("special_small_blocks", "0", "0"),
        ("mountpoint", "/tank/models", "/tank/models"),
        ("com.sun:auto-snapshot", "false", "false"),
    ],
)
def test_a_legal_value_is_stored_as_zfs_stores_it(name, value, stored):
    assert check(name, value, SET, creating=False) == stored


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("recordsize", "3M", "'recordsize' must be power of 2 from 512B to 16M"),
        ("recordsize", "32M", "'recordsize' must be power of 2 from 512B to 16M"),
        ("quota", "lots", "bad numeric value 'lots'"),
        ("atime", "maybe", "'atime' must be one of 'on | off'"),
        ("primarycache", "data", "'primarycache' must be one of 'all | none | metadata'"),
        ("mountpoint", "models", "'mountpoint' must be an absolute path, 'none', or 'legacy'"),
        ("used", "1", "'used' is readonly"),
        ("normalization", "formC", "'normalization' is readonly"),
        ("colour", "red", "invalid property 'colour'"),
    ],
)
def test_an_illegal_value_is_refused_in_zfs_own_words(name, value, words):
    with pytest.raises(ZfsError) as caught:
        check(name, value, SET, creating=False)
    assert str(caught.value) == f"{SET}: {words}"


def test_what_only_creation_can_set_is_taken_at_creation():
    assert check("normalization", "formC", CREATE, creating=True) == "formC"


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0B"), (512, "512B"), (1024, "1K"), (1536, "1.50K"), (98304, "96K"), (102400, "100K"), (1 << 20, "1M"), (100 << 30, "100G"), (2000398934016, "1.82T")],
)
def test_sizes_for_people_have_at_most_five_characters(size, text):
    assert nice(size) == text


@pytest.mark.parametrize(("text", "size"), [("1M", 1 << 20), ("1m", 1 << 20), ("1.5G", 3 << 29), ("100GB", 100 << 30), ("1.5", None), ("1X", None), ("", None)])
def test_sizes_are_read_as_zfs_reads_them(text, size):
    assert parse_size(text) == size


def test_no_quota_is_none_for_people_and_zero_for_programs():
    assert show("quota", "0", exact=False) == "none"
    assert show("quota", "0", exact=True) == "0"


@pytest.mark.parametrize(
    ("name", "words"), [("tank/a b", None), ("tank//x", "empty component"), ("tank/x/", "trailing slash"), ("tank/é", "invalid character 'é' in name")]
)
def test_a_bad_dataset_name_is_refused(name, words):
    if words is None:
        check_name(name, CREATE)
        return
    with pytest.raises(ZfsError, match=words):
        check_name(name, CREATE)
