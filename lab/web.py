"""The stand-in for vendors' web servers: serves <root>/<host>/<path> by http and https. Run as `python -m lab.web ADDRESS ROOT CERT KEY`."""

import http.server
import ssl
import sys
import threading
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

PORTS = (80, 443)


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serves the directory of the host that the request names."""

    root = Path()
    protocol_version = "HTTP/1.1"
    unpaid = "enterprise.proxmox.com"  # it knows nobody here

    def translate_path(self, path: str) -> str:
        """Return the file for a request path; nothing outside the host's directory."""
        host = (self.headers.get("Host") or "").rsplit(":", 1)[0].lower()
        base = (self.root / host).resolve()
        wanted = (base / unquote(urlsplit(path).path).lstrip("/")).resolve()
        inside = base.parent == self.root and wanted.is_relative_to(base)
        return str(wanted) if inside else str(self.root / ".none")

    def send_head(self) -> Any:
        """Answer with a file, or ask who wants it."""
        if (self.headers.get("Host") or "").lower() != self.unpaid:
            return super().send_head()
        self.send_response(HTTPStatus.UNAUTHORIZED)
        self.send_header("Content-Length", "0")
        self.end_headers()
        return None

    def list_directory(self, path: object) -> None:
        """Show no listings: vendors' servers have none either."""
        del path
        self.send_error(HTTPStatus.NOT_FOUND)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Log one line per request with its host."""
        print(self.headers.get("Host", "-") if hasattr(self, "headers") else "-", format % args, flush=True)


class Server(http.server.ThreadingHTTPServer):
    """A server whose TLS handshake runs in the connection's own thread."""

    context: ssl.SSLContext | None = None
    allow_reuse_address = True

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Wrap the connection where it is an https one."""
        if self.context is not None:
            request = self.context.wrap_socket(request, server_side=True)
        super().finish_request(request, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Keep a client's broken connection to one line."""
        del request
        print(client_address, sys.exc_info()[1], flush=True)


def main() -> None:
    """Serve until stopped."""
    address, root, cert, key = sys.argv[1:5]
    Handler.root = Path(root).resolve()
    plain, secure = (Server((address, port), Handler) for port in PORTS)
    secure.context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    secure.context.load_cert_chain(cert, key)
    threading.Thread(target=plain.serve_forever, daemon=True).start()
    secure.serve_forever()


if __name__ == "__main__":
    main()
