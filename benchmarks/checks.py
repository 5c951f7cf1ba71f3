"""What a converge of @ai looks at, as a neutral list: read off the converged lab, so that every contender checks the same things."""

import json
import shlex
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from lab.project import LabProject
from lab.state import NODE

QUADLETS = "/etc/containers/systemd"
PACKAGES = ("podman", "crun", "netavark", "aardvark-dns", "nftables", "ca-certificates")
SETTINGS = ("/etc/containers/storage.conf", "/etc/containers/containers.conf.d/50-psw.conf", "/etc/containers/registries.conf.d/50-psw.conf")
PROPERTIES = ("recordsize", "compression", "atime", "quota")


@dataclass(frozen=True)
class Check:
    """One file or one state on one machine.

    `kind` is package, directory, file, service or command; `name` is the package, path, unit or command line; `content` is a file's text;
    `expect` is what a command must print (nothing: it must succeed).
    """

    host: str
    kind: str
    name: str
    content: str = ""
    mode: str = ""
    expect: str = ""


class Shell:
    """Read-only commands on one machine, for collecting."""

    def __init__(self, address: str, key: Path) -> None:
        options = ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR"]
        self._ssh = ["ssh", *options, "-i", str(key), f"root@{address}"]

    def read(self, *command: str) -> str:
        """Return what a command prints."""
        return subprocess.run([*self._ssh, shlex.join(command)], check=True, capture_output=True, text=True).stdout


def _file(host: str, shell: Shell, path: str) -> Check:
    return Check(host, "file", path, content=shell.read("cat", path), mode="0" + shell.read("stat", "-c", "%a", path).strip())


def _directory(host: str, shell: Shell, path: str) -> Check:
    return Check(host, "directory", path, mode="0" + shell.read("stat", "-c", "%a", path).strip())


def _app(host: str, shell: Shell, app: str) -> Iterator[Check]:
    note = json.loads(shell.read("cat", f"/etc/psw/apps/{app}.json"))
    yield from (_directory(host, shell, path) for path in note["directories"])
    yield from (_file(host, shell, path) for path in note["files"])
    yield from (Check(host, "command", f"podman secret inspect {name}") for name in note["secrets"])
    for unit in note["units"]:
        yield _file(host, shell, f"{QUADLETS}/{unit}")
        name, _, kind = unit.partition(".")
        yield Check(host, "service", f"{name}.service" if kind == "container" else f"{name}-{kind}.service")
        if kind == "container":
            image = shell.read("podman", "inspect", "--format", "{{.ImageName}}", name).strip()
            yield Check(host, "command", f"podman image exists {image}")
            yield Check(host, "command", f"podman inspect --format '{{{{.State.Status}}}}' {name}", expect="running")


def _target(host: str, shell: Shell, *, gpu: bool) -> Iterator[Check]:
    yield from (Check(host, "package", name) for name in PACKAGES)
    yield from (_file(host, shell, path) for path in SETTINGS)
    yield Check(host, "command", "podman info --format '{{.Store.GraphDriverName}}'", expect="overlay")
    yield Check(host, "command", "systemctl is-enabled podman-auto-update.timer || true", expect="masked")
    if gpu:
        yield Check(host, "package", "nvidia-container-toolkit-base")
        yield Check(host, "command", "nvidia-smi --query-gpu=driver_version --format=csv,noheader")
        yield _file(host, shell, "/etc/cdi/nvidia.yaml")
        yield Check(host, "service", "psw-nvidia-cdi.service")
        yield Check(host, "command", "curl -sf http://127.0.0.1:11434/api/ps")
        yield Check(host, "command", "curl -sf http://127.0.0.1:11434/api/tags", expect="smollm2:135m")
    for name in shell.read("ls", "/etc/psw/apps").split():
        yield from _app(host, shell, name.removesuffix(".json"))
    if not gpu:
        yield Check(host, "command", "podman exec postgres pg_isready", expect="accepting connections")
        yield Check(host, "command", "podman exec postgres psql -U postgres -Atc 'select datname from pg_database'", expect="openwebui")
        yield Check(host, "command", "podman exec postgres psql -U postgres -d openwebui -Atc 'select extname from pg_extension'", expect="vector")
        yield Check(host, "command", "podman exec openwebui printenv ENABLE_PERSISTENT_CONFIG", expect="false")
        yield Check(host, "command", "podman exec openwebui printenv OFFLINE_MODE", expect="true")
        yield Check(host, "command", "podman exec openwebui curl -sf http://127.0.0.1:8080/ready")
        yield Check(host, "command", 'podman exec postgres psql -U postgres -d openwebui -Atc "select count(*) from api_key"', expect="1")
        yield Check(host, "command", "curl -sk --resolve chat.home.example:443:127.0.0.1 https://chat.home.example/health", expect="true")


def _node(shell: Shell, record: Path) -> Iterator[Check]:
    known = yaml.safe_load(record.read_text(encoding="utf-8"))
    yield Check(NODE, "command", "cat /proc/driver/nvidia/version", expect=known["nvidia"]["driver_version"])
    for gpu in known["gpus"]:
        yield Check(NODE, "command", f"cat /sys/bus/pci/devices/{gpu['address']}/device", expect=gpu["id"].partition(":")[2])
    dataset = next(name for name in shell.read("zfs", "list", "-H", "-o", "name").split() if name.endswith("psw-models"))
    for name in PROPERTIES:
        value = shell.read("zfs", "get", "-Hp", "-o", "value", name, dataset).strip()
        yield Check(NODE, "command", f"zfs get -Hp -o value {name} {dataset}", expect=value)
    for line in shell.read("pct", "list").splitlines()[1:]:
        vmid = line.split()[0]
        yield Check(NODE, "command", f"pct status {vmid}", expect="running")
        for setting in shell.read("pct", "config", vmid).splitlines():
            if setting.split(":")[0] in {"unprivileged", "features", "memory", "cores", "onboot"} or setting.startswith(("dev", "mp")):
                yield Check(NODE, "command", f"pct config {vmid}", expect=setting)


def collect(project: LabProject) -> tuple[list[Check], dict[str, str]]:
    """Return the checks and the machines' addresses by name."""
    addresses = {NODE: project.lab.node_address, "psw-ai": project.address("ollama"), "psw-core": project.address("caddy")}
    shells = {host: Shell(address, project.lab.key) for host, address in addresses.items()}
    node = _node(shells[NODE], project.path / "nodes" / NODE / "gpu.yml")
    checks = [*node, *_target("psw-ai", shells["psw-ai"], gpu=True), *_target("psw-core", shells["psw-core"], gpu=False)]
    return checks, addresses
