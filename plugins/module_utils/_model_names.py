# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a model's name tells; private to the collection."""

from __future__ import annotations

from ansible_collections.psw.ai.plugins.module_utils._errors import PswModuleError

REGISTRY = "registry.ollama.ai"


def full_name(name):
    """Return a model's name as the engine lists it: without what is default, with the tag always."""
    name = name.removeprefix(f"{REGISTRY}/").removeprefix("library/")
    return name if ":" in name.rpartition("/")[2] else f"{name}:latest"


def check_name(name):
    """Refuse models that are only stubs for a cloud."""
    tag = name.rpartition(":")[2]
    if tag == "cloud" or tag.endswith("-cloud"):
        raise PswModuleError(f"{name} runs in a cloud: requests to it would leave the house, so psw does not use it")
