"""The image registry: one directory of images in the cache, served on each lab's network under the images' real names."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lab.host import await_server, run
from lab.paths import CACHE

ROOT = CACHE / "registry"
# Registries whose names the mirror answers for; the path in our registry starts with the same name.
HOSTS = ("docker.io", "ghcr.io", "quay.io", "registry.k8s.io", "nvcr.io", "mcr.microsoft.com", "lscr.io", "registry.gitlab.com")


def config(address: str, port: int, *, read_only: bool) -> str:
    """Return docker-registry's configuration."""
    return f"""\
version: 0.1
log: {{level: warn, accesslog: {{disabled: true}}}}
storage:
  filesystem: {{rootdirectory: {ROOT}}}
  delete: {{enabled: true}}
  maintenance: {{readonly: {{enabled: {str(read_only).lower()}}}}}
http: {{addr: "{address}:{port}"}}
"""


def mirrors(address: str, port: int) -> str:
    """Return the registries.conf drop-in that sends every image name to the lab's registry."""
    return "".join(
        f'[[registry]]\nprefix = "{host}"\nlocation = "{host}"\n[[registry.mirror]]\nlocation = "{address}:{port}/{host}"\ninsecure = true\n\n'
        for host in HOSTS
    )


def start(address: str, port: int, directory: Path, *, read_only: bool = True) -> int:
    """Start a registry, wait until it listens and return its process id; config and log go to the directory."""
    ROOT.mkdir(parents=True, exist_ok=True)
    directory.mkdir(parents=True, exist_ok=True)
    file = directory / "registry.yml"
    file.write_text(config(address, port, read_only=read_only), encoding="utf-8")
    with (directory / "registry.log").open("ab") as log:
        server = subprocess.Popen(["docker-registry", "serve", file], stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
    await_server(server, address, port, directory / "registry.log")
    return server.pid


@contextmanager
def writable(port: int, directory: Path) -> Iterator[str]:
    """Serve the registry for pushes on loopback and yield its address."""
    pid = start("127.0.0.1", port, directory, read_only=False)
    try:
        yield f"127.0.0.1:{port}"
    finally:
        subprocess.run(["kill", str(pid)], check=False)


def collect_garbage(directory: Path) -> None:
    """Remove the layers that no image needs any more; nothing may be pushed meanwhile."""
    file = directory / "garbage.yml"
    file.write_text(config("127.0.0.1", 0, read_only=True), encoding="utf-8")
    run("docker-registry", "garbage-collect", "--delete-untagged", file)
