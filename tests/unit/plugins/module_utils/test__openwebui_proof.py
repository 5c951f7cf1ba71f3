# SPDX-License-Identifier: GPL-3.0-or-later
"""What a running server says about keys, on one that answers as told; the real ones are in tests/integration/openwebui."""

import http.server
import threading
import time

import pytest
from ansible_collections.psw.ai.plugins.module_utils import _openwebui_proof as proof


@pytest.fixture
def server(monkeypatch):
    """Answer each key with the statuses it has in `server.says`, one after the other; the last one stays."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            says = httpd.says[self.headers["Authorization"].removeprefix("Bearer ")]
            self.send_response(says.pop(0) if len(says) > 1 else says[0])
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_args):
            pass

    httpd = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=httpd.serve_forever, daemon=True).start()
    monkeypatch.setenv("PORT", str(httpd.server_port))
    yield httpd
    httpd.shutdown()
    httpd.server_close()


def test_a_new_key_that_opens_the_api_and_a_dead_old_one_leave_no_doubt(server):
    server.says = {"sk-new": [200], "sk-old": [401]}
    answer = {"consumer": "probe", "key": "sk-new", "old": ["sk-old"]}

    proof.main([answer])

    assert answer == {"consumer": "probe", "key": "sk-new"}


def test_an_old_key_has_a_moment_to_die(server, monkeypatch):
    monkeypatch.setattr(proof, "SOON", 600)
    server.says = {"sk-old": [200, 200, 401]}

    assert proof.doubt_about(None, ["sk-old"]) is None


def test_a_new_key_that_stays_shut_out_is_in_doubt(server):
    server.says = {"sk-new": [403]}

    assert proof.doubt_about("sk-new", []) == "its new key is stored, and Open WebUI answers it with 403 instead of 200"


def test_an_old_key_that_lives_on_is_in_doubt(server):
    server.says = {"sk-old": [200]}

    assert proof.doubt_about(None, ["sk-old"]) == "its old key still gets 200 from Open WebUI instead of 401"


def test_a_slow_answer_alone_is_no_doubt_about_an_old_key(server, monkeypatch):
    slow = proof.status
    monkeypatch.setattr(proof, "status", lambda key: time.sleep(proof.SOON) or slow(key))
    monkeypatch.setattr(proof, "SOON", 0.1)
    server.says = {"sk-old": [200, 401]}

    assert proof.doubt_about(None, ["sk-old"]) is None


def test_a_server_that_does_not_answer_proves_nothing(server, monkeypatch):
    monkeypatch.setenv("PORT", "9")

    assert proof.doubt_about("sk-new", []).startswith("its key was changed, and Open WebUI could not be asked about it: ")


def test_without_a_change_nobody_is_asked(monkeypatch):
    monkeypatch.setenv("PORT", "9")
    answer = {"consumer": "probe"}

    proof.main([answer])

    assert answer == {"consumer": "probe"}


def test_many_keys_are_proven_at_once(server, monkeypatch):
    ask, meeting = proof.status, threading.Barrier(proof.AT_ONCE, timeout=60)  # breaks unless so many meet
    monkeypatch.setattr(proof, "status", lambda key: meeting.wait() >= 0 and ask(key))
    server.says = {f"sk-{number}": [200] for number in range(2 * proof.AT_ONCE)}
    answers = [{"key": key} for key in server.says]

    proof.main(answers)

    assert answers == [{"key": key} for key in server.says]


def test_whatever_goes_wrong_with_the_proof_the_new_key_stays_in_the_answer(monkeypatch):
    monkeypatch.setenv("PORT", "no number")
    answer = {"key": "sk-new"}

    proof.main([answer])

    assert answer["key"] == "sk-new"
    assert "could not be asked about it" in answer["doubt"]
