# SPDX-License-Identifier: GPL-3.0-or-later
"""``psw model``: the models of the engine."""

from __future__ import annotations

from dataclasses import asdict

import click
from ansible_collections.psw.ai.plugins.plugin_utils import _model_fit
from ansible_collections.psw.ai.plugins.plugin_utils._catalog import Catalog
from ansible_collections.psw.ai.plugins.plugin_utils._has import usable_mib
from ansible_collections.psw.ai.plugins.plugin_utils._preflight import current_plan

from psw_cli import exits
from psw_cli.base import Nouns, Settings, Verb
from psw_cli.failures import Failure
from psw_cli.output import result, table
from psw_cli.projects import opened

ENGINE = "ollama"
COMMANDS = {"recommend": ("psw_cli.model:recommend", "Show which models fit into the memory of your GPU.")}
SETTINGS = "set ollama_models in services/ollama/defaults.yml, then: psw deploy converge"
LATER = {"list": "ask the engine on its target: podman exec ollama ollama list", "pull": SETTINGS, "remove": SETTINGS}
HEADINGS = ("model", "weights", "+ context", "kept as", "+ engine", "= MiB", "fits", "what it is")


@click.command(cls=Nouns, table=COMMANDS, later=LATER)
def model() -> None:
    """The models of the engine."""


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
    result(settings, data, f"{head}\n\n{table(HEADINGS, rows)}\n\nto have one: {SETTINGS}")


def _verdict(fit: _model_fit.Fit) -> str:
    """Say whether a model fits; for one that does not, what is missing and what would help."""
    if fit.fits:
        return "yes"
    short = f"no, {fit.needs_mib - fit.vram_mib} MiB short"
    return f"{short}; yes with ollama_kv_cache: {fit.kv_cache}" if fit.kv_cache else short
