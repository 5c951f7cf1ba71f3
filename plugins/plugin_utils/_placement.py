# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find a target and a node for every app: what was placed stays, what is new goes where there is most room."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ansible_collections.psw.ai.plugins.plugin_utils import _needs
from ansible_collections.psw.ai.plugins.plugin_utils._errors import PlanError, Refusal
from ansible_collections.psw.ai.plugins.plugin_utils._has import cards, node_not_set_up, room, usable_mib
from ansible_collections.psw.ai.plugins.plugin_utils._target_wishes import CORE, GPU, beside

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ansible_collections.psw.ai.plugins.plugin_utils._catalog import Catalog

SHOWN = 5  # nodes in a message
LONGEST = 63  # characters of a host name


@dataclass
class Spot:
    """A target that fills up: where it is, what is on it, and what that needs."""

    node: str
    kind: str
    apps: list[str] = field(default_factory=list)
    needs: Counter[str] = field(default_factory=Counter)


class Placement:
    """The targets of a house while apps are placed, one after the other."""

    def __init__(self, wishes: Mapping[str, Any], records: Mapping[str, Mapping[str, Any]], catalog: Catalog, before: Mapping[str, Any]) -> None:
        self.nodes: list[str] = list(wishes["nodes"])
        self.wishes, self.records, self.catalog, self.before = wishes, records, catalog, before
        self.told: Mapping[str, Any] = wishes["targets"]
        self.spots: dict[str, Spot] = {}

    def place(self, apps: list[str]) -> dict[str, Spot]:
        """Return the targets by name, those with a GPU first, each with its apps in the order given."""
        core = [app for app in apps if self.catalog.app(app)["target"] == "core"]
        gpu = [app for app in apps if app not in core]
        homes = {app: name for name in self._known_gpu_targets() for app in self.before[name]["apps"]}
        stay = [(app, homes[app], self._gpu_home(homes[app])) for app in gpu if app in homes]
        # A core that has its node already takes room there before anything new does.
        if core and (node := self._home(CORE)):
            self._put_core(node, core)
        for app, name, node in stay:
            self._put(app, name, node)
        new = [app for app in gpu if app not in homes]
        for app in sorted(new, key=lambda app: (-_needs.of_app(app, self.catalog)["vram_mib"], apps.index(app))):
            self._place_gpu(app)
        if core and CORE not in self.spots:
            self._place_core(core)
        names = sorted(self.spots, key=lambda name: (name == CORE, name != GPU, self.nodes.index(self.spots[name].node)))
        for spot in self.spots.values():
            spot.apps.sort(key=apps.index)
        return {name: self.spots[name] for name in names}

    # --- what stays --------------------------------------------------------------------------------------------------
    def _home(self, name: str) -> str | None:
        """Return the node that a target has already, by the user's word or by the plan so far."""
        if told := self.told.get(name, {}).get("node"):
            return str(told)
        if name not in self.before:
            return None
        node = str(self.before[name]["node"])
        if node not in self.nodes:
            raise Refusal(
                "unknown_node",
                f"{name} with its data is on {node}, which psw.yml does not name",
                f"put {node} back into psw.yml, or take {name} out of deployment-plan.yml to start anew elsewhere",
            )
        return node

    def _gpu_home(self, name: str) -> str:
        node = self._home(name) or self.nodes[0]
        if node not in self.records:
            raise node_not_set_up([node])
        return node

    def _known_gpu_targets(self) -> list[str]:
        return [name for name, target in self.before.items() if name in (GPU, beside(target["node"]))]

    # --- what is new -------------------------------------------------------------------------------------------------
    def _place_gpu(self, app: str) -> None:
        """Put an app on the first target that has room for it: one in use, one there was, then one on the best node left."""
        candidates = self._candidates()
        if not candidates:
            raise node_not_set_up(self.nodes)
        short = {}
        for name, node in candidates:
            lack = self._lack(name, node, app)
            if lack is None or len(candidates) == 1:  # with no choice the whole of it is refused, with all its numbers
                self._put(app, name, node)
                return
            short[node] = lack
        raise self._no_room(app, _needs.of_app(app, self.catalog), short)

    def _candidates(self) -> list[tuple[str, str]]:
        """Return the targets that an app may go to, with their nodes, the first choice first."""
        found = {name: spot.node for name, spot in self.spots.items() if spot.kind == "gpu"}
        if GPU not in found and self.told.get(GPU, {}).get("node"):
            found[GPU] = self._gpu_home(GPU)
        for name in self._known_gpu_targets():
            node = self.told.get(name, {}).get("node") or self.before[name]["node"]
            if name not in found and node in self.nodes and node in self.records and node not in found.values():
                found[name] = node
        recorded = [node for node in self.nodes if node in self.records]
        wanted = self.wishes["gpu"]["vendor"]
        fitting = [node for node in recorded if self.records[node]["vendor"] == wanted] or recorded if wanted else recorded
        left = sorted((node for node in fitting if node not in found.values()), key=self._worth, reverse=True)
        return [*found.items(), *((beside(node) if GPU in found else GPU, node) for node in left)]

    def _worth(self, node: str) -> tuple[int, bool, int]:
        """Rank a node for a new GPU target: the most memory; ties go to NVIDIA, then to the first in psw.yml."""
        return usable_mib(self.records[node]["gpus"]), self.records[node]["vendor"] == "nvidia", -self.nodes.index(node)

    def _place_core(self, apps: list[str]) -> None:
        """Put the core beside the first GPU target, or where there is room."""
        beside_gpu = [spot.node for spot in self.spots.values() if spot.kind == "gpu"][:1]
        candidates = list(dict.fromkeys([*beside_gpu, *self.nodes]))
        needs = _needs.together(apps, self.catalog)
        short = {}
        for node in candidates:
            lack = self._lack_of_room(CORE, node, "core", needs)
            if lack is None or len(candidates) == 1:
                self._put_core(node, apps)
                return
            short[node] = lack
        raise self._no_room(CORE, Counter({key: _needs.size("core", needs, {})[key] for key in _needs.ROOM}), short)

    # --- room --------------------------------------------------------------------------------------------------------
    def _put(self, app: str, name: str, node: str) -> None:
        other = next((other for other, spot in self.spots.items() if spot.kind == "gpu" and spot.node == node and other != name), None)
        if other:
            raise PlanError(f"{other} and {name} would both be on {node}, which has one GPU target at most", f"see targets.{name}.node in psw.yml")
        if len(name) > LONGEST:
            raise PlanError(f"the target on {node} would be called {name}, longer than the {LONGEST} characters of a host name", "give the node a shorter name")
        spot = self.spots.setdefault(name, Spot(node, "gpu"))
        spot.apps.append(app)
        spot.needs += _needs.of_app(app, self.catalog)

    def _put_core(self, node: str, apps: list[str]) -> None:
        self.spots[CORE] = Spot(node, "core", apps, _needs.together(apps, self.catalog))

    def _lack(self, name: str, node: str, app: str) -> str | None:
        """Return what a target lacks for an app, in words, or None."""
        needs = _needs.of_app(app, self.catalog)
        has = usable_mib(cards(name, node, self.records[node], self.told.get(name, {})))
        left = has - (self.spots[name].needs["vram_mib"] if name in self.spots else 0)
        if needs["vram_mib"] > left:
            return f"{left} of {has} MiB of GPU memory"
        return self._lack_of_room(name, node, "gpu", needs)

    def _lack_of_room(self, name: str, node: str, kind: str, needs: Counter[str]) -> str | None:
        here = {other: spot for other, spot in self.spots.items() if spot.node == node}
        taken = Counter(dict.fromkeys(_needs.ROOM, 0))
        for other, spot in here.items():
            taken.update(_needs.size(spot.kind, spot.needs, self.told.get(other, {})))
        before = _needs.size(kind, here[name].needs, self.told.get(name, {})) if name in here else dict.fromkeys(_needs.ROOM, 0)
        after = _needs.size(kind, needs + (here[name].needs if name in here else Counter()), self.told.get(name, {}))
        for key, what in _needs.ROOM.items():
            has = room(self.wishes, self.records, node, key)
            if has is not None and taken[key] + after[key] - before[key] > has:
                return f"{has - taken[key]} of {has} {what}"
        return None

    def _no_room(self, what: str, needs: Counter[str], short: Mapping[str, str]) -> PlanError:
        wanted = ", ".join(f"{needs[key]} {unit}" for key, unit in _needs.UNITS.items() if needs[key])
        listed = "; ".join(f"{node} has {lack} left" for node, lack in list(short.items())[:SHOWN])
        more = f"; and {len(short) - SHOWN} more nodes" if len(short) > SHOWN else ""
        return PlanError(f"no node has room for {what} ({wanted}): {listed}{more}", "remove an app, or add a node that has room")
