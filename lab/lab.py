"""A lab's life: up, restart, down. Safe to repeat and to interrupt; `down` leaves no trace."""

import shutil
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

from lab import host, images, machines, network, node, podman, services, state, template, vendors
from lab.host import say
from lab.paths import CACHE, RUN, STATE

DEFAULT_MACHINE = "rtx_3060"


def _publish(lab: state.Lab) -> None:
    """Let the vendors' stand-ins put their files where the web server serves them."""
    services.www(lab).mkdir(parents=True, exist_ok=True)
    vendors.publish(services.www(lab), machines.load(lab.machine))


def prepare() -> None:
    """Make what every lab shares, where the cache lacks it."""
    podman.require_root()
    host.install_programs()
    with ThreadPoolExecutor() as beside:
        for making in [beside.submit(make) for make in (node.image, template.archive, images.build)]:
            making.result()


def up(name: str, machine: str | None = None, *, upstream_images: bool = False) -> state.Lab:
    """Start the lab, or what of it does not run, and return it.

    Args:
        name: The lab's name; several labs may run at once.
        machine: A directory in lab/machines; without one, the machine that the lab has, or the default.
        upstream_images: Let the node pull the real images from the internet, instead of serving those that the lab builds.
    """
    started = time.monotonic()
    podman.require_root()
    host.install_programs()
    with state.locked(name):
        found = state.load(name)
        lab = state.choose(name, machine or (found.machine if found else DEFAULT_MACHINE))
        machines.load(lab.machine)
        state.make_key(lab)
        # The images take the longest and need nothing of the node.
        with ThreadPoolExecutor(1) as beside:
            building = None if upstream_images else beside.submit(images.build)
            _publish(lab)
            network.up(lab)
            services.up(lab)
            node.up(lab)
            if building:
                building.result()
    say(f"lab {lab.name!r} is up with machine {lab.machine!r}: node at {lab.node_address} ({time.monotonic() - started:.0f} s)")
    return lab


def down(name: str, *, cache: bool = False) -> None:
    """Remove the lab without trace, whatever is left of it; the cache, which all labs share, stays unless asked."""
    podman.require_root()
    with state.locked(name):
        lab = state.load(name)
        if lab is None:
            say(f"there is no lab called {name!r}")
        else:
            node.down(lab)
            services.down(lab)
            network.down(lab)
            host.run("rm", "-rf", "--one-file-system", lab.home)
            say(f"lab {lab.name!r} is gone")
    with state.all_locked():  # another lab may be on its way up
        if not state.names() and podman.release():
            if cache:
                host.run("rm", "-rf", "--one-file-system", CACHE)
            for place in (STATE, RUN):
                shutil.rmtree(place, ignore_errors=True)


def restart(name: str, moves: Mapping[str, str] | None = None) -> None:
    """Restart the node; the moves say what of its hardware is called otherwise from then on."""
    started = time.monotonic()
    with state.locked(name):
        node.restart(state.need(name), moves or {})
    say(f"the node is back ({time.monotonic() - started:.0f} s)")
