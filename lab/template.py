"""The LXC template: a Debian 13 root file system named as Proxmox VE names it, with the lab's registry and limits in it."""

from pathlib import Path

from lab import registry, rootfs
from lab.paths import CACHE, DATA
from lab.services import REGISTRY_HOST, REGISTRY_PORT

NAME = "debian-13-standard_13.1-2_amd64.tar.zst"
PACKAGES = (
    "apt-utils", "bash-completion", "ca-certificates", "cron", "curl", "dbus", "debian-archive-keyring", "gpg", "ifupdown", "iproute2", "iputils-ping", "less", "libpam-systemd",
    "logrotate", "nano", "netbase", "openssh-server", "procps", "python3", "systemd", "systemd-sysv", "tzdata", "xz-utils",
)  # fmt: skip
COMMANDS = (
    "systemctl enable -q ssh.service systemd-networkd.service; systemctl mask -q networking.service systemd-networkd-wait-online.service",
    # This kernel has no modules and hides its debug files; on a real node these two are quiet.
    "systemctl mask -q systemd-modules-load.service sys-kernel-debug.mount",
    "rm -f /etc/ssh/ssh_host_* /etc/machine-id; touch /etc/machine-id",
)


def archive() -> Path:
    """Return the template's archive, made now if the cache lacks it."""
    extra = CACHE / "template"
    drop_in = extra / "registries.conf.d/000-lab.conf"
    drop_in.parent.mkdir(parents=True, exist_ok=True)
    text = registry.mirrors(REGISTRY_HOST, REGISTRY_PORT)
    if not drop_in.exists() or drop_in.read_text(encoding="utf-8") != text:
        drop_in.write_text(text, encoding="utf-8")
    return rootfs.build(rootfs.Recipe("template", PACKAGES, DATA / "template/tree", COMMANDS, {"etc/containers": extra}), ".tar.zst")
