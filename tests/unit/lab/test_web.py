"""The vendors' web server keeps hosts apart and serves nothing else."""

from types import SimpleNamespace

import pytest

from lab.web import Handler


@pytest.fixture
def path_of(tmp_path, monkeypatch):
    for file in ("a.example/x/file", "b.example/secret", "outside"):
        (tmp_path / "www" / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "www" / file).write_text("x", encoding="utf-8")
    monkeypatch.setattr(Handler, "root", (tmp_path / "www").resolve())

    def translate(host, path):
        found = Handler.translate_path(SimpleNamespace(headers={"Host": host}, root=Handler.root), path)
        return found.removeprefix(f"{tmp_path}/www/")

    return translate


@pytest.mark.parametrize(
    ("host", "path", "found"),
    [
        ("a.example", "/x/file", "a.example/x/file"),
        ("A.example:443", "/x/file?query=1", "a.example/x/file"),
        ("a.example", "/x%2Ffile", "a.example/x/file"),
        ("a.example", "/../b.example/secret", ".none"),
        ("..", "/etc/passwd", ".none"),
        ("", "/outside", ".none"),
    ],
)
def test_a_request_stays_in_its_hosts_directory(path_of, host, path, found):
    assert path_of(host, path) == found
