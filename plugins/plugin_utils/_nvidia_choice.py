# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which of NVIDIA's drivers fits the cards of a node, and where it comes from; the facts are the catalogue's."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ansible_collections.psw.ai.plugins.plugin_utils._errors import Refusal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

SOURCES = {"run": "NVIDIA's .run file", "nvidia_repo": "NVIDIA's Debian 13 repository"}
AUTO = "auto"


def version_key(version: str) -> tuple[int, ...]:
    """Return a version's numbers, for comparing: 580.142 comes before 580.159.04."""
    return tuple(int(part) for part in version.split("."))


def kernel_series(kernel: str) -> tuple[int, ...]:
    """Return the series of a kernel release: 6.17.2-1-pve is (6, 17), and 6.12+deb13-amd64 is (6, 12)."""
    return tuple(map(int, re.findall(r"\d+", kernel)[:2]))


def least_version(branch: Mapping[str, Any], kernel: str) -> str | None:
    """Return the first point release of a branch that builds on this kernel, or None when any does or none."""
    floors = [version for series, version in branch["kernels"].items() if version and kernel_series(series) <= kernel_series(kernel)]
    return max(floors, key=version_key, default=None)


def kernel_modules(cards: Iterable[Mapping[str, Any]], catalogue: Mapping[str, Any], wished: str | None = None, recorded: str | None = None) -> str:
    """Return the flavour of kernel modules that drives all these cards: what they need, else the wished or recorded one, else open."""
    needs: dict[str, list[str]] = {"open": [], "proprietary": [], "either": []}
    for card in cards:
        arch = catalogue["nvidia"]["architectures"].get(card["arch"], {})
        known = catalogue["gpus"].get(card["id"], {})
        needs[known.get("kernel_modules") or arch.get("kernel_modules", "open")].append(card["name"])
    if needs["open"] and needs["proprietary"]:
        raise Refusal(
            "mixed_kernel_modules",
            f"{needs['open'][0]} needs NVIDIA's open kernel modules and {needs['proprietary'][0]} the proprietary ones; a node can load one kind.",
            "Give one of the cards to a VM (vfio-pci), or take it out.",
        )
    needed = "open" if needs["open"] else "proprietary" if needs["proprietary"] else None
    if needed and wished and wished != needed:
        raise Refusal(
            "wrong_kernel_modules",
            f"{needs[needed][0]} needs NVIDIA's {needed} kernel modules, and the {wished} ones were asked for.",
            "Leave the kernel modules out: psw knows which ones a card needs.",
        )
    return needed or wished or recorded or "open"


def _branch(cards: Sequence[Mapping[str, Any]], catalogue: Mapping[str, Any], wished: str | None, recorded: str | None) -> str:
    """Return the name of the branch: the wished one, else the recorded one if psw knows it and it serves the cards, else the default."""
    nvidia = catalogue["nvidia"]

    def dropped(branch: str) -> tuple[Mapping[str, Any], str] | None:
        lasts = [(card, nvidia["architectures"].get(card["arch"], {}).get("last_branch")) for card in cards]
        return next(((card, last) for card, last in lasts if last and int(branch) > int(last)), None)

    if not wished:
        return recorded if recorded and recorded in nvidia["branches"] and not dropped(recorded) else str(nvidia["branch"])
    if wished not in nvidia["branches"]:
        known = ", ".join(nvidia["branches"])
        raise Refusal(
            "unknown_driver_branch", f"psw does not know NVIDIA's driver branch {wished}; it knows {known}.", f"Leave it out, or ask for one of {known}."
        )
    if found := dropped(wished):
        card, last = found
        raise Refusal(
            "driver_branch_dropped_card",
            f"NVIDIA's driver branch {wished} no longer drives {card['name']} ({card['arch']}); {last} is the last that does.",
            f"Leave the branch and the version out, or ask for {last}.",
        )
    return wished


def _source(name: str, catalogue: Mapping[str, Any], wished: str | None, recorded: str | None) -> str:
    branches = catalogue["nvidia"]["branches"]
    sources: list[str] = branches[name]["sources"]
    if wished and wished not in sources:
        carried = ", ".join(branch for branch, entry in branches.items() if wished in entry["sources"])
        raise Refusal(
            "source_lacks_branch",
            f"{SOURCES[wished]} does not carry driver branch {name}; it carries {carried}.",
            f"Leave the source out, or ask for one of these branches as well ({carried}).",
        )
    return wished or (recorded if recorded in sources else sources[0]) or sources[0]


def nvidia_driver(
    cards: Sequence[Mapping[str, Any]],
    kernel: str,
    catalogue: Mapping[str, Any],
    wish: Mapping[str, Any] | None = None,
    record: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the driver for these cards on this kernel: {branch, version, source, kernel_modules, toolkit, least_versions}.

    ``wish`` may name version, branch, source and kernel_modules; ``record`` is the block of the node's record. What is recorded stays as long
    as it serves and nothing else is wished for, because another driver costs a reboot.
    """
    nvidia = catalogue["nvidia"]
    wished = {key: value for key, value in (wish or {}).items() if value and value != AUTO}
    recorded = record or {}
    version, was = wished.get("version"), recorded.get("driver_version") or ""
    name = _branch(cards, catalogue, version.split(".")[0] if version else wished.get("branch"), was.split(".")[0])
    branch = nvidia["branches"][name]
    if any(least is None and kernel_series(series) <= kernel_series(kernel) for series, least in branch["kernels"].items()):
        raise Refusal(
            "driver_too_old_for_kernel",
            f"No version of NVIDIA's driver branch {name} is known to build on kernel {kernel}.",
            f"Ask for another branch (--driver-branch {nvidia['branch']}), or boot an older kernel (proxmox-boot-tool kernel pin) and remove this one.",
        )
    least = least_version(branch, kernel)
    if version and least and version_key(version) < version_key(least):
        raise Refusal(
            "driver_too_old_for_kernel",
            f"NVIDIA driver {version} does not build on kernel {kernel}; {least} is the first that does.",
            f"Pin {least} or later, or boot an older kernel (proxmox-boot-tool kernel pin) and remove this one.",
        )
    stays = was.split(".")[0] == name and (not least or version_key(was) >= version_key(least))
    return {
        "branch": name,
        "version": version or (was if stays else branch["version"]),
        "source": _source(name, catalogue, wished.get("source"), recorded.get("source") if stays else None),
        "kernel_modules": kernel_modules(cards, catalogue, wished.get("kernel_modules"), recorded.get("kernel_modules")),
        "toolkit": nvidia["toolkit"]["version"],
        "least_versions": dict(branch["kernels"]),
    }
