"""What can be made to go wrong on a lab's node, and how all of it is undone."""

import json
from typing import Any

from lab import podman, state
from lab.host import LabError


def _ask(lab: state.Lab, what: str, wanted: dict[str, Any]) -> None:
    done = podman.podman("exec", lab.container, "/usr/lib/psw-lab/run.py", "trouble", what, json.dumps(wanted), check=False)
    if done.returncode != 0:
        raise LabError(done.stderr.strip())


def fail(lab: state.Lab, method: str, path: str, message: str | None = None, **options: Any) -> None:
    """Make requests to the node's API fail.

    Args:
        lab: The lab.
        method: GET, POST, PUT or DELETE.
        path: The end of the request's path, or a template from the API's schema.
        message: What the API answers, or with in_task what the task ends with.
        options: error (one of fakepve's names instead of a message), times, in_task, and hang (seconds before the answer).
    """
    _ask(lab, "fault", {"method": method, "path": path, "message": message, **options})


def cause(lab: state.Lab, kind: str, **options: Any) -> None:
    """Cause a trouble that lasts until it is healed: one of the README's table."""
    _ask(lab, "trouble", {"kind": kind, **options})


def heal(lab: state.Lab) -> None:
    """Undo every trouble and every fault."""
    _ask(lab, "heal", {})
