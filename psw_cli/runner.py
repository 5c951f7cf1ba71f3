# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a playbook of the collection; the only file that knows ansible-runner.

What the run needs comes from the project through the inventory plugin, never as extra variables, and secrets are looked up
by the tasks that use them: nothing secret is on a command line, in an environment or on the disk.
"""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import sys
import tempfile
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ansible_collections.psw.ai.plugins.plugin_utils import _errors

from psw_cli._playbook import GRACE, PARENT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Self

COLLECTIONS = Path(_errors.__file__).parents[5]
CONFIG = """\
# Written by psw for one run: what the machine's own ansible.cfg says does not matter here.
[defaults]
gathering = explicit
forks = 20
interpreter_python = auto_silent
inject_facts_as_vars = false
deprecation_warnings = false
internal_poll_interval = 0.005
localhost_warning = false
retry_files_enabled = false
host_key_checking = true
timeout = 15
[inventory]
enable_plugins = psw.ai.project, host_list
any_unparsed_is_failed = true
[connection]
pipelining = true
[ssh_connection]
ssh_args = -o ControlMaster=auto -o ControlPersist=120s -o BatchMode=yes
"""


@dataclass(frozen=True)
class Playbook:
    """What to run: a playbook by its full name, on the inventory of a project."""

    name: str
    inventory: Path
    state: Path  # the project's .psw
    args: tuple[str, ...] = ()


@dataclass(frozen=True)
class Ended:
    """How Ansible came back."""

    rc: int
    interrupted: bool
    duration_s: float


def run(playbook: Playbook, on_event: Callable[[dict[str, Any]], None]) -> Ended:
    """Run the playbook and hand each event to ``on_event``; Ctrl-C and SIGTERM stop Ansible cleanly."""
    import ansible_runner  # noqa: PLC0415 - costs more than a whole short command

    began = time.monotonic()
    with _scratch(playbook.state) as scratch, _Stop() as stop:

        def handler(event: dict[str, Any]) -> bool:
            stop.pid = stop.pid or event.get("pid")
            on_event(event)
            return False  # nobody reads the events' files

        config = scratch / "ansible.cfg"
        config.write_text(CONFIG, encoding="utf-8")
        # -P: what lies in the user's current directory is not Python code to import.
        args = ["-P", "-m", "psw_cli._playbook", "-i", str(playbook.inventory), *playbook.args, playbook.name]
        ended = ansible_runner.run(
            private_data_dir=str(scratch),
            project_dir=str(Path.cwd()),
            ident="run",
            binary=sys.executable,
            cmdline=shlex.join(args),
            envvars=environment(config),
            settings={"pexpect_timeout": 1, "suppress_output_file": True},
            fact_cache_type="memory",
            quiet=True,
            event_handler=handler,
            status_handler=_forget_environment,
            cancel_callback=stop.overdue,
        )
    return Ended(ended.rc, stop.asked, time.monotonic() - began)


def environment(config: Path) -> dict[str, str]:
    """Return what the run's environment has on top of psw's own."""
    paths = [
        str(COLLECTIONS),
        *(path for path in (os.environ.get("ANSIBLE_COLLECTIONS_PATH"), "~/.ansible/collections:/usr/share/ansible/collections") if path),
    ]
    return {
        PARENT: str(os.getpid()),
        "ANSIBLE_CONFIG": str(config),
        "ANSIBLE_COLLECTIONS_PATH": os.pathsep.join(paths),  # this very collection wins over an older copy
        "ANSIBLE_HOST_KEY_CHECKING": "true",  # ansible-runner would turn it off
        "ANSIBLE_STDOUT_CALLBACK": "default",  # its words are what events.py knows
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]),  # sops is beside Python
    }


@contextmanager
def _scratch(state: Path) -> Iterator[Path]:
    """A directory for ansible-runner's files, closed to others and gone afterwards; what a killed psw left goes too."""
    for old in state.glob("run-*"):
        if not Path("/proc", old.name.split("-")[1]).exists():
            shutil.rmtree(old, ignore_errors=True)
    path = Path(tempfile.mkdtemp(prefix=f"run-{os.getpid()}-", dir=state))  # mode 0700
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def _forget_environment(status: dict[str, Any], runner_config: Any) -> None:
    """Delete the copy of the environment that ansible-runner keeps, since an age key may come that way."""
    if status["status"] == "running":
        Path(runner_config.artifact_dir, "command").unlink(missing_ok=True)


class _Stop:
    """Turns the first Ctrl-C, SIGTERM or hang-up into a clean stop of Ansible, and the second into a hard one."""

    SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def __init__(self) -> None:
        self.pid: int | None = None
        self.asked = False
        self._passed_on = False
        self._deadline = 0.0

    def __enter__(self) -> Self:
        # A hang-up that is ignored stays so: psw was started with nohup.
        heard = [number for number in self.SIGNALS if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN]
        self._before = {number: signal.signal(number, self._ask) for number in heard}
        return self

    def __exit__(self, *_exc: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _ask(self, _number: int, _frame: object) -> None:
        self._deadline = time.monotonic() + (0 if self.asked else GRACE)
        self.asked = True
        self._pass_on()

    def _pass_on(self) -> None:
        if self.pid and not self._passed_on:
            self._passed_on = True
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGINT)

    def overdue(self) -> bool:
        """Say whether Ansible has had its time to stop; ansible-runner then kills it."""
        if self.asked:
            self._pass_on()
        return self.asked and (time.monotonic() > self._deadline or not self.pid)
