"""The node: its image, its container, and what goes into it at the start."""

import json
import shutil
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from lab import machines, network, pylib, rootfs, template, vendors
from lab.host import LabError, run, say
from lab.paths import DATA
from lab.podman import kill_cgroup, note_death, podman, start_detached
from lab.state import DOMAIN, NODE, Lab

PACKAGES = (
    "apt", "bash-completion", "bridge-utils", "ca-certificates", "curl", "dbus", "debian-archive-keyring", "file", "gpg", "ifupdown2", "iproute2",
    "iputils-ping", "kmod", "less", "lxc", "nftables", "openssh-server", "pciutils", "procps", "psmisc", "python3",
    "systemd", "systemd-sysv", "uidmap", "xz-utils", "zstd",
)  # fmt: skip
COMMANDS = (
    "systemctl enable -q ssh.service",
    "systemctl disable -q lxc.service lxc-net.service lxc-monitord.service",
    "systemctl mask -q networking.service sys-kernel-debug.mount sys-kernel-tracing.mount sys-kernel-config.mount",
    f"systemctl mask -q {' '.join(rootfs.TIMERS)}",
    "rm -f /etc/ssh/ssh_host_*; sed -i '/^root:/d' /etc/subuid /etc/subgid; echo root:100000:65536 | tee -a /etc/subuid >> /etc/subgid",
    "ln -sf /usr/lib/psw-lab/kernel/modprobe /usr/sbin/modprobe; ln -sf /usr/lib/psw-lab/kernel/modprobe /usr/sbin/rmmod",
    "groupadd -f -g 993 render; rm -f /etc/motd; install -d -m 700 /root/.ssh",
    "ln -s /etc/pve/priv/authorized_keys /root/.ssh/authorized_keys",
)
START_SECONDS = 300
STOP_SECONDS = 120


def recipe() -> rootfs.Recipe:
    """Return what the node is made of."""
    return rootfs.Recipe("node", PACKAGES, COMMANDS, {"usr/lib/psw-lab/vendor": pylib.directory(), "usr/share/keyrings": vendors.keyrings()})


def image() -> str:
    """Return the node image's name, made now if podman's store lacks it."""
    archive = rootfs.build(recipe(), ".tar")
    name = f"localhost/psw-lab/{archive.stem}:latest"
    if podman("image", "exists", name, check=False).returncode != 0:
        podman("import", "--quiet", archive, name)
        for old in podman("images", "--format", "{{.Repository}}:{{.Tag}}", "--filter", "reference=localhost/psw-lab/node-*").stdout.split():
            if old != name:
                podman("rmi", old, check=False)  # stays while a lab still runs on it
    return name


def _lay(lab: Lab, machine: Mapping[str, Any]) -> None:
    """Write what only this lab's node has: its machine, its name, its keys."""
    target = lab.home / "machine"
    machines.generate(machine, target)
    files = {
        "etc/hostname": f"{NODE}\n",
        "etc/hosts": f"127.0.0.1 localhost.localdomain localhost\n{lab.node_address} {NODE}.{DOMAIN} {NODE}\n",
        "etc/network/interfaces": _interfaces(lab),
        "etc/pve-lab.json": json.dumps({"node": NODE, "domain": DOMAIN, "gateway": lab.gateway, "address": lab.node_address, "machine": machine["name"]}),
    }
    for name, text in files.items():
        file = target / "tree" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    ssh = target / "tree/etc/ssh"
    ssh.mkdir(parents=True, exist_ok=True)
    host_key = lab.home / "ssh_host_ed25519_key"
    if not host_key.exists():
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", NODE, "-f", host_key)
    for file in (host_key, host_key.with_suffix(".pub")):
        shutil.copy2(file, ssh)
    authorized = lab.home / "pve/priv/authorized_keys"
    authorized.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not authorized.exists():
        authorized.write_text(lab.key.with_suffix(".pub").read_text(encoding="utf-8"), encoding="utf-8")
        authorized.chmod(0o600)


def _interfaces(lab: Lab) -> str:
    return f"""\
auto lo
iface lo inet loopback

iface eth0 inet manual

auto vmbr0
iface vmbr0 inet static
\taddress {lab.node_address}/24
\tgateway {lab.gateway}
\tbridge-ports eth0
\tbridge-stp off
\tbridge-fd 0
"""


def _volumes(lab: Lab) -> list[str]:
    """Return the -v arguments; overlay in overlay has no backing, so what containers are stored on comes from this machine."""
    places = {"containers": "/var/lib/containers", "lxc": "/var/lib/lxc", "pve": "/etc/pve", "vz": "/var/lib/vz", "datasets": "/var/lib/psw-lab/datasets"}
    arguments = []
    for name, place in places.items():
        (lab.home / name).mkdir(parents=True, exist_ok=True)
        arguments += ["-v", f"{lab.home / name}:{place}"]
    # The lab's own programs come from the checkout, so that changing one needs no new image.
    programs = {lab.home / "machine": "machine", DATA / "pve": "labpve", DATA / "node/tree": "tree", DATA / "node/init": "init", DATA / "node/run.py": "run.py"}
    for source, name in programs.items():
        arguments += ["-v", f"{source}:/usr/lib/psw-lab/{name}:ro"]
    return arguments


def _template(lab: Lab) -> None:
    """Put the LXC template where `pveam download` of the stand-in takes it from."""
    archive = template.archive()
    place = lab.home / "vz/template/available" / template.NAME
    if not place.exists() or place.stat().st_size != archive.stat().st_size:
        place.parent.mkdir(parents=True, exist_ok=True)
        for old in place.parent.glob("debian-13-standard_*"):
            old.unlink()
        try:
            place.hardlink_to(archive)
        except OSError:
            shutil.copyfile(archive, place)


def status(lab: Lab) -> str:
    """Return the container's state: running, exited, created, or missing."""
    done = podman("inspect", "--format", "{{.State.Status}}", lab.container, check=False)
    return done.stdout.strip() if done.returncode == 0 else "missing"


def up(lab: Lab) -> None:
    """Start the node, made now where there is none, and wait until it is up."""
    found = status(lab)
    if found == "running" and ready(lab):
        return
    network.up(lab)
    if found in {"running", "stopping"}:
        note_death(lab.container)
        found = status(lab)
    if found == "missing":
        with ThreadPoolExecutor(1) as beside:
            packing = beside.submit(_template, lab)
            name = image()
            packing.result()
        _lay(lab, machines.load(lab.machine))
        start_detached(
            lab.container,
            "run", "-d", "--name", lab.container, "--hostname", NODE, "--privileged", "--cgroups=disabled", "--cgroupns=private", "--systemd=always",
            "--network", f"ns:/run/netns/{lab.container}", "--no-hosts", "-v", f"{_resolv(lab)}:/etc/resolv.conf", "--stop-timeout", "30",
            # `reboot` on the node ends its first process as a failure would, and the limit ends a loop of real ones.
            "--restart", "on-failure:20",
            *_volumes(lab), name, "/usr/lib/psw-lab/init",
        )  # fmt: skip
    elif found != "running":
        start_detached(lab.container, "start", lab.container)
    wait(lab)


def _resolv(lab: Lab) -> Path:
    file = lab.home / "resolv.conf"
    file.write_text(f"search {DOMAIN}\nnameserver {lab.gateway}\n", encoding="utf-8")
    return file


def ready(lab: Lab) -> bool:
    """Tell whether sshd and the API answer, and everything else that belongs to a start is over."""
    probe = "systemctl is-active -q ssh.service && systemctl is-active -q pvedaemon.service && test -S /run/pvedaemon.sock && systemctl is-system-running"
    done = podman("exec", lab.container, "sh", "-c", probe, check=False)
    return done.stdout.strip() in {"running", "degraded"}


def wait(lab: Lab) -> None:
    """Wait until the node serves; say what hinders it when it does not."""
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        if ready(lab):
            return
        if status(lab) not in {"running", "created", "stopping"}:
            raise LabError(f"the node stopped while it started:\n{podman('logs', '--tail', '20', lab.container, check=False).stdout}")
        time.sleep(0.2)
    failed = podman("exec", lab.container, "systemctl", "--no-pager", "--failed", check=False).stdout
    raise LabError(f"the node did not come up in {START_SECONDS} s; failed units:\n{failed}")


def restart(lab: Lab, moves: Mapping[str, str]) -> None:
    """Restart the node as `reboot` on a real one would; while it is off, its hardware may be called otherwise."""
    say("restarting the node")
    podman("stop", "-t", "30", lab.container)
    if moves:
        _lay(lab, machines.renamed(json.loads((lab.home / "machine/machine.json").read_text(encoding="utf-8")), moves))
    start_detached(lab.container, "start", lab.container)
    wait(lab)


def down(lab: Lab) -> None:
    """Remove the node's container and whatever still runs in its cgroup."""
    end = time.monotonic() + STOP_SECONDS
    while True:
        kill_cgroup(lab.container)
        # A container caught while stopping is only half removed by the first try.
        said = podman("rm", "-f", "-t", "0", lab.container, check=False).stderr
        if status(lab) == "missing":
            break
        if time.monotonic() > end:
            raise LabError(f"podman does not remove the container {lab.container}: {said.strip()}")
        time.sleep(1)
    kill_cgroup(lab.container)
