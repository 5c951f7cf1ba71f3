# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fingerprints of OpenPGP public keys (RFC 9580), so that a vendor's key can be held against a pinned one without gpg; private to the collection."""

from __future__ import annotations

import base64
import hashlib
import re

_BEGIN = "-----BEGIN PGP "
_BLOCK = re.compile(
    r"-----BEGIN PGP PUBLIC KEY BLOCK-----\r?\n"
    r"(?:[^\r\n]+\r?\n)*\r?\n"  # headers
    r"([A-Za-z0-9+/=\r\n]+?)\r?\n"
    r"(?:=[A-Za-z0-9+/]{4}\r?\n)?"  # checksum
    r"-----END PGP PUBLIC KEY BLOCK-----"
)
_PUBLIC_KEY, _VERSION = 6, 4  # a primary key's tag and form; subkeys have another tag, and the primary key vouches for them
_TWO_BYTES, _IN_PIECES, _FIVE_BYTES = 192, 224, 255  # first byte of a length in the new form


def _length(data, at, first):
    """Return (length of the body, where it begins) of a packet whose first byte is this."""
    if not first & 0x40:  # the old form
        size = (1, 2, 4)[first & 3]
        return int.from_bytes(data[at : at + size], "big"), at + size
    one = data[at]
    if one < _TWO_BYTES:
        return one, at + 1
    if one < _IN_PIECES:
        return ((one - _TWO_BYTES) << 8) + data[at + 1] + _TWO_BYTES, at + 2
    if one == _FIVE_BYTES:
        return int.from_bytes(data[at + 1 : at + 5], "big"), at + 5
    raise ValueError("a packet in pieces, which keys never are")


def _packets(data):
    at = 0
    while at < len(data):
        first = data[at]
        length, at = _length(data, at + 1, first)
        if not first & 0x80 or at + length > len(data):
            raise ValueError("no packet, or one that was cut off")
        yield (first & 0x3F if first & 0x40 else first >> 2 & 0x0F), data[at : at + length]
        at += length


def _fingerprint(body):
    if body[0] != _VERSION:
        raise ValueError("a key of another form")
    return hashlib.sha1(b"\x99" + len(body).to_bytes(2, "big") + body).hexdigest().upper()  # noqa: S324 - keys of this form are named so


def fingerprints(text):
    """Return the fingerprints of all primary keys in an ASCII-armoured text; none when anything in it cannot be read."""
    blocks = _BLOCK.findall(text)
    if len(blocks) != text.count(_BEGIN):
        return []
    try:
        packets = [packet for block in blocks for packet in _packets(base64.b64decode("".join(block.split()), validate=True))]
        return [_fingerprint(body) for tag, body in packets if tag == _PUBLIC_KEY]
    except (ValueError, IndexError):
        return []
