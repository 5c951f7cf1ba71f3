# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests over the web with nothing but the standard library, as programs sent in one piece need it; private to the collection."""

from __future__ import annotations

import urllib.error
import urllib.request

from ansible_collections.psw.ai.plugins.module_utils._errors import PswModuleError

_BY_PROXY = urllib.request.build_opener()  # the one that the machine's environment names, if any
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def download(url):
    """Return the open answer of a vendor's server, whose certificate the machine trusts."""
    try:
        return _BY_PROXY.open(url, timeout=30)
    except (OSError, ValueError) as exc:
        raise PswModuleError(f"cannot download {url}: {exc}") from exc


def ask(url, data=None, headers=None, method="GET", timeout=30):
    """Return the open answer of a service in the house, which is never reached by a proxy; errors are those of urllib."""
    return _DIRECT.open(urllib.request.Request(url, data, headers or {}, method=method), timeout=timeout)  # noqa: S310 - the URL is the role's
