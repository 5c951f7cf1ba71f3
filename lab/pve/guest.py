"""Real LXC containers behind the API: make, start, stop, look, destroy. Blocking; the API calls these in a thread."""

import contextlib
import ipaddress
import json
import os
import shutil
import stat
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .conf import properties
from .lxcconf import ID_COUNT, LXC, ROOT_ID, networkd_file, numbered, render, volume_path

MAPPED = ("lxc-usernsexec", "-m", f"u:0:{ROOT_ID}:{ID_COUNT}", "-m", f"g:0:{ROOT_ID}:{ID_COUNT}", "--")
START_SECONDS = 120


class GuestError(Exception):
    """What Proxmox VE would end a task with."""


def call(*command: str | Path, timeout: float = 120, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run a program without raising."""
    return subprocess.run([str(word) for word in command], input=stdin, capture_output=True, text=True, check=False, timeout=timeout)


def must(*command: str | Path, timeout: float = 300, stdin: str | None = None) -> str:
    """Run a program; a failure is a GuestError in Proxmox VE's wording."""
    done = call(*command, timeout=timeout, stdin=stdin)
    if done.returncode != 0:
        raise GuestError(f"command '{' '.join(map(str, command))}' failed: exit code {done.returncode}\n{done.stderr.strip()[-400:]}".strip())
    return done.stdout


def home(vmid: int) -> Path:
    """Return a container's directory."""
    return Path(LXC) / str(vmid)


def mtu_of(bridge: str) -> str | None:
    """Return a bridge's MTU, which its ports share."""
    links = json.loads(call("ip", "-j", "link", "show", bridge).stdout or "[]")
    return str(links[0]["mtu"]) if links else None


def create(vmid: int, config: Mapping[str, Any], archive: Path, keys: str | None, password: str | None) -> None:
    """Unpack a template into an unprivileged container's root and set it up."""
    place = home(vmid)
    rootfs = place / "rootfs"
    if rootfs.exists():
        shutil.rmtree(place)
    rootfs.mkdir(parents=True)
    os.chown(rootfs, ROOT_ID, ROOT_ID)
    place.chmod(0o755)
    must(*MAPPED, "tar", "-C", rootfs, "--numeric-owner", "--same-permissions", "--skip-old-files", "-I", "zstd -d", "--exclude=./dev/*", "-xf", archive)
    must(*MAPPED, "sh", "-ec", f"mkdir -p {rootfs}/dev {rootfs}/proc {rootfs}/sys; rm -f {rootfs}/etc/machine-id; : > {rootfs}/etc/machine-id")
    if keys:
        script = (
            f"mkdir -p {rootfs}/root/.ssh; chmod 700 {rootfs}/root/.ssh; cat > {rootfs}/root/.ssh/authorized_keys; chmod 600 {rootfs}/root/.ssh/authorized_keys"
        )
        must(*MAPPED, "sh", "-ec", script, stdin=keys.strip() + "\n")
    if password:
        must("chroot", rootfs, "chpasswd", stdin=f"root:{password}\n")
    must(*MAPPED, "ssh-keygen", "-A", "-f", rootfs)
    set_up(vmid, config)


def set_up(vmid: int, config: Mapping[str, Any]) -> None:
    """Write what Proxmox VE writes into a container before each start: name, network, resolver."""
    rootfs = home(vmid) / "rootfs"
    name = str(config.get("hostname", f"CT{vmid}"))
    resolv = Path("/etc/resolv.conf").read_text(encoding="utf-8")
    if config.get("nameserver"):
        servers = str(config["nameserver"]).replace(",", " ").split()
        resolv = f"search {config.get('searchdomain', 'lab')}\n" + "".join(f"nameserver {server}\n" for server in servers)
    files = {
        "etc/hostname": f"{name.split('.', maxsplit=1)[0]}\n",
        "etc/hosts": f"127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n127.0.1.1 {name} {name.split('.', maxsplit=1)[0]}\n",
        "etc/resolv.conf": resolv,
    }
    for number, text in numbered(config, "net"):
        files[f"etc/systemd/network/10-pve-net{number}.network"] = networkd_file(properties(text, "name"))
    for path, content in files.items():
        file = rootfs / path
        file.unlink(missing_ok=True)
        file.write_text(content, encoding="utf-8")
        os.chown(file, ROOT_ID, ROOT_ID)
        file.chmod(0o644)
    make_volumes(config)


def make_volumes(config: Mapping[str, Any]) -> None:
    """Make the directories of storage volumes, and refuse a bind mount of what is not there."""
    for number, text in numbered(config, "mp"):
        volume = properties(text, "volume")["volume"]
        source = Path(volume_path(volume))
        if not volume.startswith("/") and not source.exists():
            source.mkdir(parents=True)
            os.chown(source, ROOT_ID, ROOT_ID)
        elif not source.exists():
            raise GuestError(f"directory '{source}' does not exist (mp{number})")


def device_of(path: str) -> os.stat_result:
    """Return a device's stat, or Proxmox VE's refusal."""
    try:
        found = Path(path).stat()
    except FileNotFoundError:
        raise GuestError(f"Device {path} does not exist") from None
    if not (stat.S_ISCHR(found.st_mode) or stat.S_ISBLK(found.st_mode)):
        raise GuestError(f"{path} is not a device")
    return found


def pass_through(vmid: int, text: str) -> Path:
    """Make the node of one devN in the passthrough directory, with the container's ids mapped, and return it."""
    device = properties(text, "path")
    found = device_of(device["path"])
    node = home(vmid) / "passthrough" / device["path"].lstrip("/")
    node.parent.mkdir(parents=True, exist_ok=True)
    node.unlink(missing_ok=True)
    mode = int(device.get("mode", "0660"), 8)
    os.mknod(node, stat.S_IFMT(found.st_mode) | mode, found.st_rdev)
    os.chown(node, ROOT_ID + int(device.get("uid", 0)), ROOT_ID + int(device.get("gid", 0)))
    node.chmod(mode)
    return node


def start(vmid: int, config: Mapping[str, Any], raw: list[tuple[str, str]]) -> None:
    """Start a container and wait until its init runs."""
    shutil.rmtree(home(vmid) / "passthrough", ignore_errors=True)
    for _, text in numbered(config, "dev"):
        pass_through(vmid, text)
    set_up(vmid, config)
    nets = [properties(text, "name") for _, text in numbered(config, "net")]
    mtu = next((mtu_of(net["bridge"]) for net in nets if net.get("bridge")), None)
    (home(vmid) / "config").write_text(render(vmid, config, raw, mtu), encoding="utf-8")
    call("systemctl", "reset-failed", f"pve-container@{vmid}")
    must("systemctl", "start", f"pve-container@{vmid}")
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        if state(vmid) == "running":
            return
        if call("systemctl", "is-failed", "-q", f"pve-container@{vmid}").returncode == 0:
            break
        time.sleep(0.1)
    log = call("journalctl", "-u", f"pve-container@{vmid}", "-n", "5", "-o", "cat", "--no-pager").stdout.strip()
    raise GuestError(f"startup for container '{vmid}' failed\n{log}")


def monitored(vmid: int) -> bool:
    """Tell, cheaply, whether LXC has anything running for a container: its monitor listens on a socket."""
    return f"@{LXC}/{vmid}/command" in Path("/proc/net/unix").read_text(encoding="utf-8")


def state(vmid: int) -> str:
    """Return running or stopped, from LXC itself."""
    done = call("lxc-info", "-n", str(vmid), "-sH")
    return "running" if done.stdout.strip() in {"RUNNING", "FROZEN"} else "stopped"


def pid(vmid: int) -> int | None:
    """Return the process id of a running container's init."""
    text = call("lxc-info", "-n", str(vmid), "-pH").stdout.strip()
    return int(text) if text.isdigit() and int(text) > 0 else None


def stop(vmid: int, timeout: int | None, *, force: bool = True) -> None:
    """Shut a container down within the timeout, or kill it at once with None."""
    if timeout is not None:
        done = call("lxc-stop", "-n", str(vmid), "--nokill", "--timeout", str(timeout), timeout=timeout + 20)
        if state(vmid) == "running" and not force:
            raise GuestError(
                "container did not stop" if done.returncode == 0 else f"command 'lxc-stop -n {vmid} --nokill --timeout {timeout}' failed: exit code 1"
            )
    if state(vmid) == "running":
        call("lxc-stop", "-n", str(vmid), "--kill")
    call("systemctl", "stop", f"pve-container@{vmid}")
    shutil.rmtree(home(vmid) / "passthrough", ignore_errors=True)


def destroy(vmid: int, config: Mapping[str, Any]) -> None:
    """Delete a stopped container and its own volumes; bind mounts stay."""
    for _, text in numbered(config, "mp"):
        volume = properties(text, "volume")["volume"]
        if not volume.startswith("/"):
            shutil.rmtree(volume_path(volume), ignore_errors=True)
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(home(vmid))


def interfaces(vmid: int) -> list[dict[str, Any]]:
    """Return the live addresses of a running container, as the API lists them."""
    init = pid(vmid)
    if init is None:
        return []
    links = json.loads(call("nsenter", "-t", str(init), "-n", "ip", "-j", "addr").stdout or "[]")
    found = []
    for link in links:
        item: dict[str, Any] = {"name": link["ifname"], "hwaddr": link.get("address", ""), "hardware-address": link.get("address", ""), "ip-addresses": []}
        for address in link.get("addr_info", []):
            text = f"{address['local']}/{address['prefixlen']}"
            item.setdefault("inet" if ipaddress.ip_interface(text).version == 4 else "inet6", text)  # noqa: PLR2004 - IP version
            item["ip-addresses"].append({"ip-address": address["local"], "ip-address-type": address["family"], "prefix": str(address["prefixlen"])})
        found.append(item)
    return found
