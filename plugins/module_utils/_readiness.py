# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Readiness: ask an app whether it answers, until it does or the limit is over; private to the collection."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import time
from urllib.parse import urlsplit

from ansible_collections.psw.ai.plugins.module_utils._errors import PswModuleError
from ansible_collections.psw.ai.plugins.module_utils._programs import last_lines, run

_ONE_ANSWER = 10  # seconds that one question may take
_PAUSE = (0.1, 0.2, 0.5, 1.0)  # seconds between questions; the last one repeats


class NotReadyError(Exception):
    """The app does not answer as it should; the text says what it did instead."""


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


def _http(check, timeout):
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


def _tcp(check, timeout):
    socket.create_connection((check["host"], check["port"]), timeout).close()


def _wyoming(check, timeout):
    with socket.create_connection((check["host"], check["port"]), timeout) as connection, connection.makefile("rwb") as stream:
        stream.write(b'{"type": "describe"}\n')
        stream.flush()
        line = stream.readline(65536).decode("utf-8", "replace")
    if '"info"' not in line:
        raise NotReadyError(f"answers a Wyoming describe with {line[:100]!r} instead of its info")


def _exec(check, timeout):
    done = run(["podman", "exec", check["container"], *list(check["argv"])], check=False, timeout=timeout)
    if done.rc != 0:
        raise NotReadyError(f"exit code {done.rc}: {last_lines(done.err or done.out, 3)}")


_PROBES = {"http": _http, "tcp": _tcp, "wyoming": _wyoming, "exec": _exec}


def kind_of(check):
    """Return which kind of check an entry of ``ready`` is; each holds exactly one."""
    kinds = [kind for kind in _PROBES if check.get(kind)]
    if len(kinds) != 1:
        raise PswModuleError(f"an entry of ready holds exactly one of {', '.join(_PROBES)}")
    return kinds[0]


def describe(check):
    """Say what a check asks, in words."""
    kind = kind_of(check)
    details = check[kind]
    if kind == "http":
        return details["url"] + (f" for {details['caller']}" if details.get("caller") else "")
    if kind == "exec":
        return f"`{' '.join(details['argv'])}` in container {details['container']}"
    return f"{kind}://{details['host']}:{details['port']}"


def probe(check, timeout=_ONE_ANSWER):
    """Ask once; return None when ready, else a sentence that says what is missing."""
    kind = kind_of(check)
    try:
        _PROBES[kind](check[kind], timeout)
    except NotReadyError as exc:
        return f"{describe(check)} {exc}"
    except (OSError, http.client.HTTPException) as exc:
        return f"{describe(check)} does not answer: {exc}"
    return None


def _ask_all(ask, checks):
    """Return what each check lacks; they are asked at the same time, since each of them mostly waits."""
    if len(checks) < 2:  # noqa: PLR2004 - nothing beside it
        return [ask(check) for check in checks]
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 - most apps have one check, and need none

    with ThreadPoolExecutor(len(checks)) as pool:
        return list(pool.map(ask, checks))


def wait(checks, limit, given_up, *, clock=time.monotonic, sleep=time.sleep, ask=probe):  # noqa: PLR0913 - the last three are time itself, for tests
    """Ask all until they are ready; return the complaints that are left when the limit is over or ``given_up()`` says it is hopeless."""
    end, pauses = clock() + limit, list(_PAUSE)
    waiting = list(checks)
    while True:
        complaints = list(zip(waiting, _ask_all(ask, waiting)))
        waiting = [check for check, complaint in complaints if complaint]
        if not waiting or clock() >= end or given_up():
            return [complaint for _check, complaint in complaints if complaint]
        sleep(pauses.pop(0) if len(pauses) > 1 else pauses[0])
