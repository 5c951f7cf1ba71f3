"""Ask the chat API the way a program in the house does: by name, with TLS checked, with a key."""

import json
import socket
import ssl
from dataclasses import dataclass
from http.client import HTTPSConnection
from pathlib import Path
from typing import Any


class _Pinned(HTTPSConnection):
    """HTTPS to a name that the public DNS does not know, at an address that we do."""

    def __init__(self, host: str, address: str, context: ssl.SSLContext, timeout: float) -> None:
        super().__init__(host, context=context, timeout=timeout)
        self._address = address
        self._tls = context

    def connect(self) -> None:
        """Connect to the address, and check the certificate for the name."""
        raw = socket.create_connection((self._address, self.port), self.timeout)
        self.sock = self._tls.wrap_socket(raw, server_hostname=self.host)


@dataclass(frozen=True)
class Answer:
    """What came back: the HTTP status and the body, parsed if it is JSON."""

    status: int
    body: Any

    @property
    def text(self) -> str:
        """Return the model's words."""
        return str(self.body["choices"][0]["message"]["content"]).strip()


@dataclass(frozen=True)
class Chat:
    """One chat server as seen by one holder of a key."""

    host: str
    address: str
    ca_file: Path
    key: str
    patience: float = 120  # seconds to wait for an answer

    def request(self, method: str, path: str, body: object = None) -> Answer:
        """Send one request and return its answer, whatever its status."""
        connection = _Pinned(self.host, self.address, ssl.create_default_context(cafile=str(self.ca_file)), self.patience)
        try:
            headers = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            response = connection.getresponse()
            text = response.read().decode()
        finally:
            connection.close()
        try:
            return Answer(response.status, json.loads(text))
        except json.JSONDecodeError:
            return Answer(response.status, text)

    def models(self) -> Answer:
        """List the models that this key may use."""
        return self.request("GET", "/api/models")

    def ask(self, model: str, question: str, max_tokens: int = 40) -> Answer:
        """Ask one question, with a temperature of 0."""
        messages = [{"role": "user", "content": question}]
        return self.request("POST", "/api/chat/completions", {"model": model, "messages": messages, "max_tokens": max_tokens, "temperature": 0})
