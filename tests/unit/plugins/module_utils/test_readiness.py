# SPDX-License-Identifier: GPL-3.0-or-later
"""Questions to an app, asked of real sockets."""

import contextlib
import json
import socketserver
import ssl
import subprocess
import threading

import pytest
from ansible_collections.psw.ai.plugins.module_utils import _http_check
from ansible_collections.psw.ai.plugins.module_utils._errors import PswModuleError
from ansible_collections.psw.ai.plugins.module_utils._http_check import includes
from ansible_collections.psw.ai.plugins.module_utils._programs import Done
from ansible_collections.psw.ai.plugins.module_utils._readiness import describe, kind_of, probe, wait

HEALTHY = json.dumps({"status": True, "version": "1.2"})


@contextlib.contextmanager
def answering(answer, context=None):
    """Serve connections: read what comes, answer with this; yields the port and what was asked."""
    asked = []

    class Handler(socketserver.StreamRequestHandler):
        def handle(self):
            asked.append(self.request.recv(65536).decode())
            self.wfile.write(answer.encode())

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True) if context else server.socket
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1], asked
        server.shutdown()


def http_answer(body, status="200 OK"):
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}"


def http(port, **more):
    return {"http": {"url": f"http://127.0.0.1:{port}/ready?full=1", **more}}


@pytest.mark.parametrize(
    ("answer", "expected", "held"),
    [
        ({"a": 1, "b": 2}, {"a": 1}, True),
        ({"a": {"b": True, "c": 0}}, {"a": {"b": True}}, True),
        ({"a": 1}, {"a": 2}, False),
        ({}, {"a": None}, False),
        ([1], {"a": 1}, False),
        ({"a": 1}, {"a": True}, False),
        ({"a": [1, 2]}, {"a": [1, 2]}, True),
    ],
)
def test_an_answer_may_hold_more_than_expected_and_nothing_else(answer, expected, held):
    assert includes(answer, expected) is held


def test_http_asks_with_path_query_and_headers():
    with answering(http_answer(HEALTHY)) as (port, asked):
        assert probe(http(port, json={"status": True}, headers={"Authorization": "Bearer x"})) is None
    assert asked[0].startswith("GET /ready?full=1 HTTP/1.1\r\n")
    assert "Authorization: Bearer x" in asked[0]


def test_http_asks_another_address_in_the_name_of_the_url():
    with answering(http_answer(HEALTHY)) as (port, asked):
        assert probe({"http": {"url": f"http://chat.home.example:{port}/", "resolve_to": "127.0.0.1"}}) is None
    assert f"Host: chat.home.example:{port}" in asked[0]


@pytest.fixture
def house(tmp_path):
    """The house's own certificate, and a context of its front door."""
    certificate, key = tmp_path / "ca.crt", tmp_path / "key"
    subject = ["-subj", "/CN=chat.home.example", "-addext", "subjectAltName=DNS:chat.home.example"]
    new = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", key, "-out", certificate, *subject]
    subprocess.run(new, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return certificate.read_text(), context


@pytest.mark.parametrize(("knows", "complaint"), [(True, None), (False, "certificate verify failed")])
def test_https_trusts_the_authority_that_it_is_handed_and_no_other(house, knows, complaint):
    certificate, context = house
    with answering(http_answer(HEALTHY), context) as (port, _asked):
        found = probe({"http": {"url": f"https://chat.home.example:{port}/", "resolve_to": "127.0.0.1", "ca": certificate if knows else None}})
    assert found is None if knows else complaint in found


def test_a_complaint_names_who_asked():
    with answering(http_answer("{}", "401 Unauthorized")) as (port, _asked):
        assert probe(http(port, caller="scribe")) == f"http://127.0.0.1:{port}/ready?full=1 for scribe answers with status 401 instead of 200: {{}}"


def test_http_asks_a_container_at_its_own_address(monkeypatch):
    asked_podman = []
    monkeypatch.setattr(_http_check, "run", lambda argv, **_more: asked_podman.append(argv) or Done(0, "127.0.0.1 ", ""))
    with answering(http_answer(HEALTHY)) as (port, _asked):
        assert probe({"http": {"url": f"http://openwebui:{port}/", "container": "openwebui"}}) is None
    assert asked_podman[0][-1] == "openwebui"


def test_http_says_when_a_container_has_no_address(monkeypatch):
    monkeypatch.setattr(_http_check, "run", lambda _argv, **_more: Done(125, "", "Error: no such object: openwebui"))
    complaint = "http://openwebui:1/ cannot be asked: container openwebui has no address: Error: no such object: openwebui"
    assert probe({"http": {"url": "http://openwebui:1/", "container": "openwebui"}}) == complaint


@pytest.mark.parametrize(
    ("answer", "more", "complaint"),
    [
        (http_answer("starting", "503 Service Unavailable"), {}, "answers with status 503 instead of 200: starting"),
        (http_answer("<html>"), {"json": {"status": True}}, "answers with something that is not JSON: <html>"),
        (http_answer('{"status": false}'), {"json": {"status": True}}, 'answers {"status": false} where {"status": true} is expected'),
        ("", {}, "does not answer: Remote end closed connection without response"),
    ],
)
def test_http_says_what_it_got_instead(answer, more, complaint):
    with answering(answer) as (port, _asked):
        assert probe(http(port, **more)) == f"http://127.0.0.1:{port}/ready?full=1 {complaint}"


def test_http_may_expect_a_refusal():
    with answering(http_answer("no", "401 Unauthorized")) as (port, _asked):
        assert probe(http(port, status=401)) is None


def test_tcp_is_a_port_that_accepts():
    with answering("") as (port, _asked):
        assert probe({"tcp": {"host": "127.0.0.1", "port": port}}) is None
    assert probe({"tcp": {"host": "127.0.0.1", "port": port}}) == f"tcp://127.0.0.1:{port} does not answer: [Errno 111] Connection refused"


def test_wyoming_describes_itself():
    with answering('{"type": "info", "data_length": 5}\n') as (port, asked):
        assert probe({"wyoming": {"host": "127.0.0.1", "port": port}}) is None
    assert json.loads(asked[0]) == {"type": "describe"}
    with answering("SSH-2.0-OpenSSH\r\n") as (port, _asked):
        assert "instead of its info" in probe({"wyoming": {"host": "127.0.0.1", "port": port}})


def test_an_entry_holds_exactly_one_check():
    with pytest.raises(PswModuleError, match="exactly one of http, tcp, wyoming, exec"):
        kind_of({"http": None, "tcp": None})
    with pytest.raises(PswModuleError, match="exactly one"):
        kind_of({"http": {"url": "x"}, "tcp": {"port": 1}})


def test_checks_are_described_without_their_headers():
    assert describe({"http": {"url": "http://x/", "headers": {"a": "secret"}}}) == "http://x/"
    assert describe({"exec": {"container": "db", "argv": ["pg_isready", "-q"]}}) == "`pg_isready -q` in container db"


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds


def waiting(answers, limit=10, given_up=lambda: False):
    clock = Clock()
    left = wait(list(answers), limit, given_up, clock=clock, sleep=clock.sleep, ask=lambda check: answers[check].pop(0) if answers[check] else None)
    return left, clock.now


def test_what_is_ready_at_once_costs_no_time():
    assert waiting({"a": [], "b": []}) == ([], 0.0)


def test_only_those_that_are_not_ready_are_asked_again():
    left, spent = waiting({"a": ["no", "no"], "b": []})
    assert left == []
    assert spent == pytest.approx(0.3)


def test_the_limit_ends_the_wait_and_names_who_is_missing():
    left, spent = waiting({"a": [], "b": ["b says no"] * 99})
    assert left == ["b says no"]
    assert 10 <= spent < 12


def test_a_hopeless_wait_ends_early():
    left, spent = waiting({"a": ["no"] * 99}, limit=300, given_up=lambda: True)
    assert (left, spent) == (["no"], 0.0)
