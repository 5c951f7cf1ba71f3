"""LXC's post-stop hook: a container that reboots itself is stopped and started anew with its current config, as Proxmox VE does."""

import os
import subprocess

RUN = ("/usr/bin/python3", "-I", "/usr/lib/psw-lab/run.py")


def main(argv: list[str]) -> int:
    """Called by LXC: hand a reboot to a process of its own and refuse it here. Called with `again VMID`: wait for the stop, then start."""
    if argv[:1] == ["again"]:
        vmid = argv[1]
        subprocess.run(["lxc-wait", "-n", vmid, "-s", "STOPPED", "-t", "60"], check=False)
        subprocess.run(["systemctl", "stop", f"pve-container@{vmid}"], check=False)
        return subprocess.run(["pct", "start", vmid], check=False).returncode
    if os.environ.get("LXC_TARGET") != "reboot":
        return 0
    subprocess.run(["systemd-run", "--quiet", "--no-block", "--collect", *RUN, "reboot", "again", os.environ["LXC_NAME"]], check=False)
    return 1
