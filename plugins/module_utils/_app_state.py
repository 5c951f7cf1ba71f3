# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An app on this machine: gather the facts of it at once, and carry out its plan; private to the collection."""

from __future__ import annotations

import json
import os
import time

from ansible_collections.psw.ai.plugins.module_utils import _desired_files as files
from ansible_collections.psw.ai.plugins.module_utils import _podman, _readiness, _systemd
from ansible_collections.psw.ai.plugins.module_utils._app import OWNED, gone, gone_units, owned_by, unused
from ansible_collections.psw.ai.plugins.module_utils._errors import PswModuleError
from ansible_collections.psw.ai.plugins.module_utils._one_at_a_time import one_at_a_time
from ansible_collections.psw.ai.plugins.module_utils._programs import run, run_together
from ansible_collections.psw.ai.plugins.module_utils._quadlet import read_units, unit_path
from ansible_collections.psw.ai.plugins.module_utils._steps import Step, carry_out

NOTES = "/etc/psw/apps"
_PULLED = "/etc/psw/images.json"  # the images that psw pulled: no other one is ever removed


def _note_path(name):
    return f"{NOTES}/{name}.json"


def _read(path):
    text = files.look(path).get("content", "{}")
    try:
        noted = json.loads(text)
    except ValueError as exc:
        raise PswModuleError(f"{path} is not JSON ({exc}); move it away and run again") from exc
    return noted if isinstance(noted, dict) else {}


def _write(path, noted):
    text = json.dumps(noted, indent=1, sort_keys=True) + "\n"
    files.write(Step("write", path, files.wish("file", path, content=text, mode="0600", owner="0", group="0")))


def read_note(name):
    """Return what is noted about an app: what it owns, and which restarts are pending."""
    return _read(_note_path(name))


def _write_note(step):
    path, manifest = _note_path(step.target), step.args["manifest"]
    if manifest:
        _write(path, manifest)
    else:
        files.remove(Step("remove", path))


def _pulled():
    return _read(_PULLED).get("pulled", [])


def _note_pulled(*, came=(), went=()):
    with one_at_a_time("images"):
        _write(_PULLED, {"schema": 1, "pulled": sorted((set(_pulled()) | set(came)) - set(went))})


def _pull_image(step):
    from ansible_collections.psw.ai.plugins.module_utils import _pull  # noqa: PLC0415 - seldom needed, and compiled for each call

    _pull.pull(step.target)
    _note_pulled(came=[step.target])


def _remove_image(step):
    _podman.remove_image(step.target)
    _note_pulled(went=[step.target])


def noted_apps():
    """Return the names of the apps that are noted on this machine."""
    try:
        return sorted(entry[:-5] for entry in os.listdir(NOTES) if entry.endswith(".json") and not entry.startswith("."))
    except OSError:
        return []


def _others(name):
    """Return {kind: {thing: app}} of what all other apps own."""
    owned = {key: {} for key in OWNED}
    for app in noted_apps():
        note = read_note(app) if app != name else {}
        for key in OWNED:
            owned[key].update(dict.fromkeys(note.get(key, []), app))
    return owned


def _paths(wish, manifest, others):
    leaving = gone(wish, manifest, others)
    names = list(wish["units"]) + leaving["units"]
    paths = [wished["path"] for wished in wish["paths"]] + leaving["files"] + leaving["directories"] + [unit_path(name) for name in names]
    facts = {path: files.look(path) for path in paths}
    for path in leaving["directories"]:
        if facts[path]["kind"] == "directory":
            facts[path]["entries"] = sorted(os.listdir(path))
    return facts


def _from_programs(services, secrets, images, requires):
    """Ask systemd and podman everything at the same time."""
    shown, told, listed, about, *inspected = run_together(
        _systemd.show_command(services),
        _podman.secrets_command(secrets),
        _podman.containers_command(),
        _podman.self_command(requires),
        *map(_podman.image_command, images),
    )
    if listed.rc != 0:
        raise PswModuleError(f"podman does not work here: {listed.err.strip()}")
    _podman.check_self(requires, about.out)
    return {
        "services": _systemd.parse_show(services, shown.out),
        "secrets": _podman.parse_secrets(told.out),
        "containers": _podman.parse_containers(listed.out),
        "users": _podman.parse_users(listed.out),
        "images": {reference: done.out.strip() if done.rc == 0 else None for reference, done in zip(images, inspected)},
    }


def gather(wish, *, without_podman=False):
    """Return the facts that ``plan_app`` reads; ``without_podman`` tells them of a machine that has none yet."""
    manifest = read_note(wish["name"])
    others = _others(wish["name"])
    facts = {"manifest": manifest, "others": others, "paths": _paths(wish, manifest, others), "pulled": _pulled()}
    facts.update(services={}, secrets={}, containers={}, users={}, images={})
    if without_podman and not _podman.is_here():
        return facts
    units = read_units(wish["units"]) + gone_units(wish, facts)
    services = sorted({unit.service for unit in units})
    secrets = sorted(set(owned_by(wish)["secrets"]) | set(manifest.get("secrets", [])))
    images = wish["images"] if wish["state"] == "present" else []
    facts.update(_from_programs(services, secrets, images + unused(wish, facts["pulled"], others), wish["requires"]))
    return facts


def _environment_of(container):
    """Return the environment a container's first process was started with; what a unit or an image says is only how it came about."""
    with open(f"/proc/{container.pid}/environ", "rb") as environ:
        return dict(item.partition("=")[::2] for item in environ.read().decode("utf-8", "replace").split("\0"))


def check_environment(wish, known):
    """Raise unless each container of the app runs with the expected environment; ``known`` are containers that were seen running, by service."""
    if not wish["environment"]:
        return
    services, running = [unit.service for unit in read_units(wish["units"]) if unit.kind == "container"], known
    if not all(service in known and os.path.exists(f"/proc/{known[service].pid}") for service in services):
        running = _podman.parse_containers(run(_podman.containers_command(), doing="listing containers").out)
    for service in services:
        there = _environment_of(running[service]) if service in running else {}
        wrong = [f"{name} is {there.get(name)!r}, not {value!r}" for name, value in sorted(wish["environment"].items()) if there.get(name) != value]
        if wrong:
            raise PswModuleError(f"{service} runs with settings that are not the promised ones: {'; '.join(wrong)}. Is a drop-in or another unit in the way?")


def _refusals(units, gone_now=()):
    from ansible_collections.psw.ai.plugins.module_utils import _generator  # noqa: PLC0415 - as above

    return _generator.refusals(units, gone_now)


def refused_units(wish, plan):
    """Return a sentence for each changed unit that the quadlet generator will not understand."""
    paths = {step.target for step in plan.steps if step.op == "write"}
    changed = {name: text for name, text in wish["units"].items() if unit_path(name) in paths}
    gone_now = [os.path.basename(step.target) for step in plan.steps if step.op == "remove"]
    refused = _refusals(wish["units"], gone_now) if changed else {}
    return [f"quadlet refuses {name}: {why}" for name, why in sorted(refused.items())]


def _reload(wish):
    def door(_step):
        _systemd.reload_units()
        states = _systemd.show([unit.service for unit in read_units(wish["units"])] if wish["state"] == "present" else [])
        missing = [service for service, state in states.items() if state["LoadState"] != "loaded"]
        if missing:
            why = _refusals(wish["units"]) or "systemd does not load what the generator made; see `systemctl status` on the machine"
            raise PswModuleError(f"quadlet made no service of {', '.join(missing)}: {why}")

    return door


def _remake_network(step):
    """A network keeps the options it was made with, so it is made anew; systemd stops who requires it, and they come back after it."""
    service = step.args["service"]
    users = [user for user in _systemd.active_users(service) if user not in step.args["later"]]
    _systemd.change("stop", [service])
    _podman.remove_network(step.target)
    _systemd.change("start", [service, *users])


def perform(wish, steps):
    """Carry out steps of a plan; starts and restarts of services that follow each other are given to systemd at once, which knows their order."""
    doers = {
        **files.DOERS,
        "note": _write_note,
        "pull": _pull_image,
        "remove image": _remove_image,
        "stop": lambda step: _systemd.change("stop", [step.target]),
        "set secret": lambda step: _podman.set_secret(step.target, step.args["value"]),
        "remove secret": lambda step: _podman.remove_secret(step.target),
        "remove network": lambda step: _podman.remove_network(step.target),
        "remake network": _remake_network,
        "reload": _reload(wish),
        "restart": lambda step: _systemd.change("restart", step.args["services"]),
        "start": lambda step: _systemd.change("start", step.args["services"]),
    }
    carry_out(_together(steps), doers)


def _together(steps):
    """Join neighbouring starts, and neighbouring restarts, into one step each."""
    joined = []
    for step in steps:
        if step.op not in ("start", "restart"):
            joined.append(step)
        elif joined and joined[-1].op == step.op:
            joined[-1].args["services"].append(step.target)
        else:
            joined.append(Step(step.op, step.target, {"services": [step.target]}))
    return joined


def await_ready(wish):
    """Wait until all that must answer does; else say what did not, and what the app's services say."""
    services = [unit.service for unit in read_units(wish["units"]) if unit.kind == "container"]

    def hopeless():
        return any(state["ActiveState"] == "failed" for state in _systemd.show(services).values())

    started = time.monotonic()
    missing = _readiness.wait(wish["ready"], wish["ready_timeout"], hopeless)
    if missing:
        spent = time.monotonic() - started
        raise PswModuleError(f"not ready after {spent:.0f} s: {'; '.join(missing)}\n{_systemd.explain(services)}")
