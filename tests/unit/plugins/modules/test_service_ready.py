# SPDX-License-Identifier: GPL-3.0-or-later
"""Services are asked until they answer, and named when they do not."""

import http.server
import json
import threading

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.psw.ai.plugins.modules import service_ready

KEY = "sk-a-secret-key"


class Api(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_args):
        pass

    def do_GET(self):
        allowed = self.headers["Authorization"] == f"Bearer {KEY}"
        body = json.dumps({"data": []} if allowed else {"detail": f"no entry for {self.headers['Authorization']}"}).encode()
        self.send_response(200 if allowed else 401)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def url():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Api)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/api/models"
    server.shutdown()
    server.server_close()


@pytest.fixture
def run(capsys):
    def call(*checks, check=False):
        args = {"ready": [{"http": found} for found in checks], "timeout": 0, "_ansible_check_mode": check}
        with patch_module_args(args), pytest.raises(SystemExit):
            service_ready.main()
        return json.loads(capsys.readouterr().out)

    return call


def test_a_service_that_answers_a_key_and_refuses_everyone_else_passes(run, url):
    assert run({"url": url, "headers": {"Authorization": f"Bearer {KEY}"}, "json": {"data": []}}, {"url": url, "status": 401})["missing"] == []


def test_a_service_that_answers_otherwise_is_named_and_the_key_is_not(run, url):
    result = run({"url": url, "headers": {"Authorization": "Bearer wrong-secret"}})

    assert result["msg"].startswith(f"{url} answers with status 401 instead of 200: ")
    assert "wrong-secret" not in json.dumps(result)


def test_check_mode_reports_and_does_not_fail(run, url):
    assert len(run({"url": url}, check=True)["missing"]) == 1
