"""Build images from their recipes and put them into the lab's registry; an image is built again only when its recipe changes."""

import json
import os
import socket
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from lab.host import run, say
from lab.images.layer import pack
from lab.images.push import push
from lab.images.recipe import Recipe, recipes
from lab.images.tree import assemble, base, base_fingerprint
from lab.paths import CACHE
from lab.registry import ROOT, writable

WORKERS = 2


@dataclass(frozen=True)
class Built:
    """What became of one recipe."""

    reference: str
    digest: str
    size: int
    seconds: float  # 0 when the registry had it


def _record(recipe: Recipe) -> Path:
    """Return the note about the last build; it lies with the registry's blobs, so that neither outlives the other."""
    return ROOT / "psw-lab" / f"{recipe.key}.json"


def _known(recipe: Recipe) -> Built | None:
    try:
        note = json.loads(_record(recipe).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    if note["fingerprint"] != recipe.fingerprint(base_fingerprint(recipe.debian)):
        return None
    return Built(str(recipe.image), note["digest"], note["size"], 0)


def _build(recipe: Recipe, address: str) -> Built:
    started = time.monotonic()
    say(f"building {recipe.image}")
    lower, bottom = base(recipe.debian)
    scratch = CACHE / "tmp" / f"image-{recipe.key}-{os.getpid()}"
    run("rm", "-rf", "--one-file-system", scratch)
    scratch.mkdir(parents=True)
    try:
        layers = [bottom, pack(assemble(recipe, lower, scratch), scratch / "layer.tar.zst")]
        digest = push(address, recipe.image, layers, recipe.config)
    finally:
        run("rm", "-rf", "--one-file-system", scratch, check=False)
    built = Built(str(recipe.image), digest, sum(layer.size for layer in layers), time.monotonic() - started)
    note = {"fingerprint": recipe.fingerprint(base_fingerprint(recipe.debian)), "digest": digest, "size": built.size}
    record = _record(recipe)
    record.parent.mkdir(parents=True, exist_ok=True)
    record.write_text(json.dumps(note), encoding="utf-8")
    say(f"{recipe.image} built in {built.seconds:.0f} s, {built.size >> 20} MiB to pull")
    return built


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def build(names: Sequence[str] = (), *, force: bool = False) -> list[Built]:
    """Bring the registry up to the recipes and say what was built; all recipes unless some are named."""
    wanted = recipes(tuple(names))
    done = {} if force else {recipe.key: found for recipe in wanted if (found := _known(recipe)) is not None}
    missing = [recipe for recipe in wanted if recipe.key not in done]
    if missing:
        with writable(_free_port(), CACHE / "tmp") as address, ThreadPoolExecutor(WORKERS) as pool:
            list(pool.map(base, sorted({recipe.debian for recipe in missing})))
            # The one with most wheels first: it takes as long as the others together.
            for recipe, built in zip(missing, pool.map(lambda recipe: _build(recipe, address), missing), strict=True):
                done[recipe.key] = built
    return [done[recipe.key] for recipe in wanted]
