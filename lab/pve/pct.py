"""`pct`: containers from the node's command line."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from . import guest
from .args import UsageError, parse
from .client import ApiError, door, finish, is_task, node, request
from .lxcconf import ROOT_ID

# command: positional parameters, method, path below /nodes/<node>/lxc
API = {
    "create": (("vmid", "ostemplate"), "POST", ""),
    "set": (("vmid",), "PUT", "/{vmid}/config"),
    "config": (("vmid",), "GET", "/{vmid}/config"),
    "pending": (("vmid",), "GET", "/{vmid}/pending"),
    "status": (("vmid",), "GET", "/{vmid}/status/current"),
    "start": (("vmid",), "POST", "/{vmid}/status/start"),
    "stop": (("vmid",), "POST", "/{vmid}/status/stop"),
    "shutdown": (("vmid",), "POST", "/{vmid}/status/shutdown"),
    "reboot": (("vmid",), "POST", "/{vmid}/status/reboot"),
    "destroy": (("vmid",), "DELETE", "/{vmid}"),
    "resize": (("vmid", "disk", "size"), "PUT", "/{vmid}/resize"),
    "snapshot": (("vmid", "snapname"), "POST", "/{vmid}/snapshot"),
    "listsnapshot": (("vmid",), "GET", "/{vmid}/snapshot"),
    "delsnapshot": (("vmid", "snapname"), "DELETE", "/{vmid}/snapshot/{snapname}"),
    "rollback": (("vmid", "snapname"), "POST", "/{vmid}/snapshot/{snapname}/rollback"),
    "list": ((), "GET", ""),
}
COMMANDS = sorted([*API, "exec", "push", "pull", "enter", "console", "unlock", "cpusets"])


def call(name: str, words: list[str]) -> Any:
    """Make the API request that a command stands for."""
    positional, method, path = API[name]
    params = parse(words, positional)
    if "ssh-public-keys" in params:
        try:
            params["ssh-public-keys"] = Path(params["ssh-public-keys"]).read_text(encoding="utf-8")
        except OSError as error:
            raise ApiError(f"unable to open file '{params['ssh-public-keys']}' - {error.strerror}") from error
    target = f"/nodes/{node()}/lxc{path}"
    for key in ("vmid", "snapname"):
        if f"{{{key}}}" in path:
            target = target.replace(f"{{{key}}}", params.pop(key))
    data = request(method, target, params)
    if is_task(data):
        finish(data)
    return data


def _pending(row: dict[str, Any]) -> list[str]:
    lines = [f"cur {row['key']}: {row['value']}"] if "value" in row else []
    lines += [f"new {row['key']}: {row['pending']}"] if "pending" in row else []
    return [*lines, f"del {row['key']}"] if row.get("delete") else lines


def shown(name: str, words: list[str], data: Any) -> list[str]:
    """Return the lines that a reading command prints."""
    if name == "config":
        return [f"{key}: {str(data[key]).rstrip().replace(chr(10), '%0A')}" for key in sorted(data) if key != "digest"]
    if name == "pending":
        return [line for row in data for line in _pending(row) if row["key"] != "digest"]
    if name == "status":
        verbose = any(word.lstrip("-").startswith("verbose") for word in words)
        return [f"{key}: {data[key]}" for key in (sorted(data) if verbose else ["status"])]
    if name == "list" and data:
        rows = [f"{row['vmid']:<10} {row['status']:<10} {row.get('lock', ''):<12} {row['name']:<20}" for row in sorted(data, key=lambda row: int(row["vmid"]))]
        return [f"{'VMID':<10} {'Status':<10} {'Lock':<12} {'Name':<20}", *rows]
    if name == "listsnapshot":
        return [f"`-> {row['name']:<20} {row.get('description', '')}" for row in data]
    return []


def _need_running(vmid: str) -> int:
    request("GET", f"/nodes/{node()}/lxc/{vmid}/status/current")
    init = guest.pid(int(vmid))
    if init is None:
        raise ApiError(f"container '{vmid}' not running!")
    return init


def execute(words: list[str]) -> int:
    """`pct exec <vmid> [--keep-env] [--] command…`: become lxc-attach, so that streams and exit code are the command's."""
    if not words:
        raise UsageError("not enough arguments")
    vmid, *rest = words
    keep = True
    while rest and rest[0].startswith("-"):
        option = rest.pop(0)
        if option == "--":
            break
        if option.startswith("--keep-env"):
            value = option.partition("=")[2] or (rest.pop(0) if rest and rest[0] in {"0", "1"} else "1")
            keep = value == "1"
    if not rest:
        raise UsageError("missing command")
    _need_running(vmid)
    command = ["lxc-attach", "-n", vmid, "--keep-env" if keep else "--clear-env", "--", *rest]
    sys.stdout.flush()
    os.execvp(command[0], command)  # noqa: S606 - becoming it is the point


def copy(name: str, words: list[str]) -> int:
    """`pct push <vmid> <file> <destination>` and `pct pull <vmid> <path> <destination>`."""
    first, second = ("file", "destination") if name == "push" else ("path", "destination")
    params = parse(words, ("vmid", first, second))
    init = _need_running(params["vmid"])
    inside = ["lxc-attach", "-n", params["vmid"], "--clear-env", "--"]
    if name == "pull":
        done = subprocess.run([*inside, "cat", params["path"]], capture_output=True, check=False)
        if done.returncode != 0:
            raise ApiError(f"failed to open {params['path']}: {done.stderr.decode().strip()}")
        Path(params["destination"]).write_bytes(done.stdout)
        return 0
    target = params["destination"]
    try:
        content = Path(params["file"]).read_bytes()
    except OSError as error:
        raise ApiError(f"failed to open {params['file']} for reading: {error.strerror}") from error
    script = 'cat > "$1" && chmod "$2" "$1" && chown "$3:$4" "$1"'
    own = [target, params.get("perms", "0644"), params.get("user", "0"), params.get("group", "0")]
    done = subprocess.run([*inside, "sh", "-c", script, "sh", *own], input=content, capture_output=True, check=False)
    if done.returncode != 0:
        raise ApiError(f"failed to create file: {target}: {done.stderr.decode().strip()} (init {init}, root is {ROOT_ID})")
    return 0


def unlock(words: list[str]) -> int:
    """Take the lock out of a container's config file; as on a real node the API has no call for it, and only root may."""
    file = Path(f"/etc/pve/lxc/{words[0]}.conf")
    try:
        lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
    except OSError as error:
        raise ApiError(f"Configuration file 'nodes/{node()}/lxc/{words[0]}.conf' does not exist") from error
    file.write_text("".join(line for line in lines if not line.startswith("lock:")), encoding="utf-8")
    return 0


def run(argv: list[str]) -> int:
    """Do what the command line says."""
    if not argv or argv[0] in {"help", "--help", "-h"}:
        print("USAGE: pct <COMMAND> [ARGS] [OPTIONS]\n" + "\n".join(f"       pct {name}" for name in COMMANDS), file=sys.stderr)
        return 0 if argv else 255
    name, words = argv[0], argv[1:]
    try:
        if name == "exec":
            return execute(words)
        if name in {"push", "pull"}:
            return copy(name, words)
        if name == "unlock":
            return unlock(words)
        if name in {"enter", "console"}:
            os.execvp("lxc-attach", ["lxc-attach", "-n", words[0]])  # noqa: S606 - as in execute
        if name not in API:
            raise ApiError(f"ERROR: unknown command 'pct {name}'")
        print("".join(f"{line}\n" for line in shown(name, words, call(name, words))), end="")
    except UsageError as error:
        raise ApiError(f"400 {error}\npct {name} [ARGS] [OPTIONS]") from error
    return 0


def main(argv: list[str]) -> int:
    """Run `pct`."""
    return door(run, argv)
