# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask an app over HTTP whether it answers as it should; private to the collection.

A module of its own, because what Python needs for HTTP takes longer to load than all the rest, and many calls ask nothing over HTTP.
"""

from __future__ import annotations

import http.client
import json
import socket
import ssl
from urllib.parse import urlsplit

from ansible_collections.psw.ai.plugins.module_utils._errors import NotReadyError
from ansible_collections.psw.ai.plugins.module_utils._programs import last_lines, run


def includes(answer, expected):
    """Tell whether an answer holds what is expected; dictionaries may hold more than that."""
    if isinstance(expected, dict):
        return isinstance(answer, dict) and all(key in answer and includes(answer[key], value) for key, value in expected.items())
    return answer == expected and isinstance(answer, bool) == isinstance(expected, bool)


def _address_of(container):
    """Return the first address a container has on podman's networks."""
    addresses = run(["podman", "inspect", "--format={{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}", container], check=False)
    if not addresses.out.strip():
        raise NotReadyError(f"cannot be asked: container {container} has no address: {last_lines(addresses.err, 1) or 'it does not run'}")
    return addresses.out.split()[0]


def _connect(check, url, timeout):
    """Return an HTTP connection; another address than the URL's may be asked, while name checks go by the URL."""
    tls = url.scheme == "https"
    port = url.port or (443 if tls else 80)
    connection = http.client.HTTPConnection(url.hostname, port, timeout=timeout)
    address = _address_of(check["container"]) if check.get("container") else check.get("resolve_to") or url.hostname
    connection.sock = socket.create_connection((address, port), timeout)
    if tls:
        context = ssl.create_default_context(cafile=check.get("ca_path"), cadata=check.get("ca"))
        connection.sock = context.wrap_socket(connection.sock, server_hostname=url.hostname)
    return connection


def ask(check, timeout):
    """Ask once; raise ``NotReadyError`` with what is not as it should be."""
    try:
        _ask(check, timeout)
    except http.client.HTTPException as exc:
        raise NotReadyError(f"does not answer: {exc}") from exc


def _ask(check, timeout):
    url = urlsplit(check["url"])
    headers = {str(name): str(value) for name, value in (check.get("headers") or {}).items()}
    connection = _connect(check, url, timeout)
    try:
        connection.request("GET", (url.path or "/") + ("?" + url.query if url.query else ""), headers=headers)
        response = connection.getresponse()
        body = response.read().decode("utf-8", "replace")
    finally:
        connection.close()
    wanted = check.get("status") or 200
    if response.status != wanted:
        raise NotReadyError(f"answers with status {response.status} instead of {wanted}: {body[:200]}")
    if check.get("json") is None:
        return
    try:
        answer = json.loads(body)
    except ValueError as exc:
        raise NotReadyError(f"answers with something that is not JSON: {body[:200]}") from exc
    if not includes(answer, check["json"]):
        raise NotReadyError(f"answers {body[:200]} where {json.dumps(check['json'])} is expected")
