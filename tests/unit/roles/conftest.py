"""Roles without a machine: their defaults, variables and templates, put together by Ansible's own templating."""

from pathlib import Path

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

REPO = Path(__file__).parents[3]
HOUSE = {
    "inventory_hostname": "psw-core",
    "psw_domain": "home.example",
    "psw_vhosts": [{"app": "openwebui", "name": "chat", "port": 8080, "target": "psw-core"}],
    "groups": {"app_ollama": ["psw-ai"], "app_caddy": ["psw-core"]},
    "hostvars": {"psw-ai": {"ansible_host": "192.0.2.31"}, "psw-core": {"ansible_host": "192.0.2.32"}},
    "psw_target": {"gpu": {"vendor": "nvidia"}},
}


class Role:
    """A role and the variables it would see."""

    secret = "a-secret-value"

    def __init__(self, name, **given):
        self.loader = DataLoader()
        self.folder = REPO / "roles" / name
        self.variables = {**self._load("defaults/main.yml"), **HOUSE}
        secrets = {variable: self.secret for variable, value in self.variables.items() if "psw.ai.secret" in str(value)}
        self.variables |= {**secrets, **given, **self._load("vars/main.yml")}
        self.templar = Templar(loader=self.loader, variables=self.variables)

    def _load(self, path):
        return self.loader.load_from_file(str(self.folder / path), trusted_as_template=True) if (self.folder / path).exists() else {}

    def value(self, name):
        return self.templar.template(self.variables[name])

    def template(self, name):
        text = trust_as_template((self.folder / "templates" / name).read_text())
        return self.templar.template(text, preserve_trailing_newlines=True)

    def environment(self, unit):
        """Return what a unit's Environment lines set, with the quoting undone."""
        lines = [line.removeprefix('Environment="').removesuffix('"') for line in self.template(unit).splitlines() if line.startswith("Environment=")]
        return dict(line.replace("%%", "%").replace('\\"', '"').partition("=")[::2] for line in lines)


@pytest.fixture
def role():
    return Role
