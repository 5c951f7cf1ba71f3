# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible's own import of collections has to be in place before any test imports from this one."""

from pathlib import Path

from ansible.plugins.loader import init_plugin_loader

init_plugin_loader([str(Path(__file__).parents[1] / ".dev")])
