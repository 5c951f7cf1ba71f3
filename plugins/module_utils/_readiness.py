# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Readiness: ask an app whether it answers, until it does or the limit is over; private to the collection."""

from __future__ import annotations

import socket
import time

from ansible_collections.psw.ai.plugins.module_utils._errors import NotReadyError, PswModuleError
from ansible_collections.psw.ai.plugins.module_utils._programs import last_lines, run

_ONE_ANSWER = 10  # seconds that one question may take
_PAUSE = (0.1, 0.2, 0.5, 1.0)  # seconds between questions; the last one repeats


def _http(check, timeout):
    from ansible_collections.psw.ai.plugins.module_utils import _http_check  # noqa: PLC0415 - its first lines say why

    _http_check.ask(check, timeout)


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
    except OSError as exc:
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
