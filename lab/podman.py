"""Podman in a mount namespace of its own, where the cgroup tree is pure cgroup2.

systemd in a container wants cgroup2; a machine with hybrid cgroups has it only beside the old ones. One namespace, pinned under /run, serves
all labs and every call, because a container's mounts are seen only in the namespace that made them.
"""

import os
import resource
import subprocess
from pathlib import Path

from lab.host import LabError, run
from lab.lock import locked
from lab.paths import CACHE, RUN

STORAGE = CACHE / "podman"
_PIN = RUN / "ns" / "mnt"
_EXITS = Path("/run/libpod/exits")  # where conmon tells podman how a container ended; podman has no setting for the place

# No CAP_SYS_RESOURCE: limits can only go down, and podman's own defaults go up.
_MOST = {"nofile": 65536, "nproc": 32768}


def container_defaults() -> str:
    """Return the part of containers.conf that this machine's limits and missing cgroup controllers call for, out here and in the lab."""
    hard = {"nofile": resource.getrlimit(resource.RLIMIT_NOFILE)[1], "nproc": resource.getrlimit(resource.RLIMIT_NPROC)[1]}
    limits = {name: most if hard[name] == resource.RLIM_INFINITY else min(hard[name], most) for name, most in _MOST.items()}
    ulimits = ", ".join(f'"{name}={limit}:{limit}"' for name, limit in limits.items())
    return f"[containers]\ndefault_ulimits = [{ulimits}]\npids_limit = 0\n"


ENGINE_CONF = """\
log_driver = "k8s-file"
[engine]
cgroup_manager = "cgroupfs"
events_logger = "none"
runtime = "crun"
[network]
network_backend = "netavark"
"""
STORAGE_CONF = f"""\
[storage]
driver = "overlay"
graphroot = "{STORAGE}/storage"
runroot = "{RUN}/podman"
"""
REGISTRIES_CONF = 'unqualified-search-registries = []\nshort-name-mode = "disabled"\n'


def _pinned() -> bool:
    return subprocess.run(["mountpoint", "-q", _PIN], check=False).returncode == 0


def _pin() -> None:
    """Make the namespace and keep it by a bind mount of its handle."""
    _PIN.parent.mkdir(parents=True, exist_ok=True)
    if subprocess.run(["mountpoint", "-q", _PIN.parent], check=False).returncode != 0:
        run("mount", "--bind", _PIN.parent, _PIN.parent)
        run("mount", "--make-private", _PIN.parent)  # a handle cannot be bound on a shared mount
    _PIN.touch()
    run("unshare", f"--mount={_PIN}", "--propagation", "private", "sh", "-ec", "umount -R /sys/fs/cgroup; mount -t cgroup2 none /sys/fs/cgroup")


def _write(name: str, text: str) -> Path:
    file = RUN / name
    if not file.exists() or file.read_text(encoding="utf-8") != text:
        file.write_text(text, encoding="utf-8")
    return file


def podman_command(*args: str | Path) -> list[str]:
    """Return the full command line that runs podman with these arguments in the lab's namespace."""
    with locked(RUN / "lock"):
        if not _pinned():
            _pin()
        settings = {
            "CONTAINERS_CONF": _write("containers.conf", container_defaults() + ENGINE_CONF),
            "CONTAINERS_STORAGE_CONF": _write("storage.conf", STORAGE_CONF),
            "CONTAINERS_REGISTRIES_CONF": _write("registries.conf", REGISTRIES_CONF),
            "TMPDIR": CACHE / "tmp",
        }
        (CACHE / "tmp").mkdir(parents=True, exist_ok=True)
    environment = [f"{key}={value}" for key, value in settings.items()]
    return ["nsenter", f"--mount={_PIN}", "--", "env", "-C", str(Path.cwd()), *environment, "podman", *map(str, args)]


def podman(*args: str | Path, stdin: str | None = None, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run podman and return what it printed."""
    return run(*podman_command(*args), stdin=stdin, check=check)


def start_detached(cgroup: str, *args: str | Path) -> None:
    """Run a podman command that leaves a container running, in a cgroup of the given name that the container takes for the root."""
    script = 'mkdir -p "/sys/fs/cgroup/$0" && echo $$ > "/sys/fs/cgroup/$0/cgroup.procs" && exec "$@"'
    command = podman_command(*args)
    split = command.index("--") + 1
    run(*command[:split], "sh", "-ec", script, cgroup, *command[split:])


def kill_cgroup(cgroup: str) -> None:
    """End every process in a container's cgroup and remove it."""
    script = """
        cd /sys/fs/cgroup || exit 0
        [ -d "$0" ] || exit 0
        echo 1 > "$0/cgroup.kill"
        for try in 1 2 3 4 5 6 7 8 9 10; do
            find "$0" -depth -type d -exec rmdir {} + 2>/dev/null && exit 0
            sleep 0.2
        done
    """
    in_namespace("sh", "-c", script, cgroup, check=False)


def note_death(container: str) -> None:
    """Tell podman of a container that was killed together with the conmon that would have told it.

    Podman believes such a container to run, or to be stopping, until the machine restarts: it neither starts nor stops it.
    """
    if "populated 1" in in_namespace("cat", f"/sys/fs/cgroup/{container}/cgroup.events", check=False).stdout:
        return
    identity = podman("inspect", "--format", "{{.Id}}", container).stdout.strip()
    (_EXITS / identity).write_text("0", encoding="ascii")  # after any other code podman would start it anew by itself, in this process's cgroup
    podman("container", "cleanup", container)


def in_namespace(*command: str | Path, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run any program where podman's mounts are seen."""
    podman_command()
    return run("nsenter", f"--mount={_PIN}", "--", *command, check=check)


def release() -> bool:
    """Let the namespace go, unless something runs in it; tell whether it is gone."""
    with locked(RUN / "lock"):
        if not _pinned():
            return True
        if any(_in_namespace(int(entry.name)) for entry in Path("/proc").iterdir() if entry.name.isdigit()):
            return False
        run("umount", _PIN)
        run("umount", _PIN.parent)
        return True


def _in_namespace(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/ns/mnt").stat().st_ino == _PIN.stat().st_ino
    except OSError:
        return False


def require_root() -> None:
    """Say early that the lab cannot run as a normal user."""
    if os.geteuid() != 0:
        raise LabError("the lab needs root: it makes containers, bridges and mount namespaces. Run it with sudo.")
