"""The smallest registry that podman pulls from: directories that `podman push dir:` wrote, one for each tag. Runs on the machine under test."""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

ROOT = Path(sys.argv[1])


class Registry(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        _root, _api, *name = self.path.split("/")
        kind = "application/octet-stream"
        if name == [""]:
            body = b"{}"
        elif name[-2] == "manifests" and (ROOT / name[-1]).is_dir():
            body = (ROOT / name[-1] / "manifest.json").read_bytes()
            kind = json.loads(body).get("mediaType", "application/vnd.oci.image.manifest.v1+json")
        elif name[-2] == "blobs":
            body = next(ROOT.glob(f"*/{name[-1].removeprefix('sha256:')}")).read_bytes()
        else:
            body = b'{"errors": [{"code": "MANIFEST_UNKNOWN", "message": "manifest unknown"}]}'
        self.send_response(404 if body.startswith(b'{"errors"') else 200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_HEAD = do_GET  # noqa: N815 - the name that http.server looks for

    def log_message(self, *_words):
        """Say nothing."""


ThreadingHTTPServer(("127.0.0.1", 5000), Registry).serve_forever()
