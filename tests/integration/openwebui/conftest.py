"""A real Open WebUI per release, installed by uv and started with the settings of the catalogue; only torch and its kin are left out."""

import contextlib
import functools
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
import yaml

REPO = Path(__file__).parents[3]
CACHE = REPO / ".cache" / "openwebui"
HEAVY = ["torch", "transformers", "sentence-transformers", "accelerate"]  # for embedding models, which psw's settings never load
ADMIN = {"email": "admin@psw.local", "password": "sentinel-password"}
SETTINGS = {
    "WEBUI_SECRET_KEY": "integration-test",
    "WEBUI_ADMIN_EMAIL": ADMIN["email"],
    "WEBUI_ADMIN_PASSWORD": ADMIN["password"],
    "WEBUI_ADMIN_NAME": "Administrator",
    "ENABLE_OPENAI_API": "false",
    "OLLAMA_BASE_URL": "http://127.0.0.1:9",
    "OLLAMA_BASE_URLS": "http://127.0.0.1:9",
}


def pinned_release():
    return yaml.safe_load((REPO / "catalog/images.yml").read_text())["images"]["openwebui"]["tag"].removeprefix("v")


def installed(release):
    """Return the Python of a virtual environment with this release; uv takes seconds, and the cache none."""
    python = CACHE / release / "bin" / "python"
    if not (CACHE / release / ".complete").exists():
        uv = [sys.executable, "-m", "uv"] if (Path(sys.executable).parent / "uv").exists() else ["uv"]
        subprocess.run([*uv, "venv", "--quiet", "--clear", "--python", ">=3.11,<3.13", CACHE / release], check=True)
        without = CACHE / release / "without.txt"
        without.write_text("".join(f"{name}; sys_platform == 'never'\n" for name in HEAVY))
        wanted = [f"open-webui=={release}", "psycopg2-binary"]
        subprocess.run([*uv, "pip", "install", "--quiet", "--python", python, "--override", without, *wanted], check=True)
        (CACHE / release / ".complete").touch()
    return python


class Silence(int):
    """The status of a request without an answer, which a failed assertion shows with its cause."""

    def __new__(cls, cause):
        self = super().__new__(cls, 0)
        self.cause = cause
        return self

    def __repr__(self):
        return f"0 ({self.cause!r})"


class Server:
    """A running Open WebUI with its own database."""

    def __init__(self, release, home, log, settings):
        self.release = release
        self.python = installed(release)
        self.work = home / "run" / "work"  # its migration puts the parent of the working directory on sys.path
        self.work.mkdir(parents=True)
        (home / "data").mkdir()
        role = yaml.safe_load((REPO / "roles/openwebui/vars/main.yml").read_text())
        privacy = yaml.safe_load((REPO / "catalog/apps/openwebui.yml").read_text())["privacy"]
        shipped = {**role["__openwebui_login"]["local"], **role["__openwebui_confinement"], **privacy}
        own = {"PATH": os.environ["PATH"], "HOME": str(home), "DATA_DIR": str(home / "data"), "STATIC_DIR": str(home / "static"), "FROM_INIT_PY": "true"}
        self.socket = socket.socket()
        self.socket.bind(("127.0.0.1", 0))  # and handed over: a port that is given back may be another's by the time the server has loaded
        self.port = self.socket.getsockname()[1]
        own["PORT"] = str(self.port)
        self.env = {**own, **shipped, **SETTINGS, **settings}
        self.log = log.open("w+")
        self.process = None

    def start(self):
        listening = self.socket.fileno()
        argv = ["setpriv", "--pdeathsig=KILL", self.python, "-m", "uvicorn", "open_webui.main:app", "--fd", str(listening)]
        self.process = subprocess.Popen(argv, cwd=self.work, env=self.env, stdout=self.log, stderr=self.log, pass_fds=[listening])
        self.socket.close()
        deadline = time.monotonic() + 600
        while self.get("/health")[0] != 200:
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.log.seek(0)
                pytest.fail("Open WebUI did not start:\n" + "".join(self.log.readlines()[-30:]))
            time.sleep(0.3)
        return self

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def get(self, path, key=None, data=None, method=None):
        """Return status and JSON body of a request; the status of a Silence when nobody answers."""
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        body = None if data is None else json.dumps(data).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", body, {**headers, "Content-Type": "application/json"}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, json.loads(answer.read() or "null")
        except urllib.error.HTTPError as exc:
            with contextlib.suppress(ValueError):
                return exc.code, json.loads(exc.read())
            return exc.code, None
        except (OSError, ValueError) as exc:
            return Silence(exc), None

    @functools.cached_property
    def admin_token(self):
        return self.get("/api/v1/auths/signin", data=ADMIN)[1]["token"]  # once: it takes 15 in 3 minutes


@pytest.fixture(scope="session")
def homes(tmp_path_factory):
    """Where servers have their homes, of some megabytes: in memory, since on a busy disk a commit takes longer than the 5 s that SQLite waits for it."""
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK):
        yield tmp_path_factory.mktemp("openwebui")
        return
    for left in memory.glob("psw-openwebui-*"):
        if not Path("/proc", left.name.split("-")[2]).exists():  # whoever made it was killed
            shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=f"psw-openwebui-{os.getpid()}-", dir=memory) as place:
        yield Path(place)


@pytest.fixture(scope="session")
def start_server(homes, tmp_path_factory):
    """Start servers that end with the test session."""
    servers = []

    def start(release, **settings):
        log = tmp_path_factory.mktemp(f"openwebui-{release}") / "server.log"
        servers.append(Server(release, Path(tempfile.mkdtemp(prefix=f"{release}-", dir=homes)), log, settings))
        return servers[-1].start()

    yield start
    for server in servers:
        server.stop()


@pytest.fixture(scope="session")
def webui(start_server):
    """The release that psw installs."""
    return start_server(pinned_release())


@pytest.fixture(scope="session")
def postgresql():
    """Return the address of a PostgreSQL of our own, which runs as nobody where we are root, because it refuses to run as root."""
    found = [shutil.which("initdb") or "", *map(str, sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb")))]
    programs = Path(next(filter(None, reversed(found)), "/nowhere/initdb")).resolve().parent
    if not (programs / "initdb").exists():
        pytest.skip("no PostgreSQL on this machine: install Debian's package postgresql")
    folder = Path(tempfile.mkdtemp(prefix="psw-postgresql-", dir="/tmp"))  # pytest's own folders are closed to others
    as_whom = []
    if os.geteuid() == 0:
        shutil.chown(folder, "nobody")
        as_whom = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"]
    environment = {"PATH": os.environ["PATH"], "LC_ALL": "C", "HOME": str(folder)}
    run = functools.partial(subprocess.run, check=True, cwd=folder, env=environment, stdout=subprocess.DEVNULL)
    run([*as_whom, programs / "initdb", "--auth=trust", "--username=psw", "--encoding=UTF8", "--no-sync", folder / "data"])
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder} -c fsync=off"
    run([*as_whom, programs / "pg_ctl", "--wait", "--timeout=300", "-D", folder / "data", "-l", folder / "log", "-o", options, "start"])
    yield f"postgresql://psw@127.0.0.1:{port}/postgres"
    run([*as_whom, programs / "pg_ctl", "--wait", "-D", folder / "data", "-m", "immediate", "stop"])
    shutil.rmtree(folder)


@pytest.fixture
def podman(tmp_path, monkeypatch):
    """Put a `podman` into PATH that runs `exec --interactive openwebui python -` with the Python and the settings of a server."""

    def use(server, **more):
        env = " ".join(f"'{name}={value}'" for name, value in {**server.env, **more}.items())
        script = tmp_path / "podman"
        script.write_text(
            f'#!/bin/sh\necho "$@" >>{tmp_path}/argv\n[ "$*" = "exec --interactive openwebui python -" ] || exit 125\n'
            f"cd {server.work} && exec env -i {env} {server.python} -\n"
        )
        script.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
        return tmp_path / "argv"

    return use
