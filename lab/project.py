"""A psw project for a lab: what a user would have at home. The demo, Molecule and the end-to-end tests share it."""

import argparse
import json
import os
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab import packages
from lab.chat import Chat
from lab.host import LabError
from lab.state import DEFAULT_NAME, DOMAIN, NODE, Lab

MODEL = "smollm2:135m"  # what the lab's registry of models offers: small enough to answer on a CPU
EMBEDDING = "smollm2-embed:135m"  # and one that answers nothing
BIN = Path(sys.executable).parent


@dataclass(frozen=True)
class LabProject:
    """A project beside the lab's own state, so that removing the lab removes it too."""

    lab: Lab

    @property
    def path(self) -> Path:
        """Return the project directory."""
        return self.lab.home / "my-home"

    @property
    def identity(self) -> Path:
        """Return the project's age identity, at the place where sops looks for it by itself."""
        return self.lab.home / "config" / "sops" / "age" / "keys.txt"

    @property
    def environment(self) -> dict[str, str]:
        """Return the environment of the commands: the lab has an age identity of its own and never sees the user's."""
        mine = {name: value for name, value in os.environ.items() if not name.startswith("SOPS_AGE_")}
        return {**mine, "PATH": f"{BIN}:{os.environ['PATH']}", "XDG_CONFIG_HOME": str(self.lab.home / "config")}

    def run(self, *words: str | Path, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run one psw command quietly and return what it printed."""
        command = ["psw", "-C", str(self.path), *map(str, words)]
        done = subprocess.run(command, env=self.environment, check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL)
        if check and done.returncode != 0:
            raise LabError(f"`{shlex.join(command)}` ended with {done.returncode}:\n{done.stderr}{done.stdout}")
        return done

    def show(self, *words: str | Path) -> None:
        """Show one psw command and run it with our own output, as if typed."""
        print(f"\n$ psw {shlex.join(map(str, words))}", flush=True)
        done = subprocess.run(["psw", *map(str, words)], env={**self.environment, "PSW_PROJECT": str(self.path)}, check=False)
        if done.returncode != 0:
            raise LabError(f"`psw {shlex.join(map(str, words))}` ended with {done.returncode}; its message is above")

    def make(self, *apps: str) -> None:
        """Make the project with its node, unless it is there; wish for the apps."""
        if not (self.path / "psw.yml").exists():
            self.run("init", self.path, "--domain", DOMAIN)
            self.run("node", "add", NODE, "--host", self.lab.node_address, "--ssh-key", self.lab.key)
            self.prefer_small_model()
        self.trust_lab_keys()
        if apps:
            self.run("app", "add", *apps)

    def prefer_small_model(self) -> None:
        """Write the one wish that is the lab's own: a model small enough for a machine without a GPU."""
        overrides = self.path / "services" / "ollama" / "defaults.yml"
        overrides.parent.mkdir(parents=True, exist_ok=True)
        overrides.write_text(f"---\nollama_models: ['{MODEL}']\n", encoding="utf-8")

    def trust_lab_keys(self) -> None:
        """Trust the keys with which the lab signs what it serves in NVIDIA's place, as somebody with a mirror of their own would."""
        file = self.path / "group_vars" / "all.yml"
        file.parent.mkdir(exist_ok=True)
        fingerprints = {"gpu_nvidia_toolkit_fingerprint": packages.fingerprint("nvidia"), "gpu_nvidia_repository_fingerprint": packages.fingerprint("cuda")}
        file.write_text("".join(["---\n", *(f"{name}: {value}\n" for name, value in fingerprints.items())]), encoding="utf-8")

    def secret(self, app: str, name: str) -> str:
        """Return one value of secrets/apps.yml, the way the README tells a user to read it."""
        command = ["sops", "decrypt", "--extract", f'["apps"]["{app}"]["{name}"]', str(self.path / "secrets" / "apps.yml")]
        return subprocess.run(command, env=self.environment, check=True, capture_output=True, text=True).stdout.strip()

    def json(self, *words: str | Path) -> dict[str, Any]:
        """Run a psw command with --json and return the object."""
        return dict(json.loads(self.run(*words, "--json").stdout))

    def address(self, app: str) -> str:
        """Return the address of the target that an app runs on."""
        return str(next(row["address"] for row in self.json("status")["apps"] if row["app"] == app))

    def chat(self) -> Chat:
        """Return the chat API, opened with psw's own key."""
        return Chat(f"chat.{DOMAIN}", self.address("caddy"), self.path / ".psw" / "ca.crt", self.secret("probe", "probe_openwebui_service_key"))


def main() -> int:
    """Bring up a lab with a project in it."""
    from lab.lab import up  # noqa: PLC0415 - only this entry point starts labs

    parser = argparse.ArgumentParser(prog="python -m lab.project", description=main.__doc__)
    parser.add_argument("name", nargs="?", default=DEFAULT_NAME)
    parser.add_argument("--machine", default="rtx_3060")
    parser.add_argument("--apps", nargs="*", default=[])
    wanted = parser.parse_args()
    try:
        project = LabProject(up(wanted.name, machine=wanted.machine))
        project.make(*wanted.apps)
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1
    print(project.path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
