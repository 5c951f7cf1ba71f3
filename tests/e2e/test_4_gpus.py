# SPDX-License-Identifier: GPL-3.0-or-later
"""setup-gpu on other machines than the standard one: those it refuses, and those that make it work harder."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft7Validator
from referencing import Registry, Resource

from lab import nvidia_packages, services, trouble
from lab.lab import down, restart, up
from lab.project import LabProject
from lab.state import NODE

from .conftest import NAME

pytestmark = pytest.mark.e2e
LAB = f"{NAME}-gpus"
VERSION = "580.159.04"
OLDER_PACKAGE = nvidia_packages.VERSIONS[0]
REPOSITORY_LEFT = ["nvidia-container-toolkit.asc", "nvidia-container-toolkit.sources"]  # the driver's own is gone
LEFT = "/lib/modules/6.8.12-1-pve"  # a kernel of Proxmox VE 8, for which a node of release 9 is offered no headers
FREE = "/etc/apt/sources.list.d/proxmox.sources"
# What a new node has in its place.
UNPAID = "Types: deb\\nURIs: https://enterprise.proxmox.com/debian/pve\\nSuites: trixie\\nComponents: pve-enterprise\\n"
# Makes the head of a FAT32 file system, of 4 KiB clusters, that counts no free ones.
FULL_ESP = (
    'import struct; head = bytearray(1 << 16); struct.pack_into("<HB", head, 11, 512, 8); head[48] = 1; head[82:87] = b"FAT32"; '
    'head[512:516], head[996:1000] = b"RRaA", b"rrAa"; open("/dev/disk/by-uuid/A1B2-C3D4", "wb").write(head)'
)
# What a look at a node may leave on it: Ansible's own scratch directory, logs, and the caches of programs.
NO_CHANGE = r"^/(root/\.ansible|run|tmp|var/log|var/tmp|var/cache/ldconfig|etc/pve)"
# Everything else: files with content's size and time, links with their targets, modes and owners; packages, modules, device nodes, units.
STATE = f"""
find / -xdev -type d -printf '%p %y %m %U:%G\\n' -o -printf '%p %y %m %U:%G %s %T@ %l\\n' | grep -vE '{NO_CHANGE}' | sort
find /etc/pve/lxc/ /etc/pve/qemu-server/ -type f -exec sha256sum {{}} + 2>/dev/null
find /dev -type c -printf '%p %m %U:%G\\n' | grep -v /dev/pts | sort
dpkg --get-selections; dpkg-query --show
ls /sys/module
systemctl list-unit-files --no-legend
systemctl list-units --no-legend --plain --type=service --state=active,failed | grep -v ^user
"""


def cdi_validator():
    """Return the validator of CDI's own schema, which is kept beside the checkout."""
    found = [parent / "shared/data" for parent in Path(__file__).parents if (parent / "shared/data/cdi.schema.json").exists()]
    if not found:
        pytest.skip("CDI's schema (shared/data/cdi.schema.json beside the checkout) is not on this machine")
    schema, definitions = (json.loads((found[0] / f"cdi.{name}.json").read_text(encoding="utf-8")) for name in ("schema", "defs"))
    registry = Registry().with_resource("defs.json", Resource.from_contents({"$schema": schema["$schema"], **definitions}))
    return Draft7Validator(schema, registry=registry)


class Machine:
    """A node with one machine's hardware and a project that knows it."""

    def __init__(self, name):
        self.lab = up(LAB, name)
        self.project = LabProject(self.lab)
        self.project.make()

    def shell(self, script, *, check=True):
        options = ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR"]
        command = ["ssh", *options, "-i", self.lab.key, f"root@{self.lab.node_address}", script]
        return subprocess.run(command, check=check, capture_output=True, text=True, timeout=300).stdout

    def setup(self, *options):
        done = self.project.run("node", "setup-gpu", NODE, "--json", *options, check=False)
        return done.returncode, json.loads(done.stdout)

    def state(self):
        said = self.shell(STATE)
        assert said.count("\n") > 1000
        return said

    def changes_only_with_consent(self, *options, said):
        """Have a driver replaced: refused without consent, naming the container with the GPU, then done, with the reboot that was announced."""
        if "jellyfin" not in self.shell("pct list"):
            trouble.cause(self.lab, "stranger", vmid=150, hostname="jellyfin")
            self.shell("pct set 150 -dev0 /dev/nvidia0")
        before = self.state()
        for more in (["--check"], [], ["--reboot"]):
            status, answer = self.setup(*options, *more)
            assert (status, answer["refusal"]["code"]) == (3, "driver_change_unconfirmed")
            assert said in answer["refusal"]["message"]
            assert "CT 150 (jellyfin)" in answer["refusal"]["message"]
        reboots = "The node needs a reboot." in answer["refusal"]["message"]
        status, answer = self.setup(*options, "--check", "--yes")
        assert (status, answer["changed"] > 0) == (0, True)
        assert self.state() == before
        boot = self.shell("cat /proc/sys/kernel/random/boot_id")
        status, answer = self.setup(*options, "--yes", "--reboot")
        assert (status, answer["changed"] > 0) == (0, True), answer
        assert (self.shell("cat /proc/sys/kernel/random/boot_id") != boot) == reboots
        assert self.setup()[1]["changed"] == 0

    @property
    def record(self):
        file = self.project.path / "nodes" / NODE / "gpu.yml"
        return file.read_text(encoding="utf-8") if file.exists() else None


@pytest.fixture
def machine():
    down(LAB)  # what a killed run may have left
    yield Machine
    down(LAB)


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("rtx_3090_bound_to_vfio", "vfio_bound"),
        ("rtx_3060_with_secure_boot_on", "secure_boot_enabled"),
        ("n100_only", "integrated_only"),
        ("rx_580", "unsupported_arch"),
        ("gtx_1060_with_6_gib", "below_vram_floor"),
    ],
)
def test_a_node_that_is_refused_stays_as_it_was(machine, name, code):
    refused = machine(name)
    before = refused.state()
    status, said = refused.setup("--check")
    assert (status, said["refusal"]["code"]) == (3, code)
    status, said = refused.setup()
    assert (status, said["refusal"]["code"]) == (3, code)
    assert refused.state() == before
    assert refused.record is None


def test_a_card_that_nouveau_holds_is_set_up_after_a_reboot(machine):
    held = machine("rtx_3060_with_nouveau_bound")
    status, said = held.setup()
    assert (status, "reboot the node" in said["error"]["message"]) == (1, True)
    assert held.record is None
    assert held.shell("ls /usr/bin/nvidia-smi", check=False) == ""  # the installer cannot run beside nouveau: all of it is left for after the reboot
    boot = held.shell("cat /proc/sys/kernel/random/boot_id")
    status, said = held.setup("--reboot")
    assert (status, said["changed"] > 0) == (0, True), said
    since = held.shell("cat /proc/sys/kernel/random/boot_id")
    assert since != boot
    assert f"driver_version: {VERSION}" in held.record
    assert held.setup("--reboot")[1]["changed"] == 0
    assert held.shell("cat /proc/sys/kernel/random/boot_id") == since


@pytest.mark.parametrize(
    ("name", "options", "expected"),
    [
        ("gtx_1080", [], "source: run\n  kernel_modules: proprietary\n"),  # Pascal has no open modules
        ("rtx_5090", [], "source: run\n  kernel_modules: open\n"),  # Blackwell has no others
        ("rtx_3060", ["--driver-branch", "590"], "source: nvidia_repo\n  kernel_modules: open\n"),
    ],
    ids=["pascal", "blackwell", "from the repository"],
)
def test_a_card_is_set_up_once_and_keeps_its_nodes_over_a_restart(machine, name, options, expected):
    card = machine(name)
    assert card.setup(*options)[0] == 0
    assert expected in card.record
    assert card.setup()[1]["changed"] == 0
    restart(LAB)
    assert card.shell("ls /dev/nvidia0 /dev/nvidiactl /dev/nvidia-uvm").split() == ["/dev/nvidia-uvm", "/dev/nvidia0", "/dev/nvidiactl"]
    assert card.setup()[1]["changed"] == 0


def test_a_full_boot_is_said_before_anything_changes_and_with_room_the_next_run_finishes(machine):
    full = machine("rtx_3060_with_nouveau_bound")  # whose boot images must be rebuilt without it
    full.shell("apt-get -qq update && apt-get -qqy --no-install-recommends install initramfs-tools")
    full.shell("mount -t tmpfs -o size=3m tmpfs /boot && head -c 2M /dev/zero > /boot/initrd.img-6.17.2-1-pve")
    before = full.state()
    for options in (["--check"], []):
        status, said = full.setup(*options)
        assert (status, said["refusal"]["code"]) == (3, "boot_full")
        assert "/boot is full: 1 MiB are free" in said["refusal"]["message"]
        assert "apt-get purge proxmox-kernel-VERSION-pve-signed" in said["refusal"]["hint"]
    assert full.state() == before
    full.shell("umount /boot")
    full.shell(f"mkdir -p /etc/kernel /dev/disk/by-uuid && echo A1B2-C3D4 > /etc/kernel/proxmox-boot-uuids && python3 -c '{FULL_ESP}'")
    status, said = full.setup("--check")
    assert (status, said["refusal"]["code"]) == (3, "boot_full")
    assert "The boot partition A1B2-C3D4 of proxmox-boot-tool is full: 0 MiB are free" in said["refusal"]["message"]
    full.shell("mv /etc/kernel/proxmox-boot-uuids /tmp")
    status, said = full.setup()
    assert (status, "reboot the node" in said["error"]["message"]) == (1, True)
    full.shell("mv /tmp/proxmox-boot-uuids /etc/kernel")  # full again, but the images are rebuilt, and only the reboot is left
    status, said = full.setup()
    assert (status, "reboot the node" in said["error"]["message"]) == (1, True)
    full.shell("rm /etc/kernel/proxmox-boot-uuids /dev/disk/by-uuid/A1B2-C3D4")
    restart(LAB)
    assert full.setup()[0] == 0


def test_what_goes_wrong_on_the_way_is_said_and_the_next_run_finishes(machine):
    waiting = machine("rtx_3060_with_a_newer_kernel_waiting")
    before = waiting.state()
    status, said = waiting.setup("--check")
    assert (status, said["changed"] > 0) == (0, True)
    waiting.shell(f"mkdir -p {LEFT} && touch {LEFT}/modules.order")
    for options in (["--check"], []):
        status, said = waiting.setup(*options)
        assert (status, said["refusal"]["code"]) == (3, "kernel_headers_missing")
        assert "apt-get purge proxmox-kernel-6.8.12-1-pve-signed" in said["refusal"]["hint"]
    waiting.shell(f"rm -r {LEFT}")
    assert waiting.state() == before

    waiting.shell(f"mv {FREE} /tmp && printf '{UNPAID}' > {FREE}")
    for options in (["--check"], []):
        status, said = waiting.setup(*options)
        assert (status, said["refusal"]["code"]) == (3, "kernel_headers_missing")
        assert "https://enterprise.proxmox.com/debian/pve/dists/trixie/InRelease  401  Unauthorized" in said["refusal"]["message"]
        assert "the node > Updates > Repositories > Add > No-Subscription" in said["refusal"]["hint"]
    waiting.shell(f"mv /tmp/proxmox.sources {FREE}")
    assert waiting.state() == before

    file = services.www(waiting.lab) / f"download.nvidia.com/XFree86/Linux-x86_64/{VERSION}/NVIDIA-Linux-x86_64-{VERSION}.run"
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    status, said = waiting.setup()
    assert (status, "is damaged or was cut off" in said["error"]["message"]) == (1, True)
    assert waiting.shell("ls /usr/bin/nvidia-smi /var/cache/psw/nvidia", check=False).split() == ["/var/cache/psw/nvidia:"]
    assert waiting.shell("dpkg -l dkms proxmox-default-headers 2>/dev/null | grep -c ^ii", check=False).strip() == "0"
    file.write_bytes(whole)

    waiting.shell("apt-get -qq update && apt-get -qqy --no-install-recommends install proxmox-headers-6.17.2-1-pve")
    headers = "/usr/src/linux-headers-6.17.2-1-pve/include"
    waiting.shell(f"mv {headers} {headers}.away")
    status, said = waiting.setup()
    assert (status, "Failed to install the kernel module through DKMS" in said["error"]["message"]) == (1, True)
    assert waiting.record is None
    waiting.shell(f"mv {headers}.away {headers}")

    headers = "/usr/src/linux-headers-6.17.4-2-pve/include"  # of the kernel that the next boot would take
    waiting.shell(f"mv {headers} {headers}.away")
    status, said = waiting.setup()
    assert (status, "building the NVIDIA module for kernel 6.17.4-2-pve" in said["error"]["message"]) == (1, True)
    assert f"(log: /var/lib/dkms/nvidia/{VERSION}/build/make.log)" in said["error"]["message"]
    assert waiting.record is None
    waiting.shell(f"mv {headers}.away {headers}")

    waiting.shell("apt-get -qqy install proxmox-kernel-6.17")  # an opt-in kernel's package, which the next upgrade follows
    assert waiting.setup()[0] == 0
    assert waiting.shell("dpkg-query -Wf '${db:Status-Status}' proxmox-headers-6.17") == "installed"
    assert waiting.setup()[1]["changed"] == 0
    for kernel in ("6.17.2-1-pve", "6.17.4-2-pve"):
        assert waiting.shell(f"modinfo -k {kernel} -F vermagic nvidia").split()[0] == kernel


def test_a_driver_from_the_repository_survives_a_broken_download_is_held_and_makes_way_for_the_run_file_with_consent(machine):
    packaged = machine("rtx_3060")  # whose kernel the older package still builds for
    deb = services.www(packaged.lab) / nvidia_packages.PLACE / f"nvidia-kernel-open-dkms_{OLDER_PACKAGE}-1_amd64.deb"
    whole = deb.read_bytes()
    deb.write_bytes(whole[: len(whole) // 2])
    status, said = packaged.setup("--driver-version", OLDER_PACKAGE)
    assert (status, "apt cannot install" in said["error"]["message"]) == (1, True)
    assert packaged.shell("ls /usr/bin/nvidia-smi", check=False) == ""
    deb.write_bytes(whole)

    headers = packaged.shell("echo /usr/src/linux-headers-$(uname -r)/include/generated").strip()  # without all of them DKMS would not even begin
    packaged.shell(f"mv {headers} {headers}.away")
    status, said = packaged.setup("--driver-version", OLDER_PACKAGE)
    message = said["error"]["message"]
    assert (status, "Error! Bad return status for module build on kernel: " in message) == (1, True)
    assert f"Consult /var/lib/dkms/nvidia/{OLDER_PACKAGE}/build/make.log" in message
    assert "--driver-version VERSION; with --driver-source run" in message
    packaged.shell(f"mv {headers}.away {headers}")

    assert packaged.setup("--driver-version", OLDER_PACKAGE)[0] == 0  # from half-configured packages
    assert f"driver_version: {OLDER_PACKAGE}\n  source: nvidia_repo\n  kernel_modules: open\n" in packaged.record
    assert packaged.setup()[1]["changed"] == 0

    upgrade = "apt-get -qq update && apt-get -s {} dist-upgrade | grep -E '^Inst (nvidia|libcuda|firmware-nvidia)' || :"
    assert packaged.shell(upgrade.format("")) == ""
    without_pins = packaged.shell(upgrade.format("-o Dir::Etc::PreferencesParts=/nowhere"))
    for held in ("libcuda1 [590.44.01-1] (610.43.03-1", "firmware-nvidia-gsp [590.44.01-1] (610.43.03-1", "nvidia-container-toolkit-base [1.20.0-1] (1.21.0-1"):
        assert f"Inst {held}" in without_pins  # there is something to be held against

    packaged.changes_only_with_consent("--driver-branch", "580", said=f"is a downgrade of the installed {OLDER_PACKAGE}")
    assert f"driver_version: {VERSION}\n  source: run\n  kernel_modules: open\n" in packaged.record
    assert packaged.shell("ls /etc/apt/sources.list.d /etc/apt/keyrings | grep nvidia").split() == REPOSITORY_LEFT
    assert packaged.shell("dpkg -l 'nvidia-*' libcuda1 2>/dev/null | grep ^ii | grep -v toolkit", check=False) == ""


@pytest.mark.skipif(not os.environ.get("PSW_FULL"), reason="five drivers, each built and booted: PSW_FULL=1 runs them")
def test_every_kind_of_change_is_shown_refused_and_done_with_consent(machine):
    card = machine("rtx_3060")
    assert card.setup()[0] == 0
    card.changes_only_with_consent("--driver-version", "580.178.04", said=f"is an upgrade of the installed {VERSION}")
    card.changes_only_with_consent("--driver-version", "580.142", said="is a downgrade of the installed 580.178.04")
    card.changes_only_with_consent("--kernel-modules", "proprietary", said="580.142 (proprietary kernel modules, from NVIDIA's .run file) replaces")
    card.changes_only_with_consent("--driver-version", OLDER_PACKAGE, said="from packages) is an upgrade of the installed 580.142")
    card.changes_only_with_consent("--driver-version", "590.48.01", said=f"is an upgrade of the installed {OLDER_PACKAGE}")
    card.changes_only_with_consent("--driver-source", "run", said="590.48.01 (proprietary kernel modules, from NVIDIA's .run file) replaces")
    assert card.shell("ls /etc/apt/sources.list.d /etc/apt/keyrings | grep nvidia").split() == REPOSITORY_LEFT


def test_libraries_that_do_not_fit_take_the_gpu_away_from_podman_until_a_converge(project, machines):
    project.run("deploy", "converge")
    libraries, spec = "/usr/lib/x86_64-linux-gnu", "/etc/cdi/nvidia.yaml"
    machines.target("ollama", f"cp {libraries}/libcuda.so.{VERSION} {libraries}/libcuda.so.580.142 && ln -sfn libcuda.so.580.142 {libraries}/libcuda.so.1")
    assert machines.target("ollama", "systemctl restart psw-nvidia-cdi", check=False).returncode != 0
    said = machines.target("ollama", "journalctl -u psw-nvidia-cdi --no-pager -n 20").stdout
    assert f"psw: userspace: the node runs NVIDIA {VERSION}, this container has 580.142; run: psw deploy converge" in said
    assert machines.target("ollama", f"test -e {spec}", check=False).returncode != 0
    shown = project.run("deploy", "converge", "--check", "--diff").stdout
    assert "-driver: 580.142 (run)" in shown
    assert f"+driver: {VERSION} (run)" in shown
    machines.target("ollama", f"cp {libraries}/libcuda.so.{VERSION} {libraries}/libcuda.so.590.48.01 && ldconfig")  # wins again after every converge
    done = project.run("deploy", "converge", "--json", check=False)
    refusal = json.loads(done.stdout)["refusal"]
    assert (done.returncode, refusal["code"]) == (3, "other_driver_libraries")
    assert f"programs load the newest: {libraries}/libcuda.so.590.48.01." in refusal["message"]
    machines.target("ollama", refusal["hint"].partition(": ")[2].partition(". Then")[0])
    project.run("deploy", "converge")
    assert f"libcuda.so.{VERSION}" in machines.target("ollama", f"cat {spec}").stdout


@pytest.mark.skipif(not os.environ.get("PSW_FULL"), reason="a deleted one is among the drifts, and a stale one among the doctor's faults")
def test_a_description_of_the_gpu_that_does_not_fit_is_shown_and_healed_while_the_app_runs_on(project, machines):
    project.run("deploy", "converge")
    started = "systemctl show --property=ActiveEnterTimestampMonotonic ollama.service"
    since = machines.target("ollama", started).stdout
    machines.target("ollama", f"sed -i s/{VERSION}/580.142/ /etc/cdi/nvidia.yaml")
    shown = project.run("deploy", "converge", "--check", "--diff").stdout
    before = r"-nvidia.com/gpu with driver 580\.142, and without [^\n]*/libnvidia-ml\.so\.580\.142\b[^\n]*\n"
    assert re.search(rf"{before}\+nvidia.com/gpu with driver {re.escape(VERSION)}\n", shown)
    project.run("deploy", "converge")
    assert f"libcuda.so.{VERSION}" in machines.target("ollama", "cat /etc/cdi/nvidia.yaml").stdout
    assert machines.target("ollama", started).stdout == since


def test_the_descriptions_of_the_gpu_are_valid_on_the_node_and_in_a_target(project, machines):
    project.run("deploy", "converge")
    for text in (machines.node("cat /etc/cdi/nvidia.yaml").stdout, machines.target("ollama", "cat /etc/cdi/nvidia.yaml").stdout):
        spec = yaml.safe_load(text)
        assert list(cdi_validator().iter_errors(spec)) == []
        assert {"0", "all"} <= {device["name"] for device in spec["devices"]}


def test_a_description_that_the_node_lost_is_healed_by_setup(project, machines):
    machines.node("rm /etc/cdi/nvidia.yaml")
    assert project.json("node", "setup-gpu", NODE)["changed"] == 1
    assert f"libcuda.so.{VERSION}" in machines.node("cat /etc/cdi/nvidia.yaml").stdout
    assert project.json("node", "setup-gpu", NODE)["changed"] == 0
