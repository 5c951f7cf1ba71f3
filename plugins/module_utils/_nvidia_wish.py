# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wished for beside an NVIDIA driver, and how the driver itself will differ; private to the collection."""

from __future__ import annotations

from ansible_collections.psw.ai.plugins.module_utils import _host_options, _nvidia, _packages


def _headers(found):
    """Return the packages with headers of kernels that are there and to come; a series that is not offered any more brings no kernels."""
    lacking = [kernel for kernel in found["modules"] if kernel.endswith("-pve") and kernel not in found["headers"]]
    gone = _packages.unknown(found["headers_to_follow"], _packages.PROXMOX_SIGN)[0]
    return [f"proxmox-headers-{kernel}" for kernel in lacking] + [name for name in found["headers_to_follow"] if name not in gone]


def host_wish(params, found):
    """Return what is wished for beside the driver, in the form that plan_host reads."""
    wish = _host_options.read(params)
    return dict(wish, packages=wish["packages"] + (_headers(found) if params["headers"] else []))


def driver_diff(found, todo, version, kernel_modules, source):
    """Return the diff of the driver itself, as a list that is empty when it stays."""
    if not (todo["leave"] or todo["install"] or todo["build"] or todo["link"]):
        return []
    kernels = [] if kernel_modules == _nvidia.NO_MODULES else list(found["modules"])
    after = _nvidia.describe(version, kernel_modules, kernels, source)
    before = _nvidia.describe_found(found, kernel_modules)
    return [{"before": before, "after": after, "before_header": "NVIDIA driver", "after_header": "NVIDIA driver"}]
