# SPDX-License-Identifier: GPL-3.0-or-later
"""The exit codes of psw."""

DONE = 0
FAILED = 1
USAGE = 2
REFUSED = 3
UNREACHABLE = 4
INTERRUPTED = 130
