"""The lab's own certificate authority, for the stand-ins of vendors' web servers. It never leaves this machine's cache."""

from pathlib import Path

from lab.host import run
from lab.lock import locked
from lab.paths import CACHE

HOME = CACHE / "ca"


def certificate() -> str:
    """Return the authority's certificate, made on first use."""
    HOME.mkdir(parents=True, exist_ok=True, mode=0o700)
    key, cert = HOME / "ca.key", HOME / "ca.crt"
    with locked(HOME / "lock"):
        if not cert.exists():
            run(
                "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "3650", "-subj", "/CN=psw lab",
                "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign,cRLSign", "-keyout", key, "-out", cert,
            )  # fmt: skip
    return cert.read_text(encoding="utf-8")


def issue(hosts: list[str], directory: Path) -> tuple[Path, Path]:
    """Write a server certificate for these names into the directory and return its chain and key."""
    certificate()
    directory.mkdir(parents=True, exist_ok=True)
    cert, key, request, extension = (directory / f"server.{end}" for end in ("crt", "key", "csr", "ext"))
    extension.write_text(f"subjectAltName={','.join(f'DNS:{host}' for host in hosts)}\nextendedKeyUsage=serverAuth\n", encoding="utf-8")
    run(
        "openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=psw lab server", "-keyout", key,
        "-out", request,
    )  # fmt: skip
    run(
        "openssl", "x509", "-req", "-in", request, "-CA", HOME / "ca.crt", "-CAkey", HOME / "ca.key", "-days", "825", "-extfile", extension, "-out", cert
    )  # fmt: skip
    return cert, key
