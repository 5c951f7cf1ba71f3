"""One lab's own directory and the numbers that keep labs apart."""

import fcntl
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from lab.host import LabError, run
from lab.paths import RUN, STATE

# Not 10.88.0.0/16, which podman's own default network has, on this machine and in the targets.
PREFIX = "10.213"
SUBNETS = range(1, 200)
DOMAIN = "home.example"
NODE = "pve1"
DEFAULT_NAME = os.environ.get("PSW_LAB_NAME", "psw")  # of the lab that is meant where none is named


@dataclass(frozen=True)
class Lab:
    """A lab's settings; everything else follows from them."""

    name: str
    subnet: int
    machine: str
    prefix: str = PREFIX

    @property
    def home(self) -> Path:
        """Return the directory that holds all of this lab's state."""
        return STATE / self.name

    @property
    def container(self) -> str:
        """Return the name of the node's container, network namespace and cgroup."""
        return f"psw-lab-{self.name}"

    @property
    def bridge(self) -> str:
        """Return the bridge on this machine that the node's network hangs on."""
        return f"pswlab{self.subnet}"

    def address(self, host: int) -> str:
        """Return an address in the lab's network: 1 is this machine, 10 the node, from 100 on DHCP."""
        return f"{self.prefix}.{self.subnet}.{host}"

    @property
    def gateway(self) -> str:
        """Return this machine's address in the lab."""
        return self.address(1)

    @property
    def node_address(self) -> str:
        """Return the node's address."""
        return self.address(10)

    @property
    def key(self) -> Path:
        """Return the private key that opens the node."""
        return self.home / "id_ed25519"

    def save(self) -> None:
        """Remember the settings for the next call."""
        self.home.mkdir(parents=True, exist_ok=True)
        (self.home / "lab.json").write_text(json.dumps(asdict(self)), encoding="utf-8")


def load(name: str) -> Lab | None:
    """Return the lab of this name, or None where there is none."""
    file = STATE / name / "lab.json"
    return Lab(**json.loads(file.read_text(encoding="utf-8"))) if file.is_file() else None


def need(name: str) -> Lab:
    """Return the lab of this name, or say how to make it."""
    lab = load(name)
    if lab is None:
        raise LabError(f"there is no lab called {name!r}; `python -m lab up --name {name}` makes it")
    return lab


def names() -> list[str]:
    """Return the names of the labs on this machine, sorted."""
    return sorted(file.parent.name for file in STATE.glob("*/lab.json"))


@contextmanager
def locked(name: str) -> Iterator[None]:
    """Hold a lab for one command at a time; a second one waits."""
    with _lock(f"{name}.lock"):
        yield


@contextmanager
def all_locked() -> Iterator[None]:
    """Hold what labs share: which there are, and the directories that the last one to go takes along."""
    with _lock("labs.lock"):
        yield


@contextmanager
def _lock(name: str) -> Iterator[None]:
    """Hold a lock, anew where the last lab to go took its directory along meanwhile."""
    while True:
        try:
            RUN.mkdir(parents=True, exist_ok=True)
            file = (RUN / name).open("w")
        except (FileNotFoundError, FileExistsError):  # gone since, or while mkdir looked whether it is there
            continue
        with file:
            fcntl.flock(file, fcntl.LOCK_EX)
            if os.fstat(file.fileno()).st_nlink:
                yield
                return


def choose(name: str, machine: str) -> Lab:
    """Return the lab of this name, made with a free subnet where there is none."""
    if not re.fullmatch(r"[a-z][a-z0-9-]{0,20}", name):
        raise LabError(f"a lab's name is up to 21 small letters, digits and dashes, and starts with a letter; {name!r} is not")
    found = load(name)
    if found is not None:
        if found.machine != machine:
            raise LabError(f"lab {name!r} runs machine {found.machine!r}; take it down first to start {machine!r}")
        return found
    with all_locked():
        STATE.mkdir(parents=True, exist_ok=True)
        taken = {lab.subnet for lab in map(load, names()) if lab}
        links = run("ip", "-o", "link").stdout
        free = next((n for n in SUBNETS if n not in taken and f"pswlab{n}:" not in links), None)
        if free is None:
            raise LabError(f"all of the lab's subnets {PREFIX}.1.0/24 to {PREFIX}.199.0/24 are taken")
        lab = Lab(name, free, machine)
        lab.save()
    return lab


def make_key(lab: Lab) -> None:
    """Make the key that opens the node, once."""
    if not lab.key.exists():
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", f"psw-lab-{lab.name}", "-f", lab.key)
    lab.key.chmod(0o600)
