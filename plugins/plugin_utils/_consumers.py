# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who holds an Open WebUI service key: apps, by the catalogue, and the user's own programs, by ``consumers`` in ``psw.yml``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ansible_collections.psw.ai.plugins.plugin_utils import _edit
from ansible_collections.psw.ai.plugins.plugin_utils._errors import ProjectError
from ansible_collections.psw.ai.plugins.plugin_utils._files import shown
from ansible_collections.psw.ai.plugins.plugin_utils._near import unknown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from ansible_collections.psw.ai.plugins.plugin_utils._catalog import Catalog
    from ansible_collections.psw.ai.plugins.plugin_utils._project import Project

GIVES_KEYS = "openwebui"
ROLE = "user"


def consumers(project: Project, catalog: Catalog, apps: Iterable[str]) -> list[dict[str, str]]:
    """Return every consumer when these apps run: its name, its secret's name, its account, and the app it is part of, if any."""
    apps = list(apps)
    if GIVES_KEYS not in apps:
        return []
    wishes = project.wishes["consumers"]
    known = of_apps(catalog)
    ours = [{**item, "role": role_of(wishes, item["consumer"], item["role"]), "app": known[item["consumer"]]} for item in catalog.consumers(apps)]
    return ours + [own(name, role_of(wishes, name)) for name in sorted(wishes) if name not in known]


def holders(catalog: Catalog, apps: Iterable[str]) -> list[str]:
    """Return those of these apps that hold keys: they are brought up once the keys are there. Open WebUI itself is none of them."""
    return [app for app in apps if app != GIVES_KEYS and catalog.app(app).get("service_keys")]


def delivery(catalog: Catalog, app: str, key: Callable[[str, str], str]) -> dict[str, list[dict[str, str]]]:
    """Return the podman secrets and the files that bring an app its keys, as quadlet_app takes them; `key` returns a stored one."""
    told: dict[str, list[dict[str, str]]] = {"secrets": [], "files": []}
    for consumer, entry in sorted(catalog.app(app).get("service_keys", {}).items()):
        place = entry.get("goes_to", {})
        if "podman_secret" in place:
            told["secrets"].append({"name": place["podman_secret"], "value": key(consumer, entry["secret"])})
        elif "file" in place:
            text = f"{key(consumer, entry['secret'])}\n"
            told["files"].append({"path": place["file"], "secret_content": text, "owner": place.get("owner", "0"), "mode": "0600"})
    return told


def proofs(catalog: Catalog, app: str, key: Callable[[str, str], str], road: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return, for each key of an app, the question to Open WebUI that proves it, as service_ready takes it; `road` says how Open WebUI is reached."""
    keys = {consumer: key(consumer, entry["secret"]) for consumer, entry in sorted(catalog.app(app).get("service_keys", {}).items())}
    return [{"http": {**road, "caller": consumer, "headers": {"Authorization": f"Bearer {value}"}}} for consumer, value in keys.items()]


def own(name: str, role: str = ROLE) -> dict[str, str]:
    """Return a program of the user's as a consumer."""
    return {"consumer": name, "secret": f"{name.replace('-', '_')}_openwebui_service_key", "email": f"psw-{name}@psw.local", "role": role}


def role_of(wishes: dict[str, Any], name: str, default: str = ROLE) -> str:
    """Return the role that ``psw.yml`` gives a consumer."""
    return str((wishes.get(name) or {}).get("role") or default)


def of_apps(catalog: Catalog) -> dict[str, str]:
    """Return the consumers that the catalogue knows, each with its app."""
    return {consumer: app for app, entry in catalog.apps.items() for consumer in entry.get("service_keys", {})}


def add(project: Project, catalog: Catalog, name: str, role: str, *, check: bool = False) -> bool:
    """Write one of the user's programs into ``psw.yml``; False when it stood there already just so. With ``check`` nothing is written."""
    taken = {**of_apps(catalog), **{app: app for app in catalog.apps}}
    if name in taken:
        raise ProjectError(f"{name} is taken by the app {taken[name]}", "take another name for your program")
    wishes = project.wishes["consumers"]
    if name in wishes:
        if role_of(wishes, name) != role:
            raise ProjectError(f"{project.document.at(('consumers', name))}: there is a consumer {name} already, with another role", "change it there by hand")
        return False
    if not check:
        project.edit(lambda tree: _edit.set_entry(tree, "consumers", name, {"role": role} if role != ROLE else {}))
    return True


def remove(project: Project, name: str, *, check: bool = False) -> None:
    """Take one of the user's programs out of ``psw.yml``; a name that is none of them is an error. With ``check`` nothing is written."""
    wishes = project.wishes["consumers"]
    if name not in wishes:
        hint = "" if wishes else "there is none; an app's key goes with the app: psw app remove"
        raise ProjectError(f"{shown(project.path / 'psw.yml')}: {unknown('consumer', name, wishes)}", hint)
    if not check:
        project.edit(lambda tree: _edit.remove_entry(tree, "consumers", name))
