"""Make a library of models from weights: what the stand-in pulls from in the registry's place. Runs while the image is built."""

import hashlib
import json
import shutil
import sys
from pathlib import Path
from typing import Any

from standin.names import Name
from standin.store import MODEL, Store

TEMPLATE = "{{- range .Messages }}<|im_start|>{{ .Role }}\n{{ .Content }}<|im_end|>\n{{ end }}<|im_start|>assistant\n"

# So small a model rambles without them: it says the same thing for ever, and never twice the same thing when asked again.
PARAMETERS = {"stop": ["<|im_start|>", "<|im_end|>"], "temperature": 0, "repeat_penalty": 1.1, "num_predict": 160}


def _blob(store: Store, data: bytes | Path) -> dict[str, Any]:
    """Add a blob and return what a manifest says about it."""
    if isinstance(data, Path):
        with data.open("rb") as file:
            digest = f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
        size = data.stat().st_size
        if not store.blob(digest).exists():
            shutil.move(data, store.blob(digest))
    else:
        digest, size = f"sha256:{hashlib.sha256(data).hexdigest()}", len(data)
        store.blob(digest).write_bytes(data)
    return {"digest": digest, "size": size}


def add(store: Store, names: list[str], weights: Path, about: dict[str, Any]) -> None:
    """Add weights to a library under some names; the file is moved there."""
    store.blobs.mkdir(parents=True, exist_ok=True)
    layers = [
        {"mediaType": MODEL, **_blob(store, weights)},
        {"mediaType": "application/vnd.ollama.image.template", **_blob(store, TEMPLATE.encode())},
        {"mediaType": "application/vnd.ollama.image.license", **_blob(store, about["license"].encode())},
        {"mediaType": "application/vnd.ollama.image.params", **_blob(store, json.dumps(PARAMETERS).encode())},
    ]
    config = {
        "model_format": "gguf",
        "model_family": about["family"],
        "model_families": [about["family"]],
        "model_type": about["parameters"],
        "file_type": about["quantization"],
        "architecture": "amd64",
        "os": "linux",
        "rootfs": {"type": "layers", "diff_ids": [layer["digest"] for layer in layers]},
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
        "config": {"mediaType": "application/vnd.docker.container.image.v1+json", **_blob(store, json.dumps(config, sort_keys=True).encode())},
        "layers": layers,
    }
    for name in names:
        file = store.manifests / Name.parse(name).path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(manifest, sort_keys=True), encoding="utf-8")


if __name__ == "__main__":
    root, source, embedding, *wanted = sys.argv[1:]
    made = Store(Path(root))
    about = {"family": "llama", "parameters": "134.52M", "quantization": "Q4_1", "license": "Apache License, Version 2.0"}
    add(made, wanted, Path(source), about)
    # The same weights under another name and family: a model that only makes embeddings.
    add(made, [embedding], made.read(Name.parse(wanted[0])).weights, {**about, "family": "nomic-bert"})
