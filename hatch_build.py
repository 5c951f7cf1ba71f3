# SPDX-License-Identifier: GPL-3.0-or-later
"""Put the collection into the wheel, so that one ``pip install`` brings both the CLI and ``psw.ai``."""

from __future__ import annotations

from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

TARGET = "ansible_collections/psw/ai"
# What users need from the collection; tests/unit/contract compares this with the galaxy artefact.
SHIPPED = ("CHANGELOG.md", "LICENSE", "README.md", "catalog", "galaxy.yml", "meta", "playbooks", "plugins", "roles")


class CollectionHook(BuildHookInterface[Any]):
    """Ship the collection in a built wheel; an editable install sees the checkout through .dev/ instead."""

    PLUGIN_NAME = "collection"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add the collection's files to a standard wheel (``version`` is ``editable`` for ``pip install -e``)."""
        if version == "standard":
            build_data["force_include"].update({item: f"{TARGET}/{item}" for item in SHIPPED})
