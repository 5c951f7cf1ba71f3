"""`pvesm`: storages from the node's command line."""

from .args import parse
from .client import ApiError, door, node, request


def run(argv: list[str]) -> int:
    """Do what the command line says."""
    name, words = (argv[0], argv[1:]) if argv else ("", [])
    if name == "status":
        rows = request("GET", f"/nodes/{node()}/storage", parse(words, ()))
        print(f"{'Name':<16} {'Type':>8} {'Status':>10} {'Total (KiB)':>14} {'Used (KiB)':>14} {'Available (KiB)':>16} {'%':>8}")
        for row in sorted(rows, key=lambda row: str(row["storage"])):
            total, used, free = (int(row.get(key, 0)) // 1024 for key in ("total", "used", "avail"))
            share = f"{100 * used / total:.2f}%" if total else "N/A"
            print(f"{row['storage']:<16} {row['type']:>8} {'active' if row.get('active') else 'inactive':>10} {total:>14} {used:>14} {free:>16} {share:>8}")
    elif name == "list":
        params = parse(words, ("storage",))
        rows = request("GET", f"/nodes/{node()}/storage/{params.pop('storage')}/content", params)
        print(f"{'Volid':<60} {'Format':<8} {'Type':<10} {'Size':>14} VMID")
        for row in rows:
            print(f"{row['volid']:<60} {row['format']:<8} {row['content']:<10} {row['size']:>14} {row.get('vmid', '')}")
    elif name in {"add", "set", "remove"}:
        method, positional, path = {"add": ("POST", ("type", "storage"), ""), "set": ("PUT", ("storage",), "/{}"), "remove": ("DELETE", ("storage",), "/{}")}[
            name
        ]
        params = parse(words, positional)
        request(method, f"/storage{path.format(params.pop('storage'))}" if path else "/storage", params)
    elif name == "path":
        volume = parse(words, ("volume",))["volume"]
        storage = volume.partition(":")[0]
        print(request("GET", f"/nodes/{node()}/storage/{storage}/content/{volume}")["path"])
    else:
        raise ApiError(f"ERROR: unknown command 'pvesm {name}'")
    return 0


def main(argv: list[str]) -> int:
    """Run `pvesm`."""
    return door(run, argv)
