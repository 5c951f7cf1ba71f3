"""`make demo`: the whole road in the lab, the way a user walks it; every step is the command a user would type."""

import json
import os
import shlex
import ssl
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass
from http.client import HTTPSConnection
from pathlib import Path
from typing import Any

from lab.host import LabError
from lab.paths import STATE

DOMAIN = "home.example"
MODEL = "smollm2:135m"  # what the lab's registry of models offers: small enough to answer on a CPU
QUESTION = "What is the capital of France? Answer in one short sentence."
BIN = Path(sys.executable).parent


@dataclass(frozen=True)
class Demo:
    """A project beside the lab's own state, so that removing the lab removes it too."""

    name: str

    @property
    def project(self) -> Path:
        """Return the project directory."""
        return STATE / self.name / "my-home"

    @property
    def environment(self) -> dict[str, str]:
        """Return the environment of the commands: the demo's age key, never the user's own."""
        return {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}", "SOPS_AGE_KEY_FILE": str(STATE / self.name / "age" / "keys.txt")}

    def psw(self, *words: str | Path) -> None:
        """Show and run one psw command; its output goes where ours goes."""
        command = ["psw", "-C", str(self.project), *map(str, words)]
        print(f"\n$ {shlex.join(command)}", flush=True)
        done = subprocess.run(command, env=self.environment, check=False)
        if done.returncode != 0:
            raise LabError(f"`{shlex.join(command)}` ended with {done.returncode}; its message is above. The lab is left up: look with `python -m lab status`.")

    def secret(self, app: str, name: str) -> str:
        """Return one value of secrets/apps.yml, the way the README tells a user to read it."""
        path = f'["apps"]["{app}"]["{name}"]'
        command = ["sops", "decrypt", "--extract", path, str(self.project / "secrets" / "apps.yml")]
        return subprocess.run(command, env=self.environment, check=True, capture_output=True, text=True).stdout.strip()

    def status(self) -> dict[str, Any]:
        """Return what `psw status --json` says."""
        done = subprocess.run(["psw", "-C", str(self.project), "status", "--json"], env=self.environment, check=True, capture_output=True, text=True)
        return dict(json.loads(done.stdout))


class _Pinned(HTTPSConnection):
    """HTTPS to a name that the public DNS does not know, at an address that we do."""

    def __init__(self, host: str, address: str, context: ssl.SSLContext) -> None:
        super().__init__(host, context=context, timeout=120)
        self._address = address

    def connect(self) -> None:
        """Connect to the address, and check the certificate for the name."""
        import socket  # noqa: PLC0415 - only the demo's last step needs it

        raw = socket.create_connection((self._address, 443), self.timeout)
        self.sock = self._context.wrap_socket(raw, server_hostname=self.host)  # type: ignore[attr-defined]


def ask(host: str, address: str, ca_file: Path, key: str, question: str) -> str:
    """Return the model's answer to one question asked through https://<host>/api/chat/completions."""
    connection = _Pinned(host, address, ssl.create_default_context(cafile=str(ca_file)))
    body = json.dumps({"model": MODEL, "messages": [{"role": "user", "content": question}], "max_tokens": 40, "temperature": 0})
    connection.request("POST", "/api/chat/completions", body, {"Authorization": f"Bearer {key}", "Content-Type": "application/json"})
    answer = connection.getresponse()
    text = answer.read().decode()
    if answer.status != 200:  # noqa: PLR2004 - HTTP's own number
        raise LabError(f"https://{host}/api/chat/completions answered {answer.status}: {text[:300]}")
    return str(json.loads(text)["choices"][0]["message"]["content"]).strip()


def prepare(demo: Demo, node: str, ssh_key: str) -> None:
    """Make the project, once."""
    if (demo.project / "psw.yml").exists():
        return
    demo.project.parent.mkdir(parents=True, exist_ok=True)
    print(f"\n$ psw init {demo.project} --domain {DOMAIN}", flush=True)
    subprocess.run(["psw", "init", str(demo.project), "--domain", DOMAIN], env=demo.environment, check=True)
    demo.psw("node", "add", "pve1", "--host", node, "--ssh-key", ssh_key)
    # The one wish that is the lab's own: a model small enough for a machine without a GPU.
    overrides = demo.project / "services" / "ollama" / "defaults.yml"
    overrides.parent.mkdir(parents=True, exist_ok=True)
    overrides.write_text(f"---\nollama_models: ['{MODEL}']\n", encoding="utf-8")


def main() -> int:
    """Run the demo; say what went wrong in one line."""
    from lab.lab import up  # noqa: PLC0415 - the rest of this module serves the tests too

    started = time.monotonic()
    demo = Demo("psw")
    try:
        lab = up(demo.name)
        prepare(demo, lab.node_address, str(lab.ssh_key))
        demo.psw("node", "setup-gpu", "pve1")
        demo.psw("app", "add", "@ai")
        demo.psw("deploy", "converge")
        demo.psw("status")
        core = next(app for app in demo.status()["apps"] if app["app"] == "caddy")["address"]
        host, ca_file = f"chat.{DOMAIN}", demo.project / ".psw" / "ca.crt"
        answer = ask(host, core, ca_file, demo.secret("probe", "probe_openwebui_service_key"), QUESTION)
    except LabError as error:
        print(f"\ndemo: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\ndemo: interrupted; run `make demo` again to go on, or `make lab-down` to remove the lab.", file=sys.stderr)
        return 130
    print(f"\nQ: {QUESTION}\nA: {answer}\n   ({MODEL}, through https://{host}/api/chat/completions with a minted key)\n")
    print("Look around in a browser on this machine:")
    print(f"  name      echo '{core} {host}' | sudo tee -a /etc/hosts     (take the line out again afterwards)")
    print(f"  trust     {ca_file}")
    print(f"  page      https://{host}")
    print(f"  login     admin@{DOMAIN}  {demo.secret('openwebui', 'openwebui_admin_password')}")
    print(f"  project   {demo.project}")
    print(f"\nIt took {time.monotonic() - started:.0f} s. `make lab-down` removes everything again.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
