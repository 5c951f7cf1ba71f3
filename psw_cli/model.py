# SPDX-License-Identifier: GPL-3.0-or-later
"""``psw model``: the models of the engine."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click
from ansible_collections.psw.ai.plugins.plugin_utils import _model_fit, _models
from ansible_collections.psw.ai.plugins.plugin_utils._catalog import Catalog
from ansible_collections.psw.ai.plugins.plugin_utils._errors import PswError
from ansible_collections.psw.ai.plugins.plugin_utils._has import usable_mib
from ansible_collections.psw.ai.plugins.plugin_utils._preflight import current_plan

from psw_cli import exits
from psw_cli.asked import Asked, left_undone
from psw_cli.base import Nouns, Settings, Verb
from psw_cli.failures import Failure
from psw_cli.output import result, table
from psw_cli.projects import alone, opened

if TYPE_CHECKING:
    from ansible_collections.psw.ai.plugins.plugin_utils._project import Project

ENGINE = _models.ENGINE
UNCHANGED = f", and {_models.FILE} stays as it was"
OLLAMA = Asked(
    ENGINE,
    "psw.ai.models",
    answer="psw_models",
    not_deployed="Ollama, which runs models, is not deployed yet",
    left_undone=f"the engine was not looked at{UNCHANGED}",
    secrets=False,
)
COMMANDS = {
    "list": ("psw_cli.model:list_", "Show which models the engine has."),
    "recommend": ("psw_cli.model:recommend", "Show which models fit into the memory of your GPU."),
    "pull": ("psw_cli.model:pull", "Get models, and keep them."),
    "remove": ("psw_cli.model:remove", "Remove models."),
}
HEADINGS = ("model", "weights", "+ context", "kept as", "+ engine", "= MiB", "fits", "what it is")


@click.command(cls=Nouns, table=COMMANDS)
def model() -> None:
    """The models of the engine."""


def names_of(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """Return the models of the catalogue and of the settings that begin like this, for the shell's completion."""
    try:
        known = {*_model_fit.known_models(), *_models.wished(opened(ctx.ensure_object(Settings)))}
    except PswError:
        return []  # whoever presses Tab is not told what is wrong with the project
    return sorted(name for name in known if name.startswith(incomplete))


@click.command("list", cls=Verb, ansible_args=True)
@click.pass_obj
def list_(settings: Settings) -> None:
    """Show which models the engine has.

    Asks the engine; changes nothing. A model that is wished but not there comes with the next converge. The digest says which model a
    name stands for here; --json has it whole.
    """
    project = opened(settings)
    told, _check, _report = _look_after(project, settings, "model-list", {})
    wished = [_models.full_name(name) for name in _models.wished(project)]
    found = [{**each, "wished": each["name"] in wished, "there": True} for each in told]
    nothing = {"digest": None, "size_mib": None, "loaded": None, "loaded_mib": None}
    found += [{"name": name, **nothing, "wished": True, "there": False} for name in wished if name not in {each["name"] for each in told}]
    rows = [
        (each["name"], each["size_mib"], (each["digest"] or "not there")[:12], "yes" if each["wished"] else "no", each["loaded"] or "no", each["loaded_mib"])
        for each in found
    ]
    result(settings, {"models": found}, table(("model", "MiB", "digest", "wished", "loaded", "loaded MiB"), rows) if rows else "the engine has no models")


@click.command(cls=Verb, ansible_args=True)
@click.argument("names", metavar="MODEL...", nargs=-1, required=True, shell_complete=names_of)
@click.pass_obj
def pull(settings: Settings, names: tuple[str, ...]) -> None:
    """Get models, and keep them.

    A download that broke off goes on where it was. The models stand in services/ollama/defaults.yml from then on, so that every
    converge sees to it that they are there. Models that run in a cloud are refused. With -- --check it only says what would happen.

    What a name stands for is up to its publisher, and may change between two downloads: the engine holds each part that comes against
    what the publisher says today, and psw adds nothing to that. To hold a model to the one you have, write its whole digest into
    services/ollama/defaults.yml, as in ollama_digests: {"qwen3:8b": "…"}. Another one is then a failure, and a download of it does not stay.
    """
    with alone(settings) as project:
        _models.wished(project)  # settings that cannot be changed are an error before gigabytes come
        told, check, report = _look_after(project, settings, "model-pull", {"psw_model_state": "present", "psw_model_names": list(names)})
        sizes = {each["name"]: each["size_mib"] for each in told}
        missing = [name for name in names if _models.full_name(name) not in sizes]
        if missing and not check:
            raise left_undone(f"{', '.join(missing)} did not come{UNCHANGED}", report)
        noted = _models.add(project, names, check=check)
    lines = [f"{name} would come" if name in missing else f"{name} is there ({sizes[_models.full_name(name)]} MiB)" for name in names]
    lines += [f"{'would be ' if check else ''}added to {_models.FILE}: {', '.join(noted)}"] if noted else []
    result(settings, {"check": check, **report, "changed": report["changed"] or bool(noted), "models": told, "added": noted}, "\n".join(lines))


@click.command(cls=Verb, ansible_args=True)
@click.argument("names", metavar="MODEL...", nargs=-1, required=True, shell_complete=names_of)
@click.pass_obj
def remove(settings: Settings, names: tuple[str, ...]) -> None:
    """Remove models.

    They go from the engine, with their files, and from services/ollama/defaults.yml. The last wished model stays: psw proves with it
    that the GPU is used. With -- --check it only says what would happen.
    """
    with alone(settings) as project:
        OLLAMA.planned(project)
        _models.remove(project, names, check=True)  # what is refused is refused before files go
        told, check, report = _look_after(project, settings, "model-remove", {"psw_model_state": "absent", "psw_model_names": list(names)})
        there = {each["name"] for each in told}
        left = [name for name in names if _models.full_name(name) in there]
        if left and not check:
            raise left_undone(f"{', '.join(left)} did not go{UNCHANGED}", report)
        noted = _models.remove(project, names, check=check)
    changed = report["changed"] or bool(noted)
    done = f"{'would remove' if check else 'removed'} {', '.join(names)}"
    text = done if changed else f"nothing to remove: the engine has no {' and no '.join(names)}"
    result(settings, {"check": check, **report, "changed": changed, "models": told, "removed": noted}, text)


def _look_after(project: Project, settings: Settings, verb: str, wishes: dict[str, Any]) -> tuple[list[dict[str, Any]], bool, dict[str, Any]]:
    """Run the playbook of the models; return what the engine has afterwards, whether the run only looked, and its report."""
    OLLAMA.planned(project)
    project.overrides(ENGINE)  # a setting that there is not is an error with its line
    told, report = OLLAMA.ask(project, settings, verb, wishes)
    return told["psw_models"], told["psw_check"], report


@click.command(cls=Verb)
@click.pass_obj
def recommend(settings: Settings) -> None:
    """Show which models fit into the memory of your GPU.

    Reckons with the recorded memory of the cards that are planned for the engine, and with its settings: a model needs room for its
    weights, for the context of every request that it answers at once, and for the engine itself. Where nothing is set, the context is
    kept the best way that still fits. Asks no machine.
    """
    project, catalog = opened(settings), Catalog.load()
    plan = current_plan(project, catalog)
    if ENGINE not in plan["apps"]:
        hint = "add it with: psw app add ollama, then psw deploy converge"
        raise Failure("not_deployed", "Ollama, which runs models, is not among the apps", hint, exits.REFUSED)
    target = plan["apps"][ENGINE]["target"]
    planned = plan["targets"][target]
    cards = [gpu for gpu in project.records[planned["node"]]["gpus"] if gpu["address"] in planned["gpu"]["addresses"]]
    context = _model_fit.context_of(project.overrides(ENGINE))
    found = _model_fit.fits(_model_fit.known_models(), context, usable_mib(cards), len(cards))
    names = ", ".join(gpu["name"] for gpu in cards)
    head = f"{target}: {usable_mib(cards)} MiB on {names}; context of {context.tokens} tokens x {context.parallel}"
    rows = [(fit.name, fit.weights_mib, fit.kv_mib, fit.kept_as, fit.overhead_mib, fit.needs_mib, _verdict(fit), fit.summary) for fit in found]
    data = {
        "target": target,
        "gpus": [gpu["address"] for gpu in cards],
        "vram_mib": usable_mib(cards),
        "context": asdict(context),
        "models": [{**asdict(fit), "needs_mib": fit.needs_mib, "fits": fit.fits} for fit in found],
    }
    result(settings, data, f"{head}\n\n{table(HEADINGS, rows)}\n\nto have one: psw model pull MODEL")


def _verdict(fit: _model_fit.Fit) -> str:
    """Say whether a model fits; for one that does not, what is missing and what would help."""
    if fit.fits:
        return "yes"
    short = f"no, {fit.needs_mib - fit.vram_mib} MiB short"
    return f"{short}; yes with ollama_kv_cache: {fit.kv_cache}" if fit.kv_cache else short
