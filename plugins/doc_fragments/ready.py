# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The checks that tell whether an app answers."""

from __future__ import annotations


class ModuleDocFragment:
    """Option ``ready``, shared by the modules that wait for apps; its specification is in module_utils/_app_options.py."""

    DOCUMENTATION = r"""
options:
  ready:
    description: What must answer before the app counts as up. Each entry holds exactly one check.
    type: list
    elements: dict
    default: []
    suboptions:
      http:
        description: A GET request.
        type: dict
        suboptions:
          url: {description: The URL., type: str, required: true}
          status: {description: The status that is expected., type: int, default: 200}
          json: {description: What the JSON answer must hold; it may hold more., type: dict}
          headers: {description: Headers to send. Their values never show., type: dict}
          caller: {description: 'Who asks, for messages.', type: str}
          ca_path: {description: 'File of the authority that signed the certificate, when the system does not know it.', type: path}
          ca: {description: 'That certificate itself, as PEM, for a host that has no file of it.', type: str}
          resolve_to: {description: 'Address to ask, while certificate and host are checked by the URL.', type: str}
          container: {description: 'Container to ask at its own address, for an app that publishes no port.', type: str}
      tcp:
        description: A port that accepts connections.
        type: dict
        suboptions:
          host: {description: Address., type: str, default: 127.0.0.1}
          port: {description: Port., type: int, required: true}
      wyoming:
        description: A Wyoming service that answers C(describe) with its C(info).
        type: dict
        suboptions:
          host: {description: Address., type: str, default: 127.0.0.1}
          port: {description: Port., type: int, required: true}
      exec:
        description: A command in a container that exits with 0.
        type: dict
        suboptions:
          container: {description: Name of the container., type: str, required: true}
          argv: {description: The command and its arguments., type: list, elements: str, required: true}
"""
