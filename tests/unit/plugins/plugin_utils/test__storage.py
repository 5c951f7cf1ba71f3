# SPDX-License-Identifier: GPL-3.0-or-later
"""Storage classes, and the lookup that roles use."""

import pytest
from ansible.errors import AnsibleLookupError
from ansible.plugins.loader import lookup_loader
from ansible_collections.psw.ai.plugins.plugin_utils._catalog import Catalog
from ansible_collections.psw.ai.plugins.plugin_utils._errors import CatalogError
from ansible_collections.psw.ai.plugins.plugin_utils._storage import storage_class


def test_models_lie_in_large_records_without_compression_and_without_snapshots():
    models = storage_class("models")
    wanted = {"recordsize": "1M", "compression": "off", "atime": "off", "com.sun:auto-snapshot": "false"}
    assert wanted.items() <= models["properties"].items()


def test_a_misspelt_class_is_named_with_the_one_that_was_meant():
    with pytest.raises(CatalogError, match=r"'modles'.*models.*catalog/storage_classes.yml"):
        storage_class("modles")


def test_every_class_that_an_app_asks_for_exists():
    catalog = Catalog.load()
    asked = {name for app in catalog.apps.values() for name in app.get("datasets", {}).values()}
    assert asked
    for name in asked:
        storage_class(name)


def test_the_lookup_gives_roles_the_same():
    lookup = lookup_loader.get("psw.ai.storage_class")
    assert lookup.run(["models"]) == [storage_class("models")]
    with pytest.raises(AnsibleLookupError, match="'none'"):
        lookup.run(["none"])
