# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which models fit into the memory of GPUs: weights, the context of every request, and what the engine itself takes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ansible_collections.psw.ai.plugins.plugin_utils import _yaml
from ansible_collections.psw.ai.plugins.plugin_utils._catalog import ROOT
from ansible_collections.psw.ai.plugins.plugin_utils._errors import CatalogError, ProjectError
from ansible_collections.psw.ai.plugins.plugin_utils._overrides import ROLES

if TYPE_CHECKING:
    from collections.abc import Mapping

MIB = 1 << 20
# Bytes for each number, the best first; the quantised ones keep 32 numbers and their scale in a block of 34 or 18 bytes.
KV_CACHES = {"f16": 2.0, "q8_0": 34 / 32, "q4_0": 18 / 32}
BEST = next(iter(KV_CACHES))
OVERHEAD_MIB = 1024  # for each card: the driver's context and the engine's working memory, an estimate on the safe side
BATCH = 512  # tokens that are worked on at once, which a window keeps beside its own


@dataclass(frozen=True)
class Context:
    """How the engine keeps the context of requests."""

    tokens: int
    parallel: int
    kv_cache: str | None = None  # None: the best kind with which a model fits
    flash_attention: bool = True

    @property
    def kinds(self) -> list[str]:
        """Return the ways to keep the context that there are, the best first; without flash attention the engine takes no other for what it is told."""
        return list(KV_CACHES) if self.flash_attention else [BEST]

    def kv_mib(self, model: Mapping[str, Any], kv_cache: str) -> int:
        """Return the memory that the full context of all requests takes when it is kept like this."""
        windowed = model.get("windowed_layers", 0)
        kept = (model["layers"] - windowed) * self.tokens + windowed * min(self.tokens, model.get("window", 0) + BATCH)
        numbers: int = 2 * model["kv_heads"] * model["head_dim"] * kept * self.parallel
        return math.ceil(numbers * KV_CACHES[kv_cache] / MIB)


@dataclass(frozen=True)
class Fit:
    """What a model needs of the memory that there is, its context kept as ``kept_as``; ``kv_cache`` is the best kind with which it would fit, or None."""

    name: str
    summary: str
    weights_mib: int
    kept_as: str
    kv_mib: int
    overhead_mib: int
    vram_mib: int
    kv_cache: str | None

    @property
    def needs_mib(self) -> int:
        """Return the sum."""
        return self.weights_mib + self.kv_mib + self.overhead_mib

    @property
    def fits(self) -> bool:
        """Say whether it fits as the engine is set."""
        return self.needs_mib <= self.vram_mib


def known_models() -> dict[str, dict[str, Any]]:
    """Return the models of the catalogue."""
    models: dict[str, dict[str, Any]] = _yaml.load(ROOT / "models.yml", CatalogError).data["models"]
    return models


def context_of(overrides: Mapping[str, Any]) -> Context:
    """Return how the engine is set: by the user, else by the role's defaults."""
    settings = {**_yaml.load(ROLES / "ollama" / "defaults" / "main.yml", CatalogError).data, **overrides}
    for name, kind in (("ollama_context", int), ("ollama_parallel", int), ("ollama_flash_attention", bool)):
        if not isinstance(settings[name], kind) or isinstance(settings[name], bool) != (kind is bool):  # Python's bools are ints
            wanted = "true or false" if kind is bool else "a whole number"
            raise ProjectError(f"services/ollama/defaults.yml: {name} is {settings[name]!r}, and has to be {wanted} for psw to reckon with it")
    kv_cache = overrides.get("ollama_kv_cache")  # the role's default reckons as this file does
    if kv_cache is not None and kv_cache not in KV_CACHES:
        raise ProjectError(f"services/ollama/defaults.yml: ollama_kv_cache is {kv_cache!r}; there is {', '.join(KV_CACHES)}")
    return Context(settings["ollama_context"], settings["ollama_parallel"], kv_cache, settings["ollama_flash_attention"])


def fits(models: Mapping[str, Mapping[str, Any]], context: Context, vram_mib: int, cards: int) -> list[Fit]:
    """Return how each model fits: those that do first, the largest before the smaller ones."""
    found = [_fit(name, model, context, vram_mib, cards * OVERHEAD_MIB) for name, model in models.items()]
    return sorted(found, key=lambda fit: (not fit.fits, -fit.needs_mib if fit.fits else fit.needs_mib))


def kv_cache_for(models: Mapping[str, Mapping[str, Any]], context: Context, vram_mib: int, cards: int) -> str:
    """Return the best way to keep the context with which each of the models fits that can fit at all; the engine has one for all of them."""
    needed = [fit.kv_cache for fit in fits(models, context, vram_mib, cards) if fit.kv_cache]
    return max(needed, key=list(KV_CACHES).index, default=BEST)


def _fit(name: str, model: Mapping[str, Any], context: Context, vram_mib: int, overhead_mib: int) -> Fit:
    weights = model["download_mib"]
    room = vram_mib - weights - overhead_mib
    best = next((kind for kind in context.kinds if context.kv_mib(model, kind) <= room), None)
    kept_as = context.kv_cache if context.kv_cache in context.kinds else best or BEST
    return Fit(name, model["summary"], weights, kept_as, context.kv_mib(model, kept_as), overhead_mib, vram_mib, best)
