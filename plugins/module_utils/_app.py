# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan of an app: from what is wished and what is found to the steps between; private to the collection."""

from __future__ import annotations

from typing import NamedTuple

from ansible_collections.psw.ai.plugins.module_utils import _desired_files as files
from ansible_collections.psw.ai.plugins.module_utils._errors import PswModuleError
from ansible_collections.psw.ai.plugins.module_utils._quadlet import read_units, unit_path
from ansible_collections.psw.ai.plugins.module_utils._steps import Step, state_diff
from ansible_collections.psw.ai.plugins.module_utils._systemd import UNKNOWN

# What an app owns, by kind. It is noted on the machine, so that what is no longer wished for can be found and removed.
OWNED = ("units", "files", "directories", "secrets", "images")
_HIDDEN_BEFORE, _HIDDEN_AFTER = "(value is secret), before", "(value is secret), new"


class Plan(NamedTuple):
    """What will be done, and why services are restarted."""

    steps: list
    restarts: dict  # service: reason
    warnings: list
    leftovers: list = ()  # steps for when the app is ready: until then somebody may want to go back


def unit_wishes(texts):
    """Return the wishes for the files of these units."""
    return [files.wish("file", unit_path(name), content=text, mode="0644", owner="0", group="0") for name, text in texts.items()]


def owned_by(wish):
    """Return what an app with these wishes owns, in the form that is noted on the machine."""
    owned = {"units": wish["units"], "secrets": wish["secrets"], "images": wish["images"] if wish["state"] == "present" else []}
    for kind, key in (("file", "files"), ("directory", "directories")):
        owned[key] = [wished["path"] for wished in wish["paths"] if wished["kind"] == kind]
    return {key: sorted(owned[key]) for key in OWNED}


def gone(wish, manifest, others):
    """Return what the app owned and no longer wishes for; with ``state: absent`` that is everything it ever had or names.

    What another app owns by now stays. Directories hold data, so they go with the app alone.
    """
    leaving = {}
    for key, wished in owned_by(wish).items():
        noted, now = set(manifest.get(key, [])), set(wished)
        kept = now | (noted if key == "directories" else set())
        leaving[key] = sorted((noted | now if wish["state"] == "absent" else noted - kept) - set(others[key]))
    return leaving


def gone_units(wish, facts):
    """Return the units to remove, read from what is on the machine."""
    names = gone(wish, facts["manifest"], facts["others"])["units"]
    return read_units({name: facts["paths"].get(unit_path(name), files.ABSENT).get("content", "") for name in names})


def _refuse_foreign(wish, facts):
    for name in wish["units"]:
        owner = facts["others"]["units"].get(name)
        if owner:
            raise PswModuleError(f"unit {name} belongs to the app {owner}; give the one of {wish['name']} another name")


def _sees(unit, changed):
    """Return the first changed path that the unit's container sees: a mounted one, or a file below a mounted directory."""
    for path, op in sorted(changed.items()):
        for source in unit.sources:
            if path == source or (op == "write" and path.startswith(source + "/")):
                return path
    return None


def _why_restart(unit, facts, changed, secrets):  # noqa: PLR0911 - one return for each reason
    """Return why a unit that runs must be restarted, None when it need not."""
    if unit.path in changed:
        return "its unit file changed"
    if unit.service in facts["manifest"].get("pending", []):
        return "an earlier run was cut short before its restart"
    if unit.kind != "container":
        return None
    if facts["services"].get(unit.service, UNKNOWN)["NeedDaemonReload"] == "yes":
        return "its unit file was touched after systemd read it"
    for name in unit.secrets:
        if name in secrets:
            return f"its secret {name} changed"
    path = _sees(unit, changed)
    if path:
        return f"{path} changed"
    running = facts["containers"].get(unit.service)
    for reference in unit.images:
        if running and facts["images"].get(reference) not in (None, running.image):
            return f"it runs another image than {reference} is now"
    return None


def _restarts(units, facts, changed, secrets):
    reasons = {}
    for unit in units:
        why = _why_restart(unit, facts, changed, secrets)
        if not why:
            why = next((f"{need} changed" for need in unit.needs if need in reasons), None)
        if why:
            reasons[unit.name] = why
    return {unit.service: reasons[unit.name] for unit in units if unit.name in reasons}


def _state(facts, service):
    return facts["services"].get(service, UNKNOWN)["ActiveState"]


def _secret_steps(wish, facts):
    steps = []
    for name, value in wish["secrets"].items():
        found = facts["secrets"].get(name)
        if found != value:
            steps.append(Step("set secret", name, {"value": value}, state_diff(f"secret {name}", "" if found is None else _HIDDEN_BEFORE, _HIDDEN_AFTER)))
    return steps


def _stop_steps(units, facts):
    running = [unit for unit in units if _state(facts, unit.service) not in ("inactive", "failed")]
    for unit in reversed(running):  # containers before the networks they use
        yield Step("stop", unit.service, {}, state_diff(unit.service, _state(facts, unit.service), ""))
    for unit in running:
        if unit.kind == "network":
            yield Step("remove network", unit.label, {}, None)


def _removals(paths, facts):
    """Return the steps that remove these paths; of directories only those that will be empty by then."""
    steps, removed = [], set()
    for path in sorted(paths, key=lambda path: (-path.count("/"), path)):
        found = facts["paths"].get(path, files.ABSENT)
        if any(f"{path}/{entry}" not in removed for entry in found.get("entries", [])):
            continue
        removed.add(path)
        steps += files.plan([files.wish("absent", path)], facts["paths"])
    return steps


def plan_app(wish, facts):
    """Return the plan that brings an app from what is found to what is wished."""
    present = wish["state"] == "present"
    _refuse_foreign(wish, facts)
    leaving, lost = gone(wish, facts["manifest"], facts["others"]), gone_units(wish, facts)
    units = read_units(wish["units"]) if present else []
    made = files.plan(wish["paths"] + unit_wishes(wish["units"]), facts["paths"]) if present else []
    changed = {step.target: step.op for step in made if step.op in ("write", "make directory", "link")}
    secrets = _secret_steps(wish, facts) if present else []
    affected = _restarts(units, facts, changed, {step.target for step in secrets})
    restarts = {service: why for service, why in affected.items() if _state(facts, service) not in ("inactive", "failed")}
    starts = [unit.service for unit in units if unit.service not in restarts and _state(facts, unit.service) != "active"]
    unit_files = _removals([unit.path for unit in lost], facts)

    steps = list(_stop_steps(lost, facts)) + made + unit_files + secrets
    if unit_files or any(_unread(unit, facts, changed) for unit in units):
        steps.append(Step("reload", "systemd"))
    remade = {unit.service: unit.label for unit in units if _must_remake(unit, facts, affected)}
    steps += [Step("remake network", label, {"service": service, "later": sorted(restarts)}) for service, label in remade.items()]
    steps += [Step("restart", service, {"why": why}) for service, why in restarts.items() if service not in remade]
    steps += [Step("start", service, {}, state_diff(service, _state(facts, service), "active")) for service in starts if service not in remade]
    steps += [Step("remove secret", name, {}, state_diff(f"secret {name}", _HIDDEN_BEFORE, "")) for name in leaving["secrets"] if name in facts["secrets"]]
    steps += _removals(leaving["files"] + leaving["directories"], facts)
    pulls = [Step("pull", reference, {}, state_diff(f"image {reference}", "", "present")) for reference in _missing(wish, facts)]
    warnings = [
        f"the volume {unit.label} exists and keeps the options it was made with: the changed {unit.name} takes effect on a new volume"
        for unit in units
        if unit.kind == "volume" and unit.path in changed and _state(facts, unit.service) == "active"
    ]
    return Plan(pulls + _noted(wish, facts["manifest"], steps, restarts), restarts, warnings, _leftovers(wish, facts, units + lost))


def unused(wish, pulled, others):
    """Return those of the images that psw pulled which no app on this machine names any more."""
    named = set(owned_by(wish)["images"]) | set(others["images"])
    return [reference for reference in pulled if reference not in named]


def _leftovers(wish, facts, units):
    """Return the steps that remove images nobody needs; what another container was made of stays, whoever made it."""
    own = {unit.service for unit in units}
    used = {image for image, users in facts["users"].items() if users - own}
    left = [reference for reference in unused(wish, facts["pulled"], facts["others"]) if facts["images"].get(reference) not in (None, *used)]
    return [Step("remove image", reference, {}, state_diff(f"image {reference}", "present", "")) for reference in left]


def _must_remake(unit, facts, affected):
    """Tell whether a network has to be made anew: podman never changes the options of one that is there."""
    return unit.kind == "network" and unit.service in affected and facts["paths"].get(unit.path, files.ABSENT)["kind"] != "absent"


def _unread(unit, facts, changed):
    found = facts["services"].get(unit.service, UNKNOWN)
    return unit.path in changed or found["NeedDaemonReload"] == "yes" or found["LoadState"] != "loaded"


def _missing(wish, facts):
    if wish["state"] == "absent":
        return []
    return [reference for reference in wish["images"] if facts["images"].get(reference) is None]


def _noted(wish, manifest, steps, restarts):
    """Put the steps between two notes: before them all that is touched, after them what the app owns, so that a killed run can be finished."""
    after = dict(owned_by(wish), schema=1, app=wish["name"]) if wish["state"] == "present" else {}
    if after == manifest and not steps:
        return []
    before = {key: sorted(set(manifest.get(key, [])) | set(after.get(key, []))) for key in OWNED}
    before.update(schema=1, app=wish["name"])
    if restarts:
        before["pending"] = sorted(restarts)
    last = Step("note", wish["name"], {"manifest": after})
    if not after and not manifest:
        return steps
    first = [Step("note", wish["name"], {"manifest": before})] if steps and before != manifest else []
    return first + steps + ([last] if after != before or not steps else [])
