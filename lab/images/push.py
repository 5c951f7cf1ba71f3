"""An image's configuration and manifest, and their way into the registry."""

import hashlib
import json
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from lab.host import LabError
from lab.images.layer import Layer
from lab.images.recipe import Image

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+zstd"


def configuration(how: dict[str, Any], layers: Sequence[Layer], image: Image) -> dict[str, Any]:
    """Return the OCI image configuration of a recipe's `config`."""
    path = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
    settings: dict[str, Any] = {
        "Env": [f"{key}={value}" for key, value in {**path, **how.get("env", {})}.items()],
        "Entrypoint": how.get("entrypoint"),
        "Cmd": how.get("cmd"),
        "WorkingDir": how.get("workdir"),
        "User": how.get("user"),
        "StopSignal": how.get("stop_signal"),
        "ExposedPorts": {f"{port}/tcp": {} for port in how.get("ports", ())},
        "Volumes": {volume: {} for volume in how.get("volumes", ())},
        "Labels": {"org.opencontainers.image.ref.name": str(image), "psw.lab.built": "from the upstream software's packages"},
    }
    return {
        "architecture": "amd64",
        "os": "linux",
        "config": {key: value for key, value in settings.items() if value},
        "rootfs": {"type": "layers", "diff_ids": [layer.diff_id for layer in layers]},
        "history": [{"created_by": "psw lab"} for _ in layers],
    }


def _encoded(document: dict[str, Any]) -> bytes:
    return json.dumps(document, sort_keys=True).encode()


def _digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


class Repository:
    """One repository of a registry that takes pushes, by the distribution API."""

    def __init__(self, address: str, name: str) -> None:
        self.url = f"http://{address}/v2/{name}"

    def _ask(self, method: str, url: str, body: Any = None, headers: dict[str, str] | None = None) -> tuple[int, dict[str, str]]:
        request = urllib.request.Request(url, data=body, method=method, headers=headers or {})  # noqa: S310 - our own registry on loopback
        try:
            with urllib.request.urlopen(request, timeout=300) as answer:  # noqa: S310 - as above
                return answer.status, dict(answer.headers)
        except urllib.error.HTTPError as error:
            if method == "HEAD":
                return error.code, {}
            raise LabError(f"the registry refused {method} {url}: {error.code} {error.read().decode(errors='replace')[:300]}") from error

    def blob(self, digest: str, size: int, content: Path | bytes) -> None:
        """Upload a blob, unless it is there."""
        if self._ask("HEAD", f"{self.url}/blobs/{digest}")[0] == 200:  # noqa: PLR2004 - HTTP's OK
            return
        _, headers = self._ask("POST", f"{self.url}/blobs/uploads/", b"")
        place = f"{headers['Location']}{'&' if '?' in headers['Location'] else '?'}digest={quote(digest)}"
        sent = {"Content-Type": "application/octet-stream", "Content-Length": str(size)}
        if isinstance(content, bytes):
            self._ask("PUT", place, content, sent)
            return
        with content.open("rb") as file:
            self._ask("PUT", place, file, sent)

    def manifest(self, tag: str, document: dict[str, Any]) -> str:
        """Upload a manifest under a tag and return its digest."""
        data = _encoded(document)
        self._ask("PUT", f"{self.url}/manifests/{tag}", data, {"Content-Type": MANIFEST})
        return _digest(data)


def push(address: str, image: Image, layers: Sequence[Layer], how: dict[str, Any]) -> str:
    """Push an image under its real name and return its digest."""
    repository = Repository(address, image.name)
    for layer in layers:
        repository.blob(layer.digest, layer.size, Path(layer.file))
    config = _encoded(configuration(how, layers, image))
    repository.blob(_digest(config), len(config), config)
    return repository.manifest(
        image.tag,
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": {"mediaType": CONFIG, "digest": _digest(config), "size": len(config)},
            "layers": [{"mediaType": LAYER, "digest": layer.digest, "size": layer.size} for layer in layers],
        },
    )
