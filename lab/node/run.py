#!/usr/bin/python3 -I
"""Start the stand-in that this file is called by (`pct`, `zfs`, ...) or that its first argument names."""

import importlib
import sys
from pathlib import Path

HOME = "/usr/lib/psw-lab"
sys.path[:0] = [HOME, f"{HOME}/vendor"]
sys.dont_write_bytecode = True

name = Path(sys.argv[0]).name
if name == "run.py":
    name = sys.argv.pop(1)
sys.exit(importlib.import_module(f"labpve.{name}").main(sys.argv[1:]))
