"""`pveam`: container templates from the node's command line."""

from .args import parse
from .client import ApiError, door, finish, node, request


def run(argv: list[str]) -> int:
    """Do what the command line says."""
    name, words = (argv[0], argv[1:]) if argv else ("", [])
    if name == "update":
        print("update successful")
    elif name == "available":
        wanted = parse(words, ()).get("section")
        for row in request("GET", f"/nodes/{node()}/aplinfo"):
            if wanted in {None, row["section"]}:
                print(f"{row['section']:<15} {row['template']}")
    elif name == "list":
        params = parse(words, ("storage",))
        print(f"{'NAME':<60} SIZE")
        for row in request("GET", f"/nodes/{node()}/storage/{params['storage']}/content", {"content": "vztmpl"}):
            print(f"{row['volid']:<60} {row['size'] / 2**20:.2f}MB")
    elif name == "download":
        finish(request("POST", f"/nodes/{node()}/aplinfo", parse(words, ("storage", "template"))))
    elif name == "remove":
        volume = parse(words, ("volume",))["volume"]
        request("DELETE", f"/nodes/{node()}/storage/{volume.partition(':')[0]}/content/{volume}")
    else:
        raise ApiError(f"ERROR: unknown command 'pveam {name}'")
    return 0


def main(argv: list[str]) -> int:
    """Run `pveam`."""
    return door(run, argv)
