"""The lab's face: `python -m lab up | down | status | exec | restart | env | logs | images`."""

import argparse
import contextlib
import importlib
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable

from lab import host, machines, network, node, podman, services, state
from lab.host import LabError, say
from lab.paths import CACHE, RUN, STATE

DEFAULT_MACHINE = "rtx_3060"


def _publish(lab: state.Lab) -> None:
    """Let the vendors' stand-ins put their files where the web server serves them."""
    if importlib.util.find_spec("lab.vendors"):
        importlib.import_module("lab.vendors").publish(services.www(lab), machines.load(lab.machine))


def up(options: argparse.Namespace) -> int:
    """Start the lab, or what of it does not run."""
    started = time.monotonic()
    podman.require_root()
    host.install_programs()
    with state.locked(options.name):
        lab = state.choose(options.name, options.machine)
        machines.load(lab.machine)
        state.make_key(lab)
        services.www(lab).mkdir(parents=True, exist_ok=True)
        _publish(lab)
        network.up(lab)
        services.up(lab)
        node.up(lab)
    say(f"lab {lab.name!r} is up with machine {lab.machine!r}: node at {lab.node_address} ({time.monotonic() - started:.0f} s)")
    return 0


def down(options: argparse.Namespace) -> int:
    """Remove the lab without trace; the cache stays unless asked."""
    podman.require_root()
    with state.locked(options.name):
        lab = state.load(options.name)
        if lab is not None:
            node.down(lab)
            podman.kill_cgroup(lab.container)
            services.down(lab)
            network.down(lab)
            host.run("rm", "-rf", "--one-file-system", lab.home)
            say(f"lab {lab.name!r} is gone")
        else:
            say(f"there is no lab called {options.name!r}")
    if not state.names():
        podman.release()
        for place in (STATE, RUN):
            shutil.rmtree(place, ignore_errors=True)
        if options.cache:
            shutil.rmtree(CACHE)
    return 0


def status(options: argparse.Namespace) -> int:
    """Show the labs of this machine."""
    labs = [lab for lab in map(state.load, state.names()) if lab]
    rows = [{"name": lab.name, "machine": lab.machine, "node": node.status(lab), "address": lab.node_address, "services": services.running(lab)} for lab in labs]
    if options.json:
        print(json.dumps({"labs": rows}))
    for row in [] if options.json else rows:
        running = ", ".join(f"{name} {'up' if alive else 'DOWN'}" for name, alive in dict(row["services"]).items())  # type: ignore[call-overload]
        print(f"{row['name']}: machine {row['machine']}, node {row['node']} at {row['address']}; {running}")
    if not rows and not options.json:
        print("no lab runs here")
    return 0


def execute(options: argparse.Namespace) -> int:
    """Run a command on the node; streams and exit code are the command's."""
    lab = state.need(options.name)
    words = options.command[1:] if options.command[:1] == ["--"] else options.command
    if not words:
        raise LabError("say what to run: python -m lab exec -- pct list")
    flags = ["-i", *(["-t"] if sys.stdin.isatty() else [])]
    return subprocess.run(podman.podman_command("exec", *flags, lab.container, *words), check=False).returncode


def restart(options: argparse.Namespace) -> int:
    """Restart the node."""
    started = time.monotonic()
    with state.locked(options.name):
        node.restart(state.need(options.name))
    say(f"the node is back ({time.monotonic() - started:.0f} s)")
    return 0


def environment(lab: state.Lab) -> dict[str, str]:
    """Return what a test or a shell needs to know about the lab."""
    return {
        "PSW_LAB_NAME": lab.name,
        "PSW_LAB_NODE": state.NODE,
        "PSW_LAB_NODE_HOST": lab.node_address,
        "PSW_LAB_SSH_KEY": str(lab.key),
        "PSW_LAB_DOMAIN": state.DOMAIN,
        "PSW_LAB_MACHINE": lab.machine,
        "PSW_LAB_GATEWAY": lab.gateway,
        "PSW_LAB_REGISTRY": f"{services.REGISTRY_HOST}:{services.REGISTRY_PORT}",
    }


def env(options: argparse.Namespace) -> int:
    """Print shell exports: eval "$(python -m lab env)"."""
    for key, value in environment(state.need(options.name)).items():
        print(f"export {key}='{value}'")
    return 0


def logs(options: argparse.Namespace) -> int:
    """Show what the node and the services logged."""
    lab = state.need(options.name)
    for file in sorted(services.directory(lab).glob("*.log")):
        print(f"==> {file}\n{''.join(file.read_text(encoding='utf-8', errors='replace').splitlines(keepends=True)[-20:])}")
    return subprocess.run(podman.podman_command("exec", lab.container, "journalctl", "--no-pager", "-n", str(options.lines)), check=False).returncode


def parser() -> argparse.ArgumentParser:
    """Return the command line's grammar."""
    top = argparse.ArgumentParser(prog="python -m lab", description=__doc__)
    verbs = top.add_subparsers(required=True, metavar="VERB")

    def verb(name: str, function: Callable[[argparse.Namespace], int]) -> argparse.ArgumentParser:
        sub = verbs.add_parser(name, help=(function.__doc__ or "").splitlines()[0], description=function.__doc__)
        sub.add_argument("--name", default=os.environ.get("PSW_LAB_NAME", "psw"), help="the lab's name (default: psw)")
        sub.set_defaults(function=function)
        return sub

    verb("up", up).add_argument("--machine", default=os.environ.get("PSW_LAB_MACHINE", DEFAULT_MACHINE), help="a directory in lab/machines")
    verb("down", down).add_argument("--cache", action="store_true", help="also remove the cached images and templates")
    verb("status", status).add_argument("--json", action="store_true", help="print one JSON object")
    verb("exec", execute).add_argument("command", nargs=argparse.REMAINDER, metavar="-- COMMAND", help="what to run on the node")
    verb("restart", restart)
    verb("env", env)
    verb("logs", logs).add_argument("--lines", type=int, default=100, help="journal lines of the node")
    return top


def main(argv: list[str] | None = None) -> int:
    """Run one verb; expected errors become one line."""
    words = sys.argv[1:] if argv is None else argv
    if words[:1] == ["images"]:
        return int(importlib.import_module("lab.images.__main__").main(words[1:]))
    options = parser().parse_args(words)
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
