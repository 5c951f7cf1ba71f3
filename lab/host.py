"""The machine under the lab: its packages, its mirror and its certificates."""

import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from lab.lock import locked
from lab.paths import CACHE

# A program the lab starts, and the Debian package it comes from.
PROGRAMS = {
    "podman": "podman",
    "/usr/lib/podman/netavark": "netavark",
    "crun": "crun",
    "newuidmap": "uidmap",
    "mmdebstrap": "mmdebstrap",
    "dnsmasq": "dnsmasq-base",
    "docker-registry": "docker-registry",
    "iptables": "iptables",
    "ip": "iproute2",
    "nsenter": "util-linux",
    "gpg": "gpg",
    "gpg-agent": "gpg-agent",
    "ssh": "openssh-client",
    "openssl": "openssl",
    "zstd": "zstd",
    "skopeo": "skopeo",
    "/usr/share/keyrings/debian-archive-keyring.gpg": "debian-archive-keyring",
}
START_SECONDS = 120  # that a server of the lab may take until it listens
_POLICY = Path("/usr/sbin/policy-rc.d")
CA_BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")


class LabError(Exception):
    """An error we expect: said in one line, without a traceback."""


def run(
    *command: str | Path,
    stdin: str | None = None,
    check: bool = True,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    timeout: float | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a program and return its output; a failure quotes the last lines of what it said."""
    argv = [str(word) for word in command]
    done = subprocess.run(
        argv,
        input=stdin,
        stdin=None if stdin is not None else subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        env=env,
        cwd=cwd,
        timeout=timeout,
    )
    if check and done.returncode != 0:
        said = "\n".join((done.stderr or done.stdout).strip().splitlines()[-15:])
        raise LabError(f"`{' '.join(argv)[:300]}` failed with {done.returncode}:\n{said}")
    return done


def await_server(server: subprocess.Popen[bytes], address: str, port: int, log: Path) -> None:
    """Wait until a server that was just started listens; one that does not is ended."""
    end = time.monotonic() + START_SECONDS
    while server.poll() is None and time.monotonic() < end:
        try:
            socket.create_connection((address, port), timeout=2).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    server.kill()
    raise LabError(f"nothing listens on {address}:{port} of what was started to; its log is {log}")


def say(text: str) -> None:
    """Tell whoever started the lab what happens now."""
    print(f"lab: {text}", flush=True)


def missing_packages(programs: Mapping[str, str] = PROGRAMS) -> list[str]:
    """Return the Debian packages of the programs that are not installed, sorted."""
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    return sorted({package for program, package in programs.items() if shutil.which(program, path=path) is None and not Path("/", program).is_file()})


def install_programs() -> None:
    """Install what the lab needs and this machine lacks."""
    if not missing_packages():
        return
    if os.geteuid() != 0:
        raise LabError(f"the lab needs root to install {', '.join(missing_packages())} and to run containers")
    if shutil.which("apt-get") is None:
        raise LabError(f"the lab installs its programs with apt; on this system install these first: {', '.join(missing_packages())}")
    with locked(CACHE / "install.lock"):  # apt itself would refuse, not wait, where another lab is at it
        _install(missing_packages())


def _install(packages: Sequence[str]) -> None:
    if not packages:
        return
    say(f"installing {', '.join(packages)}")
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    run("apt-get", "update", "-q", env=quiet)
    with _no_services():
        run("apt-get", "install", "-qy", "--no-install-recommends", *packages, env=quiet)


@contextmanager
def _no_services() -> Iterator[None]:
    """Keep packages from starting services of theirs, which would hold ports and outlive the lab."""
    if _POLICY.exists():
        yield
        return
    _POLICY.write_text("#!/bin/sh\nexit 101\n", encoding="ascii")
    _POLICY.chmod(0o755)
    try:
        yield
    finally:
        _POLICY.unlink()


def apt_uris(sources: Sequence[Path] | None = None) -> dict[str, str]:
    """Return the machine's own mirrors: {"debian": uri, "security": uri}; the second beside the first where it is not named."""
    files = sources if sources is not None else [Path("/etc/apt/sources.list"), *sorted(Path("/etc/apt/sources.list.d").glob("*"))]
    uris: dict[str, str] = {}
    for file in files:
        if file.suffix not in {".list", ".sources"} or not file.is_file():
            continue
        for uri in re.findall(r"(?m)^(?:URIs:|deb(?: \[[^]]*\])?)\s+(\S+)", file.read_text(encoding="utf-8")):
            clean = uri.rstrip("/")
            if clean.endswith("/debian"):
                uris["debian"] = clean
            elif clean.endswith("/debian-security"):
                uris["security"] = clean
    if "debian" not in uris:
        raise LabError("no Debian mirror in /etc/apt: the lab builds Debian 13 from this machine's own; name one in /etc/apt/sources.list.d")
    return {"debian": uris["debian"], "security": uris.get("security", f"{uris['debian']}-security")}


def trixie_sources() -> str:
    """Return a deb822 sources file for Debian 13 from the machine's own mirrors."""
    uris = apt_uris()
    keyring = "/usr/share/keyrings/debian-archive-keyring.gpg"
    return "\n".join(
        f"Types: deb\nURIs: {uri}\nSuites: {suites}\nComponents: main\nSigned-By: {keyring}\n"
        for uri, suites in ((uris["debian"], "trixie trixie-updates"), (uris["security"], "trixie-security"))
    )


def apt_settings() -> dict[str, str]:
    """Return the apt settings that a node needs to use this machine's mirrors, by file name."""
    settings = {}
    for file in sorted(Path("/etc/apt/apt.conf.d").glob("*")):
        text = file.read_text(encoding="utf-8", errors="replace")
        if re.search(r"(?m)^\s*Acquire::", text) and "GzipIndexes" not in text:
            settings[file.name] = text
    return settings
