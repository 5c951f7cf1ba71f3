# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Quadlet unit files: what each makes, uses and needs; private to the collection."""

from __future__ import annotations

import os
from typing import NamedTuple

from ansible_collections.psw.ai.plugins.module_utils._errors import PswModuleError

FOLDER = "/etc/containers/systemd"
KINDS = ("container", "network", "volume")
_SERVICE_SUFFIX = {"container": "", "network": "-network", "volume": "-volume"}


class Unit(NamedTuple):
    """One unit file, read as far as its consequences go."""

    name: str
    kind: str
    service: str
    label: str  # the name of the network, volume or container that podman knows
    images: tuple = ()
    secrets: tuple = ()
    sources: tuple = ()  # paths of the host that the container sees
    needs: tuple = ()  # other unit files: networks and volumes

    @property
    def path(self):
        return unit_path(self.name)


def unit_path(name):
    """Return where a unit file of this name lives."""
    return f"{FOLDER}/{name}"


def check_name(name):
    """Refuse a unit name that quadlet would ignore, or that points elsewhere."""
    stem, dot, kind = name.rpartition(".")
    if not stem or not dot or kind not in KINDS or "/" in name or "@" in name:
        raise PswModuleError(f"unit {name!r} must be named <name>.container, <name>.network or <name>.volume")


def _entries(text):
    """Yield (section, key, value) of a unit file; lines that end in a backslash go on in the next one."""
    section, begun = "", ""
    for raw in text.splitlines():
        line = raw.strip()
        if line.startswith(("#", ";")):
            continue
        if line.endswith("\\"):
            begun += line[:-1] + " "
            continue
        line, begun = begun + line, ""
        if line.startswith("[") and line.endswith("]"):
            section = line[1:-1]
        elif "=" in line:
            key, _equals, value = line.partition("=")
            yield section, key.strip(), value.strip()


def _mount_source(value):
    options = dict(part.partition("=")[::2] for part in value.split(","))
    return options.get("source") or options.get("src") or ""


def _sorted(values):
    return tuple(sorted({value for value in values if value}))


def parse_unit(name, text):
    """Return the unit that a file of this name and text describes."""
    check_name(name)
    stem, _dot, kind = name.rpartition(".")
    own, found = kind.capitalize(), {}
    for section, key, value in _entries(text):
        if section in (own, "Service"):
            found.setdefault(key, []).append(value)

    def last(key, default):
        return found.get(key, [default])[-1]

    volumes = [value.partition(":")[0] for value in found.get("Volume", [])] + [_mount_source(value) for value in found.get("Mount", [])]
    networks = [value.partition(":")[0] for value in found.get("Network", [])]
    files = [value.lstrip("-") for value in found.get("EnvironmentFile", [])]
    return Unit(
        name=name,
        kind=kind,
        service=f"{last('ServiceName', stem + _SERVICE_SUFFIX[kind])}.service",
        label=last(f"{own}Name", f"systemd-{stem}"),
        images=_sorted(value for value in found.get("Image", []) if not value.endswith((".image", ".build"))),
        secrets=_sorted(value.partition(",")[0] for value in found.get("Secret", [])),
        sources=_sorted(os.path.normpath(value) for value in volumes + files if value.startswith("/")),
        needs=_sorted(value for value in volumes + networks if value.endswith((".volume", ".network"))),
    )


def read_units(texts):
    """Return the units, in the order in which they have to be there: volumes and networks before containers."""
    return sorted((parse_unit(name, text) for name, text in texts.items()), key=lambda unit: (-KINDS.index(unit.kind), unit.name))
