# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Draw a plan as SVG: nodes, the targets on them, their cards and how full these are, and datasets.

One file that needs nothing else. It brings its own background, and dark colours for those who read in the dark.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

from ansible_collections.psw.ai.plugins.plugin_utils import _needs, _pools
from ansible_collections.psw.ai.plugins.plugin_utils._has import usable_mib

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ansible_collections.psw.ai.plugins.plugin_utils._catalog import Catalog

WIDTH, MARGIN, PAD = 760, 24, 16
INNER = WIDTH - 2 * MARGIN - 2 * PAD  # width of a target
BAR = INNER - 2 * PAD
LINE, CHIP, GAP = 20, 26, 8
GLYPH = 7.0  # width of a character, near enough for any font without serifs
TINTS = 6
STYLE = """\
text{font:13px system-ui,-apple-system,"Segoe UI",Roboto,Ubuntu,"DejaVu Sans",sans-serif;fill:#1f2328}
.h{font-size:20px;font-weight:600}.b{font-size:15px;font-weight:600}.m{fill:#59636e}.s{font-size:12px}
.page{fill:#fff}.node{fill:#f6f8fa;stroke:#d1d9e0}.target{fill:#fff;stroke:#d1d9e0}
.wished{fill:#ddf4ff;stroke:#54aeff}.needed{fill:none;stroke:#afb8c1}
.free{fill:#e6eaef}.edge{stroke:#fff;stroke-width:3}.disk{fill:#fff8c5;stroke:#bf8700}
.t0{fill:#0969da}.t1{fill:#8250df}.t2{fill:#1a7f37}.t3{fill:#bc4c00}.t4{fill:#bf3989}.t5{fill:#0e7c86}
@media (prefers-color-scheme:dark){
text{fill:#e6edf3}.m{fill:#9198a1}
.page{fill:#0d1117}.node{fill:#151b23;stroke:#3d444d}.target{fill:#0d1117;stroke:#3d444d}
.wished{fill:#12293f;stroke:#1f6feb}.needed{stroke:#656c76}
.free{fill:#2a313c}.edge{stroke:#0d1117}.disk{fill:#2e2a1f;stroke:#9e6a03}
.t0{fill:#4493f8}.t1{fill:#ab7df8}.t2{fill:#3fb950}.t3{fill:#db6d28}.t4{fill:#db61a2}.t5{fill:#39c5cf}
}"""


def draw(plan: Mapping[str, Any], records: Mapping[str, Mapping[str, Any]], catalog: Catalog) -> str:
    """Return the plan as SVG; the same plan and records give the same picture."""
    sheet = _Sheet(plan, records, catalog)
    sheet.text(MARGIN, _short(plan["domain"], 60), "h", down=28)
    nodes = dict.fromkeys(target["node"] for target in plan["targets"].values())
    for node in nodes:
        sheet.node(node)
    idle = [node for node in records if node not in nodes]
    if not nodes:
        sheet.text(MARGIN, "nothing to run", "m", down=LINE)
    for number, line in enumerate(_wrapped(f"{node} ({usable_mib(records[node]['gpus'])} MiB of GPU memory)" for node in idle)):
        sheet.text(MARGIN, line if number else f"without a target: {line}", "m s", down=LINE)
    return sheet.svg()


class _Sheet:
    """A page that is filled from the top; ``y`` is where the next thing goes."""

    def __init__(self, plan: Mapping[str, Any], records: Mapping[str, Mapping[str, Any]], catalog: Catalog) -> None:
        self.plan, self.records, self.catalog = plan, records, catalog
        self.y = MARGIN
        self.parts: list[str] = []

    def svg(self) -> str:
        """Return the whole file."""
        height = self.y + MARGIN - GAP
        name = escape(f"What runs where in {self.plan['domain']}")
        return "\n".join(
            [
                f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{name}">',
                f"<title>{name}</title>",
                f"<style>{STYLE}</style>",
                f'<rect class="page" width="{WIDTH}" height="{height}"/>',
                *self.parts,
                "</svg>\n",
            ]
        )

    def node(self, node: str) -> None:
        """Draw a node with the targets on it."""
        here = {name: target for name, target in self.plan["targets"].items() if target["node"] == node}
        host, top, at = self.records.get(node, {}).get("host", {}), self.y, len(self.parts)
        self.y += PAD
        planned = sum(target["memory_mib"] for target in here.values())
        self.text(MARGIN + PAD, _short(node), "b")
        of = f" of {host['memory_mib']}" if host else ""
        self.text(WIDTH - MARGIN - PAD, f"{planned}{of} MiB of memory, {sum(target['rootfs_gib'] for target in here.values())} GiB of disk", "m", "end", 26)
        for name, target in here.items():
            self.target(name, target)
        self.y += PAD - GAP
        self.parts.insert(at, _box("node", (MARGIN, top), (WIDTH - 2 * MARGIN, self.y - top), 8))
        self.y += PAD

    def target(self, name: str, target: Mapping[str, Any]) -> None:
        """Draw a target: its size, apps, cards and datasets."""
        left, top, at = MARGIN + PAD, self.y, len(self.parts)
        self.y += 12
        self.text(left + PAD, _short(name), "b")
        size = f"{target['cores']} core{'' if target['cores'] == 1 else 's'}, {target['memory_mib']} MiB of memory, {target['rootfs_gib']} GiB of disk"
        self.text(left + INNER - PAD, size, "m", "end", 28)
        self._apps(left + PAD, target["apps"])
        if target["gpu"]:
            self._cards(left + PAD, target)
        for kept, dataset in target["datasets"].items():
            self._dataset(left + PAD, kept, dataset, self.records.get(target["node"], {}))
        self.y += 6
        self.parts.insert(at, _box("target", (left, top), (INNER, self.y - top), 6))
        self.y += GAP

    def text(self, x: float, text: str, style: str = "", anchor: str = "start", down: int = 0) -> None:
        """Write a line of text, and go down afterwards."""
        how = f' class="{style}"' if style else ""
        how += ' text-anchor="end"' if anchor == "end" else ""
        self.parts.append(f'<text x="{x:g}" y="{self.y + 14}"{how}>{escape(text)}</text>')
        self.y += down

    def _apps(self, left: float, apps: Iterable[str]) -> None:
        x = left
        for app in apps:
            width = len(app) * GLYPH + 18
            if x + width > left + BAR and x > left:
                x, self.y = left, self.y + CHIP + 4
            wished = self.plan["apps"][app]["reason"] == "wished"
            self.parts.append(_box("wished" if wished else "needed", (x, self.y), (width, CHIP - 4), 11))
            self.parts.append(f'<text x="{x + width / 2:g}" y="{self.y + 15}" class="s" text-anchor="middle">{escape(app)}</text>')
            x += width + GAP
        self.y += CHIP + GAP

    def _cards(self, left: float, target: Mapping[str, Any]) -> None:
        """Draw the cards of a target beside each other, as long as they are large, filled with what the apps need."""
        known = {gpu["address"]: gpu for gpu in self.records.get(target["node"], {}).get("gpus", [])}
        cards = [known.get(address, {"address": address, "usable_mib": 0}) for address in target["gpu"]["addresses"]]
        usable = usable_mib(cards)
        for card in cards:
            self.text(left, f"{_short(card.get('name', target['gpu']['vendor']), 60)}, {card['address']}")
            self.text(left + BAR, f"{card['usable_mib']} MiB" if card["usable_mib"] else "not recorded", "m", "end", LINE)
        self.y += 4
        if not usable:
            return
        needs = {app: need for app in target["apps"] if (need := _needs.of_app(app, self.catalog)["vram_mib"])}
        scale, x = BAR / usable, left
        self.parts.append(_box("free", (left, self.y), (BAR, 14), 3))
        for number, (app, need) in enumerate(needs.items()):
            label = escape(f"{app}: {need} MiB")
            self.parts.append(f'<rect class="t{number % TINTS}" x="{x:.1f}" y="{self.y}" width="{need * scale:.1f}" height="14"><title>{label}</title></rect>')
            x += need * scale
        edge = left
        for card in cards[:-1]:
            edge += card["usable_mib"] * scale
            self.parts.append(f'<line class="edge" x1="{edge:.1f}" x2="{edge:.1f}" y1="{self.y - 2}" y2="{self.y + 16}"/>')
        self.y += 18
        self.text(left + BAR, f"{sum(needs.values())} of {usable} MiB needed", "m s", "end")
        self._legend(left, [f"{app} {need}" for app, need in needs.items()])

    def _legend(self, left: float, labels: list[str]) -> None:
        """Say which colour is which app; the last third of the line is taken."""
        x = left
        for number, label in enumerate(labels):
            width = len(label) * GLYPH + 24
            if x + width > left + BAR * 2 / 3 and x > left:
                x, self.y = left, self.y + LINE
            self.parts.append(f'<rect class="t{number % TINTS}" x="{x:g}" y="{self.y + 5}" width="10" height="10" rx="2"/>')
            self.text(x + 15, label, "s")
            x += width
        self.y += LINE + 6

    def _dataset(self, left: float, kept: str, dataset: Mapping[str, Any], record: Mapping[str, Any]) -> None:
        self.parts.append(f'<path class="disk" d="M{left:g} {self.y + 3}v12a8 3 0 0 0 16 0v-12a8 3 0 0 0-16 0a8 3 0 0 0 16 0"/>')
        chosen = _pools.choice(record, dataset)
        place = f"storage {dataset['storage']}" if "storage" in dataset else f"pool {dataset['pool']}"
        if chosen and dataset["pool"] == "auto":
            place += f" ({chosen.pool or 'none fits'})"
        self.text(left + 24, f"{kept}, up to {dataset['quota']}, on {place}", down=LINE + 4)


def _box(style: str, place: tuple[float, float], size: tuple[float, float], radius: int) -> str:
    return f'<rect class="{style}" x="{place[0]:g}" y="{place[1]:g}" width="{size[0]:g}" height="{size[1]:g}" rx="{radius}"/>'


def _short(text: str, limit: int = 36) -> str:
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def _wrapped(words: Iterable[str], limit: int = 90) -> list[str]:
    """Return phrases in lines of about this many characters."""
    lines: list[str] = []
    for word in words:
        if lines and len(lines[-1]) + len(word) + 2 <= limit:
            lines[-1] += f", {word}"
        else:
            lines.append(word)
    return lines
