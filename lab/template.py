"""The LXC template: a Debian 13 root file system named as Proxmox VE names it, with the lab's registry and limits in it."""

from pathlib import Path

from lab import registry, rootfs
from lab.lock import locked
from lab.paths import CACHE
from lab.podman import container_defaults
from lab.services import REGISTRY_HOST, REGISTRY_PORT

NAME = "debian-13-standard_13.1-2_amd64.tar.zst"
PACKAGES = (
    "apt-utils", "bash-completion", "ca-certificates", "cron", "curl", "dbus", "debian-archive-keyring", "gpg", "ifupdown", "iproute2", "iputils-ping",
    "less", "libpam-systemd", "logrotate", "nano", "netbase", "openssh-server", "procps", "python3", "systemd", "systemd-sysv", "tzdata", "xz-utils",
)  # fmt: skip
# A real driver shows itself in every /proc; the lab's is a mount, which a container's new /proc does not have. The engine's stand-in looks here.
DRIVER = 'volumes = ["/proc/driver:/run/psw-lab/driver:ro"]\n'
COMMANDS = (
    "systemctl enable -q ssh.service systemd-networkd.service; systemctl mask -q networking.service systemd-networkd-wait-online.service",
    # This kernel has no modules and hides its debug files; on a real node these two are quiet.
    "systemctl mask -q systemd-modules-load.service sys-kernel-debug.mount",
    f"systemctl mask -q {' '.join(rootfs.TIMERS)}",
    "rm -f /etc/ssh/ssh_host_* /etc/machine-id; touch /etc/machine-id",
)


def archive() -> Path:
    """Return the template's archive, made now if the cache lacks it."""
    extra = CACHE / "template"
    files = {"registries.conf.d/000-lab.conf": registry.mirrors(REGISTRY_HOST, REGISTRY_PORT), "containers.conf.d/00-lab.conf": container_defaults() + DRIVER}
    with locked(CACHE / "template.lock"):
        for name, text in files.items():
            file = extra / name
            file.parent.mkdir(parents=True, exist_ok=True)
            if not file.exists() or file.read_text(encoding="utf-8") != text:
                file.write_text(text, encoding="utf-8")
    return rootfs.build(rootfs.Recipe("template", PACKAGES, COMMANDS, {"etc/containers": extra}), ".tar.zst")
