"""Models on disk, laid out as Ollama does: manifests that name blobs, blobs that are named by their hash."""

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from standin.names import Name

MODEL = "application/vnd.ollama.image.model"
_CHUNK = 4 << 20


class UnknownModelError(Exception):
    """The model is not here, or not in the library."""


@dataclass(frozen=True)
class Model:
    """One stored model."""

    name: Name
    digest: str  # of the manifest, without `sha256:`
    size: int
    modified: datetime
    weights: Path
    details: dict[str, Any]
    manifest: dict[str, Any]

    @property
    def embeds(self) -> bool:
        """Whether it makes embeddings, and answers nothing."""
        return str(self.details["family"]).endswith("bert")

    def facts(self) -> dict[str, Any]:
        """Return the model as `/api/tags` lists it."""
        return {
            "name": str(self.name),
            "model": str(self.name),
            "modified_at": self.modified.isoformat().replace("+00:00", "Z"),
            "size": self.size,
            "digest": self.digest,
            "details": self.details,
        }


class Store:
    """A directory of models."""

    def __init__(self, root: Path) -> None:
        self.manifests = root / "manifests"
        self.blobs = root / "blobs"

    def blob(self, digest: str) -> Path:
        """Return where a blob lies."""
        return self.blobs / digest.replace(":", "-")

    def read(self, name: Name) -> Model:
        """Return one model."""
        file = self.manifests / name.path
        try:
            data = file.read_bytes()
        except (FileNotFoundError, NotADirectoryError) as exc:
            raise UnknownModelError(f"model '{name}' not found") from exc
        manifest = json.loads(data)
        parts = [manifest["config"], *manifest["layers"]]
        weights = next(self.blob(layer["digest"]) for layer in manifest["layers"] if layer["mediaType"] == MODEL)
        config = json.loads(self.blob(manifest["config"]["digest"]).read_text(encoding="utf-8"))
        details = {
            "parent_model": "",
            "format": config["model_format"],
            "family": config["model_family"],
            "families": config["model_families"],
            "parameter_size": config["model_type"],
            "quantization_level": config["file_type"],
        }
        modified = datetime.fromtimestamp(file.stat().st_mtime, UTC)
        return Model(name, hashlib.sha256(data).hexdigest(), sum(part["size"] for part in parts), modified, weights, details, manifest)

    def all(self) -> list[Model]:
        """Return every model, newest first."""
        found = [Name(*file.relative_to(self.manifests).parts) for file in self.manifests.glob("*/*/*/*") if file.is_file()]
        return sorted((self.read(name) for name in found), key=lambda model: model.modified, reverse=True)

    def text(self, model: Model, kind: str) -> str:
        """Return a text layer of a model, such as its template or its licence; empty when it has none."""
        layers = [layer for layer in model.manifest["layers"] if layer["mediaType"] == f"application/vnd.ollama.image.{kind}"]
        return self.blob(layers[0]["digest"]).read_text(encoding="utf-8") if layers else ""

    def delete(self, name: Name) -> None:
        """Forget a model, and the blobs that no other model names."""
        self.read(name)
        (self.manifests / name.path).unlink()
        self.prune()

    def prune(self) -> None:
        """Remove blobs that no manifest names."""
        kept = set()
        for model in self.all():
            kept |= {self.blob(part["digest"]).name for part in (model.manifest["config"], *model.manifest["layers"])}
        for blob in self.blobs.glob("sha256-*"):
            if blob.name not in kept:
                blob.unlink()


def _copy(source: Path, target: Path, digest: str, total: int) -> Iterator[int]:
    """Copy a blob in chunks, yielding how much is there; a part left by an aborted pull is gone on with."""
    part = target.with_name(f"{target.name}-partial")
    with source.open("rb") as reader, part.open("ab") as writer:
        done = min(writer.tell(), total)
        reader.seek(done)
        yield done
        while data := reader.read(_CHUNK):
            writer.write(data)
            done += len(data)
            yield done
    with part.open("rb") as file:
        if f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}" != digest:
            part.unlink()
            raise UnknownModelError("digest mismatch, file must be downloaded again")
    part.rename(target)


def pull(store: Store, library: Store, name: Name) -> Iterator[dict[str, Any]]:
    """Bring a model from the library, telling what Ollama tells while it pulls from its registry."""
    yield {"status": "pulling manifest"}
    try:
        model = library.read(name)
    except UnknownModelError as exc:
        raise UnknownModelError("pull model manifest: file does not exist") from exc
    store.blobs.mkdir(parents=True, exist_ok=True)
    for part in (*model.manifest["layers"], model.manifest["config"]):
        digest, total = part["digest"], part["size"]
        line = {"status": f"pulling {digest.removeprefix('sha256:')[:12]}", "digest": digest, "total": total}
        target = store.blob(digest)
        if target.exists():
            yield {**line, "completed": total}
            continue
        yield line
        for completed in _copy(library.blob(digest), target, digest, total):
            yield {**line, "completed": completed}
    yield {"status": "verifying sha256 digest"}
    yield {"status": "writing manifest"}
    manifest = store.manifests / name.path
    manifest.parent.mkdir(parents=True, exist_ok=True)
    part_file = manifest.with_name(f".{manifest.name}.part")
    part_file.write_bytes((library.manifests / name.path).read_bytes())
    os.replace(part_file, manifest)  # noqa: PTH105 - the atomic one
    yield {"status": "success"}
