# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The head of the program that the controller sends over a connection: runs a module from sources in memory; private to the collection.

``plugin_utils/_remote.py`` writes it: this file, then one call of ``run``. It must not import anything of the collection.
"""

from __future__ import annotations

import importlib.machinery
import json
import resource
import sys


def _file(name):
    return f"<psw>/{name.replace('.', '/')}.py"


class _Sources:
    """Finds and loads modules from memory; what is not imported is not even compiled."""

    def __init__(self, sources):
        self.sources = sources  # full name: source, None for a package

    def find_spec(self, name, _path=None, _target=None):
        if name not in self.sources:
            return None
        spec = importlib.machinery.ModuleSpec(name, self, origin=_file(name), is_package=self.sources[name] is None)
        spec.has_location = True  # sets __file__, which tracebacks name and by which inspect asks for the source
        return spec

    def create_module(self, _spec):
        return None  # the usual kind of module

    def exec_module(self, module):
        exec(compile(self.sources[module.__name__] or "", module.__file__, "exec", dont_inherit=True), module.__dict__)  # noqa: S102 - it is how a module is loaded

    def get_source(self, name):
        """Return a source, for inspect."""
        return self.sources[name]


def run(text):
    """Run the module that the request names; ``text`` is JSON with its sources, parameters and modes."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, hard))  # a crash of this process, or of what it starts, writes no parameters to the disk
    request = json.loads(text)
    sys.meta_path.insert(0, _Sources(request["sources"]))
    basic = importlib.import_module("ansible.module_utils.basic")
    basic.REQUEST = request
    importlib.import_module(request["module"]).main()
