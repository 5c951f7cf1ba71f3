# SPDX-License-Identifier: GPL-3.0-or-later
"""Pushing speaks the distribution API, and sends nothing twice."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest

from lab.host import LabError
from lab.images.layer import Layer
from lab.images.push import configuration, push
from lab.images.recipe import Image

IMAGE = Image("ghcr.io/some/app", "v1.2.3")


class Registry(BaseHTTPRequestHandler):
    """As much of a registry as a push needs."""

    def log_message(self, *_):
        pass

    def _reply(self, status, **headers):
        self.send_response(status)
        for name, value in {"Content-Length": "0", **headers}.items():
            self.send_header(name, value)
        self.end_headers()

    def do_HEAD(self):
        self._reply(200 if self.path.rpartition("/")[2] in self.server.blobs else 404)

    def do_POST(self):
        self._reply(202, Location=f"http://127.0.0.1:{self.server.server_port}/upload?state=1")

    def do_PUT(self):
        data = self.rfile.read(int(self.headers["Content-Length"]))
        if self.server.broken:
            self._reply(500)
        elif self.path.startswith("/upload"):
            self.server.blobs[parse_qs(urlsplit(self.path).query)["digest"][0]] = data
            self._reply(201)
        else:
            self.server.manifests[self.path] = json.loads(data)
            self._reply(201)


@pytest.fixture
def registry():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Registry)
    server.blobs, server.manifests, server.broken = {}, {}, False
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def layer(tmp_path):
    (tmp_path / "layer").write_bytes(b"packed")
    return Layer("sha256:plain", "sha256:packed", 6, str(tmp_path / "layer"))


def test_an_image_is_found_under_its_real_name(registry, layer):
    push(f"127.0.0.1:{registry.server_port}", IMAGE, [layer], {"cmd": ["app"]})
    manifest = registry.manifests["/v2/ghcr.io/some/app/manifests/v1.2.3"]
    assert [part["digest"] for part in manifest["layers"]] == ["sha256:packed"]
    config = json.loads(registry.blobs[manifest["config"]["digest"]])
    assert config["rootfs"]["diff_ids"] == ["sha256:plain"]


def test_a_blob_that_is_there_is_not_sent_again(registry, layer):
    registry.blobs["sha256:packed"] = b"already here"
    push(f"127.0.0.1:{registry.server_port}", IMAGE, [layer], {})
    assert registry.blobs["sha256:packed"] == b"already here"


def test_a_refusal_says_what_was_asked(registry, layer):
    registry.broken = True
    with pytest.raises(LabError, match=r"the registry refused PUT http://127\.0\.0\.1:\d+/upload.*: 500"):
        push(f"127.0.0.1:{registry.server_port}", IMAGE, [layer], {})


def test_a_recipes_way_to_start_is_the_images():
    how = {"entrypoint": ["/bin/app"], "cmd": ["serve"], "env": {"PORT": "80"}, "ports": [80], "volumes": ["/data"], "workdir": "/srv", "stop_signal": "SIGINT"}
    config = configuration(how, [], IMAGE)["config"]
    assert config["Entrypoint"] == ["/bin/app"]
    assert config["Cmd"] == ["serve"]
    assert "PORT=80" in config["Env"]
    assert config["ExposedPorts"] == {"80/tcp": {}}
    assert config["Volumes"] == {"/data": {}}
    assert (config["WorkingDir"], config["StopSignal"]) == ("/srv", "SIGINT")
