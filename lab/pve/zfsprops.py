"""OpenZFS 2.3's native properties: what each accepts, defaults to and prints. Pure.

The tables follow zfsprops.7 and libzfs's wording, so that a value that a real node refuses is refused here with the same words.
"""

import re
from dataclasses import dataclass

KIB = 1024
UNITS = "BKMGTPE"
_SUFFIXES = {"": 0, "B": 0, **{f"{unit}{end}": power for power, unit in enumerate("KMGTPE", 1) for end in ("", "B", "IB")}}


class ZfsError(Exception):
    """A refusal in libzfs's words, with the exit code it gives."""

    def __init__(self, text: str, code: int = 1) -> None:
        super().__init__(text)
        self.code = code


@dataclass(frozen=True)
class Property:
    """One native property."""

    default: str
    choices: tuple[str, ...] = ()
    kind: str = "choice"  # choice, size (none allowed), power (of two), path, count, text, readonly
    inherits: bool = True
    hint: str = ""  # libzfs's list of values, where it differs from the choices
    at_creation: bool = False
    least: int = 512
    most: int = 16 << 20


def _switch(default: str, *, inherits: bool = True) -> Property:
    return Property(default, ("on", "off"), inherits=inherits)


_COMPRESSION = ("on", "off", "lzjb", "gzip", *(f"gzip-{n}" for n in range(1, 10)), "zle", "lz4", "zstd", *(f"zstd-{n}" for n in range(1, 20)), "zstd-fast")
_FAST = ("1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "20", "30", "40", "50", "60", "70", "80", "90", "100", "500", "1000")
_CACHE = Property("all", ("all", "none", "metadata"))

PROPERTIES: dict[str, Property] = {
    "recordsize": Property("131072", kind="power"),
    "mountpoint": Property("", kind="path"),
    "sharenfs": Property("off", kind="text"),
    "checksum": Property(
        "on", ("on", "off", "fletcher2", "fletcher4", "sha256", "sha512", "skein", "edonr", "blake3"),
        hint="on | off | fletcher2 | fletcher4 | sha256 | sha512 | skein | edonr | blake3",
    ),
    "compression": Property(
        "on", (*_COMPRESSION, *(f"zstd-fast-{n}" for n in _FAST)),
        hint="on | off | lzjb | gzip | gzip-[1-9] | zle | lz4 | zstd | zstd-[1-19] | zstd-fast | zstd-fast-[1-10,20,30,40,50,60,70,80,90,100,500,1000]",
    ),
    "atime": _switch("on"), "devices": _switch("on"), "exec": _switch("on"), "setuid": _switch("on"), "readonly": _switch("off"), "zoned": _switch("off"),
    "snapdir": Property("hidden", ("disabled", "hidden", "visible")),
    "aclmode": Property("discard", ("discard", "groupmask", "passthrough", "restricted")),
    "aclinherit": Property("restricted", ("discard", "noallow", "restricted", "passthrough", "passthrough-x")),
    "canmount": Property("on", ("on", "off", "noauto"), inherits=False),
    "xattr": Property("sa", ("on", "off", "dir", "sa")),
    "copies": Property("1", ("1", "2", "3")),
    "utf8only": Property("off", ("on", "off"), at_creation=True), "vscan": _switch("off"), "nbmand": _switch("off"),
    "normalization": Property("none", ("none", "formC", "formD", "formKC", "formKD"), at_creation=True),
    "casesensitivity": Property("sensitive", ("sensitive", "insensitive", "mixed"), at_creation=True),
    "sharesmb": Property("off", kind="text"),
    "quota": Property("0", kind="size", inherits=False), "refquota": Property("0", kind="size", inherits=False),
    "reservation": Property("0", kind="size", inherits=False), "refreservation": Property("0", kind="size", inherits=False),
    "primarycache": _CACHE, "secondarycache": _CACHE,
    "logbias": Property("latency", ("latency", "throughput")),
    "dedup": Property(
        "off", ("on", "off", "verify", "sha256", "sha256,verify", "sha512", "sha512,verify", "skein", "skein,verify", "edonr,verify", "blake3",
         "blake3,verify"),
        hint="on | off | verify | sha256[,verify] | sha512[,verify] | skein[,verify] | edonr,verify | blake3[,verify]",
    ),
    "mlslabel": Property("none", kind="text"),
    "sync": Property("standard", ("standard", "always", "disabled")),
    "dnodesize": Property("legacy", ("legacy", "auto", "1k", "2k", "4k", "8k", "16k")),
    "volmode": Property("default", ("default", "full", "geom", "dev", "none")),
    "filesystem_limit": Property("none", kind="count", inherits=False), "snapshot_limit": Property("none", kind="count", inherits=False),
    "snapdev": Property("hidden", ("hidden", "visible")),
    "acltype": Property("off", ("off", "nfsv4", "posix")),
    "relatime": _switch("on"), "overlay": _switch("on"),
    "redundant_metadata": Property("all", ("all", "most", "some", "none")),
    "encryption": Property("off", ("on", "off", "aes-128-ccm", "aes-192-ccm", "aes-256-ccm", "aes-128-gcm", "aes-192-gcm", "aes-256-gcm"), at_creation=True),
    "special_small_blocks": Property("0", kind="power", least=0),
    "prefetch": Property("all", ("all", "none", "metadata")),
    "direct": Property("standard", ("disabled", "standard", "always")),
    "longname": _switch("off"),
}  # fmt: skip
ALIASES = {
    "compress": "compression", "recsize": "recordsize", "avail": "available", "refer": "referenced", "ratio": "compressratio", "reserv": "reservation",
    "refreserv": "refreservation", "rdonly": "readonly",
}  # fmt: skip
VALUE_ALIASES = {"acltype": {"noacl": "off", "posixacl": "posix"}}
READONLY = (
    "type", "creation", "used", "available", "referenced", "compressratio", "mounted", "createtxg", "version", "guid", "usedbysnapshots", "usedbydataset",
    "usedbychildren", "usedbyrefreservation", "objsetid", "refcompressratio", "written", "logicalused", "logicalreferenced", "name",
)  # fmt: skip
SIZES = frozenset(
    ("used", "available", "referenced", "usedbysnapshots", "usedbydataset", "usedbychildren", "usedbyrefreservation", "written", "logicalused",
     "logicalreferenced", "recordsize", "quota", "refquota", "reservation", "refreservation", "special_small_blocks")
)  # fmt: skip


def canonical(name: str) -> str:
    """Return a property's full name for a short one."""
    return ALIASES.get(name, name)


def is_user(name: str) -> bool:
    """Tell whether a name is a user property's: small letters and a colon."""
    return ":" in name and re.fullmatch(r"[a-z0-9:._-]{1,255}", name) is not None


def parse_size(text: str) -> int | None:
    """Return the bytes in a size as zfs reads it, or None."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([A-Za-z]*)", text)
    if not found or found.group(2).upper() not in _SUFFIXES:
        return None
    power = _SUFFIXES[found.group(2).upper()]
    if "." in found.group(1) and power == 0:
        return None
    return int(float(found.group(1)) * KIB**power) if "." in found.group(1) else int(found.group(1)) * KIB**power


def nice(size: int) -> str:
    """Return a size as zfs prints it for people: at most five characters."""
    power = 0
    while size >> (10 * (power + 1)) and power < len(UNITS) - 1:
        power += 1
    unit = UNITS[power]
    if not power or size % KIB**power == 0:
        return f"{size >> (10 * power)}{unit}"
    for digits in (2, 1, 0):
        text = f"{size / KIB**power:.{digits}f}{unit}"
        if len(text) <= 5:  # noqa: PLR2004 - the width of zfs's columns
            return text
    return text


def show(name: str, value: str, *, exact: bool) -> str:
    """Return a stored value as `zfs get` prints it, exactly (-p) or for people."""
    if name in {"quota", "refquota", "reservation", "refreservation"} and value == "0":
        return "0" if exact else "none"
    if exact or name not in SIZES or not value.isdigit() or (name == "special_small_blocks" and value == "0"):
        return value
    return nice(int(value))


def check(name: str, value: str, what: str, *, creating: bool) -> str:
    """Return a value as it is stored; `what` begins the refusal, such as "cannot create 'tank/x'"."""
    if is_user(name):
        return value
    if name in READONLY:
        raise ZfsError(f"{what}: '{name}' is readonly", 1 if not creating else 2)
    known = PROPERTIES.get(name)
    if known is None:
        raise ZfsError(f"{what}: invalid property '{name}'")
    if known.at_creation and not creating:
        raise ZfsError(f"{what}: '{name}' is readonly")
    value = VALUE_ALIASES.get(name, {}).get(value, value)
    if known.kind == "choice" and value not in known.choices:
        raise ZfsError(f"{what}: '{name}' must be one of '{known.hint or ' | '.join(known.choices)}'")
    if known.kind == "path" and value not in {"none", "legacy"} and not value.startswith("/"):
        raise ZfsError(f"{what}: '{name}' must be an absolute path, 'none', or 'legacy'")
    if known.kind in {"size", "power"}:
        return _size(name, known, value, what)
    if known.kind == "count" and value != "none" and not value.isdigit():
        raise ZfsError(f"{what}: bad numeric value '{value}'")
    return value


def _size(name: str, known: Property, value: str, what: str) -> str:
    if known.kind == "size" and value == "none":
        return "0"
    size = parse_size(value)
    if size is None:
        raise ZfsError(f"{what}: bad numeric value '{value}'")
    allowed = (not known.least and not size) or (not size & (size - 1) and max(known.least, 512) <= size <= known.most)
    if known.kind == "power" and not allowed:
        limits = f"power of 2 from 512B to {nice(known.most)}" if known.least else f"zero or a power of 2 from 512B to {nice(known.most)}"
        raise ZfsError(f"{what}: '{name}' must be {limits}")
    return str(size)


def check_name(name: str, what: str) -> None:
    """Refuse a dataset name that zfs would refuse."""
    base = name.partition("@")[0]
    if found := re.search(r"[^A-Za-z0-9_.:/ @-]", name):
        raise ZfsError(f"{what}: invalid character '{found.group()}' in name")
    if not base or base.startswith("/"):
        raise ZfsError(f"{what}: leading slash in name" if base else f"{what}: missing dataset name")
    if base.endswith("/"):
        raise ZfsError(f"{what}: trailing slash in name")
    if "//" in base:
        raise ZfsError(f"{what}: empty component or misplaced '@' or '#' delimiter in name")
    if not base[0].isalpha():
        raise ZfsError(f"{what}: name must begin with a letter")
