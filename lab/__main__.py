"""The lab's face: `python -m lab prepare | up | down | status | exec | restart | env | logs | fault | trouble | heal | images`."""

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from typing import Any

from lab import images, lab, machines, node, podman, services, state, trouble
from lab.host import LabError


def prepare(_options: argparse.Namespace) -> int:
    """Make what every lab shares, so that the first one need not."""
    lab.prepare()
    return 0


def up(options: argparse.Namespace) -> int:
    """Start the lab, or what of it does not run."""
    lab.up(options.name, options.machine, upstream_images=options.images == "upstream")
    return 0


def down(options: argparse.Namespace) -> int:
    """Remove the lab without trace; the cache stays unless asked."""
    for name in (state.names() or [options.name]) if options.all else [options.name]:
        lab.down(name, cache=options.cache)
    return 0


def status(options: argparse.Namespace) -> int:
    """Show the labs of this machine."""
    labs = [one for one in map(state.load, state.names()) if one]
    rows: list[dict[str, Any]] = [
        {"name": one.name, "machine": one.machine, "node": node.status(one), "address": one.node_address, "services": services.running(one)} for one in labs
    ]
    if options.json:
        print(json.dumps({"labs": rows}))
    for row in [] if options.json else rows:
        running = ", ".join(f"{name} {'up' if alive else 'DOWN'}" for name, alive in row["services"].items())
        print(f"{row['name']}: machine {row['machine']}, node {row['node']} at {row['address']}; {running}")
    if not rows and not options.json:
        print("no lab runs here")
    return 0


def execute(options: argparse.Namespace) -> int:
    """Run a command on the node; streams and exit code are the command's."""
    one = state.need(options.name)
    words = options.command[1:] if options.command[:1] == ["--"] else options.command
    if not words:
        raise LabError("say what to run: python -m lab exec -- pct list")
    flags = ["-i", *(["-t"] if sys.stdin.isatty() else [])]
    return subprocess.run(podman.podman_command("exec", *flags, one.container, *words), check=False).returncode


def restart(options: argparse.Namespace) -> int:
    """Restart the node, with its hardware called otherwise where that is asked for."""
    lab.restart(options.name, machines.moves(options.move))
    return 0


def environment(one: state.Lab) -> dict[str, str]:
    """Return what a test or a shell needs to know about the lab."""
    return {
        "PSW_LAB_NAME": one.name,
        "PSW_LAB_NODE": state.NODE,
        "PSW_LAB_NODE_HOST": one.node_address,
        "PSW_LAB_SSH_KEY": str(one.key),
        "PSW_LAB_DOMAIN": state.DOMAIN,
        "PSW_LAB_MACHINE": one.machine,
        "PSW_LAB_GATEWAY": one.gateway,
        "PSW_LAB_REGISTRY": f"{services.REGISTRY_HOST}:{services.REGISTRY_PORT}",
    }


def env(options: argparse.Namespace) -> int:
    """Print shell exports: eval "$(python -m lab env)"."""
    for key, value in environment(state.need(options.name)).items():
        print(f"export {key}='{value}'")
    return 0


def logs(options: argparse.Namespace) -> int:
    """Show what the node and the services logged."""
    one = state.need(options.name)
    for file in sorted(services.directory(one).glob("*.log")):
        print(f"==> {file}\n{''.join(file.read_text(encoding='utf-8', errors='replace').splitlines(keepends=True)[-20:])}")
    return subprocess.run(podman.podman_command("exec", one.container, "journalctl", "--no-pager", "-n", str(options.lines)), check=False).returncode


def fault(options: argparse.Namespace) -> int:
    """Make requests to the node's API fail: fault POST /nodes/pve1/lxc/101/status/start "got timeout"; without arguments, heal all."""
    one = state.need(options.name)
    if not options.method:
        trouble.heal(one)
        return 0
    if not options.path or not (options.message or options.error or options.hang):
        raise LabError("say which request and what it answers: python -m lab fault POST /nodes/pve1/lxc/101/status/start 'got timeout'")
    chosen = {name: getattr(options, name) for name in ("error", "times", "in_task", "hang")}
    trouble.fail(one, options.method, options.path, options.message, **chosen)
    return 0


def cause(options: argparse.Namespace) -> int:
    """Cause a trouble on the node that lasts until `heal`."""
    trouble.cause(state.need(options.name), options.kind, **{name: getattr(options, name) for name in options.given})
    return 0


def heal(options: argparse.Namespace) -> int:
    """Undo every trouble and every fault."""
    trouble.heal(state.need(options.name))
    return 0


def build_images(options: argparse.Namespace) -> int:
    """Build the images that the registry serves."""
    images.build(tuple(options.images), force=options.force)
    return 0


def parser() -> argparse.ArgumentParser:
    """Return the command line's grammar."""
    top = argparse.ArgumentParser(prog="python -m lab", description=__doc__)
    verbs = top.add_subparsers(required=True, metavar="VERB")

    def verb(name: str, function: Callable[[argparse.Namespace], int]) -> argparse.ArgumentParser:
        sub = verbs.add_parser(name, help=(function.__doc__ or "").splitlines()[0], description=function.__doc__)
        sub.add_argument("--name", default=state.DEFAULT_NAME, help=f"the lab's name (default: {state.DEFAULT_NAME})")
        sub.set_defaults(function=function)
        return sub

    verb("prepare", prepare)
    start = verb("up", up)
    start.add_argument("--machine", default=os.environ.get("PSW_LAB_MACHINE"), help=f"a directory in lab/machines (default: {lab.DEFAULT_MACHINE})")
    start.add_argument("--images", choices=["built", "upstream"], default="built", help="the lab's own images, or the real ones from the internet")
    stop = verb("down", down)
    stop.add_argument("--all", action="store_true", help="remove every lab of this machine")
    stop.add_argument("--cache", action="store_true", help="also remove the cached images and templates")
    verb("status", status).add_argument("--json", action="store_true", help="print one JSON object")
    verb("exec", execute).add_argument("command", nargs=argparse.REMAINDER, metavar="-- COMMAND", help="what to run on the node")
    again = verb("restart", restart)
    again.add_argument("--move", action="append", default=[], metavar="OLD=NEW", help="a slot (01:00=02:00) or a node (renderD128=renderD129) changes its name")
    verb("env", env)
    verb("logs", logs).add_argument("--lines", type=int, default=100, help="journal lines of the node")
    failing = verb("fault", fault)
    failing.add_argument("method", nargs="?", choices=["GET", "POST", "PUT", "DELETE"])
    failing.add_argument("path", nargs="?", help="the end of the request's path, or a template from the API's schema")
    failing.add_argument("message", nargs="?", help="what the API answers")
    failing.add_argument("--error", help="instead of a message, one of fakepve's named errors")
    failing.add_argument("--times", type=int, help="how often it fails (default: until healed)")
    failing.add_argument("--in-task", action="store_true", help="the request succeeds, and its task ends with the message")
    failing.add_argument("--hang", type=float, metavar="SECONDS", help="answer only after so long; with a message, fail then")
    _troubles(verb("trouble", cause))
    verb("heal", heal)
    build = verb("images", build_images)
    build.add_argument("action", choices=["build"])
    build.add_argument("images", nargs="*", metavar="IMAGE", help="a name in catalog/images.yml; none means all")
    build.add_argument("--force", action="store_true", help="build also what is there already")
    return top


def _troubles(top: argparse.ArgumentParser) -> None:
    """Add the grammar of `trouble`: a kind, and what it happens to."""
    kinds = top.add_subparsers(required=True, metavar="KIND", dest="kind")

    def kind(name: str, text: str, **arguments: dict[str, Any]) -> None:
        sub = kinds.add_parser(name, help=text, description=text)
        for argument, settings in arguments.items():
            sub.add_argument(argument, **settings)
        sub.set_defaults(given=tuple(arguments))

    vmid: dict[str, Any] = {"type": int, "metavar": "VMID"}
    kind("quorum", "the node's cluster has lost its quorum")
    kind("lock", "a container is locked, as by a backup that does not end", vmid=vmid, why={"nargs": "?", "default": "backup"})
    kind("busy", "another task holds the lock of a container's configuration", vmid=vmid)
    kind("storage", "a storage has no room, or does not answer", storage={"metavar": "STORAGE"}, what={"choices": ["full", "inactive"]})
    kind("pool", "a ZFS pool has no room, or lost a disk", pool={"metavar": "POOL"}, what={"choices": ["full", "degraded"]})
    kind("templates", "the node has no template, and none is offered")
    kind("stranger", "somebody else's container has a number", vmid=vmid, hostname={"nargs": "?", "default": "theirs"})


def main(argv: list[str] | None = None) -> int:
    """Run one verb; expected errors become one line."""
    options = parser().parse_args(argv)
    # A second Ctrl-C must not leave half a `down`.
    if options.function is down:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with contextlib.suppress(BrokenPipeError):
            return int(options.function(options))
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("lab: interrupted; `python -m lab up` goes on, `python -m lab down` cleans up", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
