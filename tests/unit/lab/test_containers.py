# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's container routes, between fakepve and LXC."""

import asyncio

import pytest
from fakepve.model import PveError

from lab.pve import containers
from lab.pve.ondisk import OnDisk

ASKED = {"vmid": 100, "ostemplate": "local:vztmpl/debian.tar.zst"}


@pytest.fixture
def node(monkeypatch, tmp_path):
    (tmp_path / "debian.tar.zst").touch()
    monkeypatch.setattr(containers, "TEMPLATES", tmp_path)
    return containers.Containers("pve1", {})


@pytest.mark.parametrize("before", [{}, {100: {"keys": "of the first"}}])
def test_a_number_that_somebody_else_was_quicker_with_leaves_nothing_to_make(monkeypatch, node, before):
    async def taken(_self, _user, _asked):
        raise PveError(500, "unable to create CT 100: CT 100 already exists on node 'pve1'")

    monkeypatch.setattr(OnDisk, "_lxc_create", taken, raising=False)
    node._creating.update(before)

    with pytest.raises(PveError):
        asyncio.run(node._lxc_create("root@pam", ASKED))
    assert node._creating == before
