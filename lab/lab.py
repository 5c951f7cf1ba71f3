"""A lab's life: up, restart, down. Safe to repeat and to interrupt; `down` leaves no trace."""

import importlib
import importlib.util
import shutil
import time

from lab import host, images, machines, network, node, podman, services, state
from lab.host import say
from lab.paths import CACHE, RUN, STATE

DEFAULT_MACHINE = "rtx_3060"


def _publish(lab: state.Lab) -> None:
    """Let the vendors' stand-ins put their files where the web server serves them."""
    if importlib.util.find_spec("lab.vendors"):
        importlib.import_module("lab.vendors").publish(services.www(lab), machines.load(lab.machine))


def up(name: str, machine: str = DEFAULT_MACHINE, *, upstream_images: bool = False) -> state.Lab:
    """Start the lab, or what of it does not run, and return it.

    Args:
        name: The lab's name; several labs may run at once.
        machine: A directory in lab/machines.
        upstream_images: Let the node pull the real images from the internet, instead of serving those that the lab builds.
    """
    started = time.monotonic()
    podman.require_root()
    host.install_programs()
    with state.locked(name):
        lab = state.choose(name, machine)
        machines.load(lab.machine)
        state.make_key(lab)
        services.www(lab).mkdir(parents=True, exist_ok=True)
        _publish(lab)
        if not upstream_images:
            images.build()
        network.up(lab)
        services.up(lab)
        node.up(lab)
    say(f"lab {lab.name!r} is up with machine {lab.machine!r}: node at {lab.node_address} ({time.monotonic() - started:.0f} s)")
    return lab


def down(name: str, *, cache: bool = False) -> None:
    """Remove the lab without trace; the cache, which all labs share, stays unless asked."""
    podman.require_root()
    with state.locked(name):
        lab = state.load(name)
        if lab is not None:
            node.down(lab)
            podman.kill_cgroup(lab.container)
            services.down(lab)
            network.down(lab)
            host.run("rm", "-rf", "--one-file-system", lab.home)
            say(f"lab {lab.name!r} is gone")
        else:
            say(f"there is no lab called {name!r}")
    if not state.names():
        podman.release()
        for place in (STATE, RUN):
            shutil.rmtree(place, ignore_errors=True)
        if cache:
            shutil.rmtree(CACHE)


def restart(name: str) -> None:
    """Restart the node."""
    started = time.monotonic()
    with state.locked(name):
        node.restart(state.need(name))
    say(f"the node is back ({time.monotonic() - started:.0f} s)")
