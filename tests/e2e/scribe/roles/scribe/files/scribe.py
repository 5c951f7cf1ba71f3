# SPDX-License-Identifier: GPL-3.0-or-later
"""Answer everybody with what Open WebUI answers to this program's key, which is read once, at the start."""

import json
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

KEY = Path("/run/secrets/scribe_key").read_text(encoding="utf-8").strip()


class Scribe(BaseHTTPRequestHandler):
    def do_GET(self):
        request = urllib.request.Request("http://openwebui:8080/api/models", headers={"Authorization": f"Bearer {KEY}"})
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                told = {"status": answer.status, "models": [model["id"] for model in json.load(answer)["data"]]}
        except urllib.error.HTTPError as exc:
            told = {"status": exc.code, "models": []}
        body = json.dumps(told).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


HTTPServer(("", 8000), Scribe).serve_forever()
