# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prove keys by asking the running Open WebUI: a new one opens the API, an old one gets 401.

Like _openwebui_keys.py, this one only runs inside the container, where the server answers on the loopback address.
"""

from __future__ import annotations

import http.client
import os
import time
from concurrent import futures

PATH = "/api/models"
OPEN, DEAD = 200, 401
ONE_ANSWER = 60  # seconds; the list of models waits for the engines
AT_ONCE = 8  # questions; more would only queue in the server
SOON = 1.0  # seconds in which an old key has to be dead


def status(key):
    """Return the status that the server answers to a key."""
    connection = http.client.HTTPConnection("127.0.0.1", int(os.environ.get("PORT") or 8080), timeout=ONE_ANSWER)
    try:
        connection.request("GET", PATH, headers={"Authorization": f"Bearer {key}"})
        return connection.getresponse().status
    finally:
        connection.close()


def doubt_about(new, old):
    """Return what is wrong with the keys in a sentence, or None."""
    try:
        if new and (found := status(new)) != OPEN:
            return f"its new key is stored, and Open WebUI answers it with {found} instead of {OPEN}"
        for key in old:
            end = time.monotonic() + SOON
            while True:
                late = time.monotonic() >= end  # when it is asked: an answer may be slow
                found = status(key)
                if found == DEAD:
                    break
                if late:
                    return f"its old key still gets {found} from Open WebUI instead of {DEAD}"
                time.sleep(0.05)
    except Exception as exc:  # noqa: BLE001 - whatever it is, the new key must still reach whoever asked for it
        return f"its key was changed, and Open WebUI could not be asked about it: {exc}"
    return None


def main(answers):
    """Note a doubt in each answer that there is one about; the old keys leave it."""
    pairs = [(answer.get("key"), answer.pop("old", [])) for answer in answers]
    with futures.ThreadPoolExecutor(AT_ONCE) as pool:
        for answer, sentence in zip(answers, pool.map(lambda pair: doubt_about(*pair), pairs)):
            if sentence:
                answer["doubt"] = sentence
