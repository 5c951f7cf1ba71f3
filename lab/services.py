"""The programs that serve a lab's network from this machine: DHCP and names, the image registry, the vendors' web servers."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from lab import ca, registry, web
from lab.host import LabError, await_server
from lab.paths import DATA
from lab.state import DOMAIN, NODE, Lab

REGISTRY_HOST = "registry.lab"
REGISTRY_PORT = 5000


def directory(lab: Lab) -> Path:
    """Return where the services keep their files."""
    return lab.home / "services"


def www(lab: Lab) -> Path:
    """Return the web server's root: one directory per host name."""
    return lab.home / "www"


def _alive(lab: Lab, name: str) -> int | None:
    """Return the service's process id if it is still that service."""
    file = directory(lab) / f"{name}.pid"
    if not file.is_file():
        return None
    pid = int(file.read_text(encoding="ascii"))
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes().decode()
    except OSError:
        return None
    return pid if str(lab.home) in command else None


def _remember(lab: Lab, name: str, pid: int) -> None:
    (directory(lab) / f"{name}.pid").write_text(str(pid), encoding="ascii")


def dnsmasq_config(lab: Lab, hosts: list[str]) -> str:
    """Return dnsmasq's configuration; the given hosts resolve to this machine."""
    return "\n".join(
        [
            f"listen-address={lab.gateway}",
            "bind-interfaces",
            "except-interface=lo",
            "no-hosts",
            "resolv-file=/etc/resolv.conf",
            "user=root",
            f"dhcp-range={lab.address(100)},{lab.address(199)},255.255.255.0,12h",
            f"dhcp-option=option:router,{lab.gateway}",
            f"dhcp-option=option:dns-server,{lab.gateway}",
            "dhcp-authoritative",
            f"dhcp-leasefile={directory(lab)}/leases",
            f"pid-file={directory(lab)}/dnsmasq.pid",
            f"log-facility={directory(lab)}/dnsmasq.log",
            f"host-record={NODE}.{DOMAIN},{NODE},{lab.node_address}",
            *(f"address=/{host}/{lab.gateway}" for host in [REGISTRY_HOST, *hosts]),
            "",
        ]
    )


def _start_dnsmasq(lab: Lab, hosts: list[str]) -> None:
    file = directory(lab) / "dnsmasq.conf"
    text = dnsmasq_config(lab, hosts)
    pid = _alive(lab, "dnsmasq")
    if pid and file.is_file() and file.read_text(encoding="utf-8") == text:
        return
    if pid:
        _stop(pid)
    file.write_text(text, encoding="utf-8")
    done = subprocess.run(["dnsmasq", f"--conf-file={file}"], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise LabError(f"dnsmasq did not start: {done.stderr.strip()}")


def _start_web(lab: Lab, hosts: list[str]) -> None:
    pid = _alive(lab, "web")
    names = directory(lab) / "web.hosts"
    if pid and names.is_file() and names.read_text(encoding="utf-8").split() == hosts:
        return
    if pid:
        _stop(pid)
    names.write_text("\n".join(hosts), encoding="utf-8")
    cert, key = ca.issue([REGISTRY_HOST, *hosts], directory(lab))
    with (directory(lab) / "web.log").open("ab") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "lab.web", lab.gateway, www(lab), cert, key],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, cwd=DATA.parent,
        )  # fmt: skip
    _remember(lab, "web", server.pid)
    for port in web.PORTS:
        await_server(server, lab.gateway, port, directory(lab) / "web.log")


def up(lab: Lab) -> None:
    """Start the services that do not run, or whose hosts changed."""
    directory(lab).mkdir(parents=True, exist_ok=True)
    www(lab).mkdir(exist_ok=True)
    hosts = sorted(entry.name for entry in www(lab).iterdir() if entry.is_dir())
    _start_dnsmasq(lab, hosts)
    _start_web(lab, hosts)
    if not _alive(lab, "registry"):
        _remember(lab, "registry", registry.start(lab.gateway, REGISTRY_PORT, directory(lab)))


def _stop(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGTERM)
        for _ in range(50):
            os.kill(pid, 0)
            if Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").split()[2] == "Z":
                return
            time.sleep(0.05)
        os.kill(pid, signal.SIGKILL)
        while Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").split()[2] != "Z":
            time.sleep(0.05)
    except (ProcessLookupError, FileNotFoundError):
        return


def running(lab: Lab) -> dict[str, bool]:
    """Return which services run."""
    return {name: _alive(lab, name) is not None for name in ("dnsmasq", "registry", "web")}


def down(lab: Lab) -> None:
    """Stop the services."""
    for name in ("web", "registry", "dnsmasq"):
        pid = _alive(lab, name)
        if pid:
            _stop(pid)
