# SPDX-License-Identifier: GPL-3.0-or-later
"""ansible-playbook of this very Python, which ends when the psw that started it ends, however that happened."""

from __future__ import annotations

import ctypes
import gc
import os
import signal
import sys

PR_SET_PDEATHSIG = 1
PARENT = "PSW_PID"  # the variable that tells which process started this one
GRACE = 20  # seconds that Ansible gets to stop its workers
# Objects that Ansible makes between two looks for unreachable ones; Python's own number, 700 to 2000, has it look thousands of times.
OBJECTS = 50_000


def main() -> None:
    """Run ansible-playbook with this program's arguments."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # else it stays ignored where a script started psw in the background
    signal.signal(signal.SIGUSR1, _end)
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGUSR1)
    if str(os.getppid()) != os.environ.get(PARENT):  # psw went away before we could ask to be told
        sys.exit(130)
    gc.disable()
    from ansible.cli.playbook import main as ansible_playbook  # noqa: PLC0415 - after the call that may end us

    # Ansible forks for every task and host. Each look for unreachable objects in a fork goes through all that Ansible consists of, and so copies
    # the memory that the fork shares with it: a tenth of what a run computes. What is loaded stays for good, so nobody looks at that again.
    gc.freeze()
    gc.set_threshold(OBJECTS, 10, 10)
    gc.enable()
    sys.argv[0] = "ansible-playbook"
    ansible_playbook(sys.argv)


def _end(_number: int, _frame: object) -> None:
    """Interrupt Ansible; where that is lost, as it is when it comes while Python tidies up, nobody else is left who would end this process."""
    signal.alarm(GRACE)
    os.kill(os.getpid(), signal.SIGINT)


if __name__ == "__main__":
    main()
