# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter that keeps requests in the house."""

from __future__ import annotations

DOCUMENTATION = r"""
name: house_urls
short_description: Addresses of services, all of them in the house
description:
  - Returns the addresses as they are, and fails on the first one that leads out of the house, or that is empty, which many programs take for a cloud, or that
    holds a semicolon, a space or a backslash, where programs may see another address.
  - In the house are private and link-local addresses, names without a dot, names in the house's domain, and names ending in C(.lan), C(.local),
    C(.internal) or C(.home.arpa).
author: the psw authors (@psw-ai)
positional: domain
options:
  _input:
    description: The addresses.
    type: list
    elements: str
    required: true
  domain:
    description: The house's domain.
    type: str
    required: true
"""

EXAMPLES = r"""
# {{ openwebui_openai_engines | psw.ai.house_urls(psw_domain) }}
"""

RETURN = r"""
_value:
  description: The addresses.
  type: list
  elements: str
"""

import ipaddress
import re
from typing import Any
from urllib.parse import urlsplit

from ansible.errors import AnsibleFilterError

# A name as DNS has it; a number alone (0x08080808, 134744072) is an address in disguise.
NAME = re.compile(r"(?!(?:0x[0-9a-f]+|[0-9]+)$)[a-z0-9_]([a-z0-9_.-]*[a-z0-9])?")
# Where one program may see more than one address, or another one than we do; Open WebUI parts its lists at the semicolon.
SEVERAL = re.compile(r"[\s;\\]")
SUFFIXES = (".lan", ".local", ".internal", ".home.arpa")


def in_the_house(host: str, domain: str) -> bool:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return NAME.fullmatch(host) is not None and ("." not in host or host.endswith((*SUFFIXES, f".{domain}")))
    address = getattr(address, "ipv4_mapped", None) or address  # ::ffff:8.8.8.8 counts as private in some versions of Python
    return address.is_private or address.is_link_local


def house_urls(urls: list[str], domain: str) -> list[str]:
    for url in urls:
        try:
            host = "" if SEVERAL.search(str(url)) else urlsplit(str(url)).hostname or ""
        except ValueError:
            host = ""
        if not in_the_house(host, domain):
            raise AnsibleFilterError(f"{str(url)!r} is not the address of a service in the house: give a private address, or a name in {domain}")
    return list(urls)


class FilterModule:
    def filters(self) -> dict[str, Any]:
        return {"house_urls": house_urls}
