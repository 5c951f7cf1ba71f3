"""Model names: host/namespace/model:tag, of which only the model must be given."""

from dataclasses import dataclass
from pathlib import PurePosixPath


@dataclass(frozen=True)
class Name:
    """A full model name."""

    host: str
    namespace: str
    model: str
    tag: str

    @classmethod
    def parse(cls, text: str) -> "Name":
        """Return the full name of a short one."""
        text = text.rpartition("://")[2]
        path, colon, tag = text.rpartition(":")
        if not colon or "/" in tag:
            path, tag = text, "latest"
        parts = path.split("/")
        if not all(parts) or len(parts) > 3:  # noqa: PLR2004 - host, namespace, model
            raise ValueError("invalid model name")
        host, namespace, model = [*["registry.ollama.ai", "library"][: 3 - len(parts)], *parts]
        return cls(host, namespace, model, tag)

    @property
    def path(self) -> PurePosixPath:
        """Where the name's manifest lies under `manifests`."""
        return PurePosixPath(self.host, self.namespace, self.model, self.tag)

    def __str__(self) -> str:
        """Return the name as Ollama shows it: without what is default, with the tag always."""
        short = f"{self.model}:{self.tag}"
        if self.host != "registry.ollama.ai":
            return f"{self.host}/{self.namespace}/{short}"
        return short if self.namespace == "library" else f"{self.namespace}/{short}"

    @property
    def is_cloud(self) -> bool:
        """Whether the model would run on somebody else's machine."""
        return self.tag == "cloud" or self.tag.endswith("-cloud")
