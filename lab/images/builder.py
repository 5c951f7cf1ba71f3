"""Build images from their recipes and put them into the lab's registry; an image is built again only when its recipe changes."""

import fcntl
import json
import os
import socket
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lab.host import run, say
from lab.images.layer import pack
from lab.images.push import push
from lab.images.recipe import Recipe, recipes
from lab.images.tree import assemble, base, base_fingerprint
from lab.paths import CACHE
from lab.registry import ROOT, collect_garbage, writable

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


@contextmanager
def _only_builder() -> Iterator[None]:
    """Let one process build at a time: several labs may start at once, and they share the cache."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "images.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("waiting for the images that another lab builds")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _all_known(wanted: Sequence[Recipe]) -> dict[str, Built]:
    return {recipe.key: found for recipe in wanted if (found := _known(recipe)) is not None}


def build(names: Sequence[str] = (), *, force: bool = False) -> list[Built]:
    """Bring the registry up to the recipes and say what was built; all recipes unless some are named."""
    wanted = recipes(tuple(names))
    done = {} if force else _all_known(wanted)
    if len(done) < len(wanted):
        with _only_builder():
            done = {} if force else _all_known(wanted)  # another process may just have built them
            missing = [recipe for recipe in wanted if recipe.key not in done]
            if missing:
                done |= _build_all(missing)
    return [done[recipe.key] for recipe in wanted]


def _build_all(missing: Sequence[Recipe]) -> dict[str, Built]:
    """Build recipes, the bases that they share first, and throw away what they replace."""
    with writable(_free_port(), CACHE / "tmp") as address, ThreadPoolExecutor(WORKERS) as pool:
        list(pool.map(base, sorted({recipe.debian for recipe in missing})))
        built = list(pool.map(lambda recipe: _build(recipe, address), missing))
    collect_garbage(CACHE / "tmp")
    return {recipe.key: each for recipe, each in zip(missing, built, strict=True)}
