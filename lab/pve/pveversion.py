"""`pveversion`: which Proxmox VE this claims to be."""

from pathlib import Path

VERSION = "9.0.10"


def main(argv: list[str]) -> int:
    """Print the version, or with -v a list of packages."""
    kernel = Path("/proc/sys/kernel/osrelease").read_text(encoding="ascii").strip()
    if any(word in {"-v", "--verbose"} for word in argv):
        print(f"proxmox-ve: 9.0.0 (running kernel: {kernel})\npve-manager: {VERSION} (running version: {VERSION}/lab)\npve-container: 6.1.10\nlxc-pve: 6.0.5-3")
    else:
        print(f"pve-manager/{VERSION}/lab (running kernel: {kernel})")
    return 0
