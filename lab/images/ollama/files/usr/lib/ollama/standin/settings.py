"""The environment, read as Ollama reads it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

DEFAULT_PORT = 11434
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_TRUE = {"1", "t", "T", "TRUE", "true", "True"}
_FALSE = {"0", "f", "F", "FALSE", "false", "False", ""}


def boolean(value: str) -> bool:
    """Return what Ollama makes of a switch: what is no Go boolean counts as true."""
    return value in _TRUE or value not in _FALSE


def duration(value: str | float | None, default: float) -> float:
    """Return seconds; a bare number is seconds, a Go duration has units, anything negative is for ever."""
    if value is None or value == "":
        return default
    text = str(value).strip()
    sign = -1.0 if text.startswith("-") else 1.0
    text = text.lstrip("+-")
    if re.fullmatch(r"\d+(\.\d+)?", text):
        seconds = float(text)
    elif re.fullmatch(r"(\d+(\.\d+)?(ms|s|m|h))+", text):
        seconds = sum(float(number) * _UNITS[unit] for number, unit in re.findall(r"(\d+(?:\.\d+)?)(ms|s|m|h)", text))
    else:
        return default
    return float("inf") if sign < 0 else seconds


def address(value: str, *, default_host: str = "127.0.0.1") -> tuple[str, int]:
    """Return host and port of OLLAMA_HOST: `host`, `host:port`, `:port` or a URL."""
    scheme, separator, rest = value.strip().strip("\"'").rpartition("://")
    host_port = rest.partition("/")[0]
    default_port = {"http": 80, "https": 443}.get(scheme, DEFAULT_PORT) if separator else DEFAULT_PORT
    host, colon, port = host_port.rpartition(":")
    if not colon or not port.isdigit():
        host, port = host_port, str(default_port)
    return host.strip("[]") or default_host, int(port)


@dataclass(frozen=True)
class Settings:
    """What the server goes by."""

    host: str = "127.0.0.1"
    port: int = DEFAULT_PORT
    models: Path = Path("/root/.ollama/models")
    keep_alive: float = 300.0
    load_timeout: float = 300.0
    context_length: int = 0
    num_parallel: int = 1
    no_cloud: bool = False
    llm_library: str = ""
    visible_devices: str | None = None
    vulkan: bool = True

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> "Settings":
        """Return the settings of an environment."""
        host, port = address(environment.get("OLLAMA_HOST", ""))
        home = Path(environment.get("HOME") or "/root")
        return cls(
            host=host,
            port=port,
            models=Path(environment.get("OLLAMA_MODELS") or home / ".ollama/models"),
            keep_alive=duration(environment.get("OLLAMA_KEEP_ALIVE"), 300.0),
            load_timeout=duration(environment.get("OLLAMA_LOAD_TIMEOUT"), 300.0),
            context_length=int(environment.get("OLLAMA_CONTEXT_LENGTH") or 0),
            num_parallel=int(environment.get("OLLAMA_NUM_PARALLEL") or 1),
            no_cloud=boolean(environment.get("OLLAMA_NO_CLOUD", "")),
            llm_library=environment.get("OLLAMA_LLM_LIBRARY", ""),
            visible_devices=environment.get("CUDA_VISIBLE_DEVICES"),
            vulkan=boolean(environment.get("OLLAMA_VULKAN", "1")),
        )
