# SPDX-License-Identifier: GPL-3.0-or-later
"""``psw node``: the Proxmox VE nodes, and what psw knows of their GPUs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click
from ansible_collections.psw.ai.plugins.plugin_utils._errors import PswError
from ansible_collections.psw.ai.plugins.plugin_utils._wishes import other_users

from psw_cli.base import Nouns, Settings, Verb
from psw_cli.failures import refused
from psw_cli.output import fields, result, table
from psw_cli.play import Job, perform
from psw_cli.projects import alone, opened
from psw_cli.summary import of_run

if TYPE_CHECKING:
    from ansible_collections.psw.ai.plugins.plugin_utils._project import Project

PLAYBOOK = "psw.ai.setup_gpu"
COMMANDS = {
    "add": ("psw_cli.node:add", "Name a node and where it is."),
    "list": ("psw_cli.node:list_", "Show the nodes and their GPUs."),
    "show": ("psw_cli.node:show", "Show what psw found on a node, and its verdict."),
    "setup-gpu": ("psw_cli.node:setup_gpu", "Find a node's GPU, install its driver, and record both."),
}


@click.command(cls=Nouns, table=COMMANDS)
def node() -> None:
    """Proxmox VE nodes and their GPUs."""


def names_of(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """Return the nodes that begin like this, for the shell's completion."""
    try:
        nodes = opened(ctx.ensure_object(Settings)).wishes["nodes"]
    except PswError:
        return []  # whoever presses Tab is not told what is wrong with the project
    return [name for name in nodes if name.startswith(incomplete)]


@click.command(cls=Verb)
@click.argument("name")
@click.option("--host", required=True, help="Its address: an IP address or a DNS name.")
@click.option("--user", help="Who logs in by SSH: root; others are not built yet.")
@click.option("--port", type=click.IntRange(1, 65535), help="The port of SSH (default: 22).")
@click.option("--ssh-key", metavar="FILE", help="The private key for SSH (default: what ssh uses by itself).")
@click.pass_obj
def add(settings: Settings, /, name: str, host: str, **options: Any) -> None:
    """Name a node and where it is.

    Its name in psw.yml should be its name in Proxmox VE.
    """
    with alone(settings) as project:
        changed = project.add_node(name, host, **options)
        entry = project.node(name)
    text = f"{'added' if changed else 'nothing to add: there was'} {name} at {host}\nnext: psw node setup-gpu {name}"
    result(settings, {"changed": changed, "node": {"name": name, **entry}}, text)


@click.command("list", cls=Verb)
@click.pass_obj
def list_(settings: Settings) -> None:
    """Show the nodes and their GPUs."""
    project = opened(settings)
    nodes = [_summary(project, name) for name in project.wishes["nodes"]]
    rows = [(node["name"], node["host"], node["vendor"], node["gpus"], node["recorded_at"]) for node in nodes]
    text = table(("node", "address", "vendor", "gpu", "recorded"), rows) if nodes else "no nodes yet; add one with: psw node add NAME --host ADDRESS"
    result(settings, {"nodes": nodes}, text)


@click.command(cls=Verb)
@click.argument("name", shell_complete=names_of)
@click.pass_obj
def show(settings: Settings, name: str) -> None:
    """Show what psw found on a node, and its verdict."""
    project = opened(settings)
    entry, record = project.node(name), project.records.get(name)
    verdict = _verdict(project, name)
    facts: list[tuple[str, object]] = [("node", name), ("address", f"{entry['user']}@{entry['host']}:{entry['port']}")]
    tables = ""
    if record:
        facts += [(key.replace("_", " "), record[key]) for key in ("recorded_at", "kernel", "secure_boot", "vendor")]
        facts += [(key.replace("_", " "), value) for key, value in record[record["vendor"]].items()]
        rows = [(gpu["address"], gpu.get("name"), gpu.get("arch"), gpu.get("vram_mib"), gpu["usable_mib"], gpu.get("vram_source")) for gpu in record["gpus"]]
        tables = "\n\n" + table(("gpu", "name", "arch", "vram mib", "usable mib", "seen by"), rows)
    if record and "host" in record:
        host = record["host"]
        facts += [("cores", host["cores"]), ("memory", f"{host['memory_mib']} MiB")]
        pools = [(pool["name"], pool["link"], pool["free_gib"], "yes" if pool["suitable"] else f"not by itself: {pool['reason']}") for pool in host["pools"]]
        tables += "\n\n" + table(("zfs pool", "link gt/s", "free gib", "for models"), pools) if pools else ""
    text = fields([*facts, ("verdict", verdict["message"])]) + tables
    result(settings, {"node": {"name": name, **entry}, "record": record, "verdict": verdict}, text)


@click.command("setup-gpu", cls=Verb, ansible_args=True)
@click.argument("name", shell_complete=names_of)
@click.option("--check", is_flag=True, help="Show what would change, change nothing.")
@click.option("--diff", is_flag=True, help="Show how files change.")
@click.option("--reboot", is_flag=True, help="Reboot the node where only that makes the driver work, wait for it, and go on.")
@click.option("--driver-version", metavar="VERSION", help="NVIDIA: another version than the recorded one, or psw's default.")
@click.option("--driver-branch", metavar="BRANCH", help="NVIDIA: another branch, such as 590.")
@click.option("--driver-source", type=click.Choice(["auto", "nvidia_repo", "run"]), help="NVIDIA: from the signed repository, or the .run file.")
@click.option("--kernel-modules", type=click.Choice(["auto", "open", "proprietary"]), help="NVIDIA: the flavour of the kernel modules.")
@click.pass_obj
def setup_gpu(settings: Settings, /, name: str, check: bool, diff: bool, reboot: bool, **driver: str | None) -> None:  # noqa: FBT001 - click's flags
    """Find a node's GPU, install its driver, and record both.

    Safe to repeat at any time. The record is nodes/NAME/gpu.yml; `psw deploy converge` relies on it. Replacing a driver by another
    one is refused with what it means and for whom, until --yes agrees to it.
    """
    wishes = {f"psw_{option}": value for option, value in driver.items() if value}
    agreed = {key: True for key, value in (("psw_replace_driver", settings.yes), ("psw_reboot", reboot)) if value}
    with alone(settings) as project:
        if refusals := other_users({name: project.node(name)}):
            raise refused(refusals)
        args = ("--limit", f"{name},localhost", *(["--check"] if check else []), *(["--diff"] if diff else []))
        args += ("--extra-vars", json.dumps(wishes | agreed)) if wishes or agreed else ()
        report = perform(project, settings, Job("node-setup-gpu", PLAYBOOK, f"psw node setup-gpu {name}", args, secrets=False))
        after = opened(settings)
        record, verdict = after.records.get(name), _verdict(after, name)
    data = {"check": check, "node": name, **report, "record": record, "verdict": verdict}
    result(settings, data, f"{of_run(report, check=check)}\n{name}: {verdict['message']}")


def _summary(project: Project, name: str) -> dict[str, Any]:
    record: dict[str, Any] = project.records.get(name, {})
    cards = [gpu.get("name") or gpu["address"] for gpu in record.get("gpus", [])]
    host = project.wishes["nodes"][name]["host"]
    return {"name": name, "host": host, "vendor": record.get("vendor"), "gpus": cards, "recorded_at": record.get("recorded_at")}


def _verdict(project: Project, name: str) -> dict[str, Any]:
    """Say whether apps that need a GPU can run on the node, going by its record."""
    record = project.records.get(name)
    if record is None:
        return {"ready": False, "code": "node_not_set_up", "message": f"no GPU is recorded; run: psw node setup-gpu {name}"}
    usable = sum(gpu["usable_mib"] for gpu in record["gpus"])
    return {"ready": True, "code": "ok", "message": f"ready: {usable} MiB of GPU memory for models"}
