# SPDX-License-Identifier: GPL-3.0-or-later
"""``psw consumer``: your own programs that use the API."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
from ansible_collections.psw.ai.plugins.plugin_utils import _consumers
from ansible_collections.psw.ai.plugins.plugin_utils._catalog import Catalog
from ansible_collections.psw.ai.plugins.plugin_utils._errors import PswError
from ansible_collections.psw.ai.plugins.plugin_utils._manual import page
from ansible_collections.psw.ai.plugins.plugin_utils._secrets import Secrets

from psw_cli.base import Nouns, Settings, Verb
from psw_cli.failures import Failure
from psw_cli.key import WEBUI, keyholders
from psw_cli.output import result, table
from psw_cli.projects import alone, opened

if TYPE_CHECKING:
    from ansible_collections.psw.ai.plugins.plugin_utils._project import Project

COMMANDS = {
    "add": ("psw_cli.consumer:add", "Give a program of yours its own key."),
    "remove": ("psw_cli.consumer:remove", "Take the key away from a program of yours."),
    "list": ("psw_cli.consumer:list_", "Show which apps and programs have keys of their own."),
}
USE = """\
{name} has its own key. It is shown this once, and kept in secrets/apps.yml.

  export OPENAI_BASE_URL={base_url}
  export OPENAI_API_KEY={key}
  export SSL_CERT_FILE={ca_file}        # for JavaScript: NODE_EXTRA_CA_CERTS

The OpenAI SDKs read these by themselves. Python (pip install openai):

  from openai import OpenAI
  client = OpenAI()
  model = client.models.list().data[0].id
  answer = client.chat.completions.create(model=model, messages=[{{"role": "user", "content": "Hello"}}])
  print(answer.choices[0].message.content)

JavaScript, curl and streaming: {guide}"""


@click.command(cls=Nouns, table=COMMANDS)
def consumer() -> None:
    """Your own programs that use the API."""


def names_of(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """Return the user's programs that begin like this, for the shell's completion."""
    try:
        known = opened(ctx.ensure_object(Settings)).wishes["consumers"]
    except PswError:
        return []  # whoever presses Tab is not told what is wrong with the project
    return [name for name in known if name.startswith(incomplete)]


@click.command(cls=Verb, ansible_args=True)
@click.argument("name")
@click.option("--role", type=click.Choice(["user", "admin"]), default=_consumers.ROLE, help="What its key may do (default: user, the models and nothing else).")
@click.pass_obj
def add(settings: Settings, name: str, role: str) -> None:
    """Give a program of yours its own key.

    Prints, this once, the key and how to use it with the OpenAI SDKs. The program stands in psw.yml from then on, and every converge
    sees to it that its key works. With -- --check it only says what would happen.
    """
    with alone(settings) as project:
        keyholders(project)
        changed = _consumers.add(project, Catalog.load(), name, role, check=settings.only_looks)
        known = _stored(project, name)
        if settings.only_looks:
            changed = changed or known is None
            text = f"would give {name} a key" if changed else f"{name} has a key already"
            result(settings, {"changed": changed, "consumer": name}, text)
            return
        try:
            told, _report = WEBUI.ask(project, settings, "consumer-add", {"psw_key_state": "present", "psw_key_only": [name]})
        except Failure as failure:
            if _stored(project, name) not in {None, known}:  # the key is there, whatever came after it
                failure.data.update(consumer=name, **_use(project, name))
                if not settings.json:
                    click.echo(USE.format(name=name, guide=page("api.md"), **_use(project, name)))
            raise
        new = any(item["consumer"] == name and item["status"] in {"minted", "rotated"} for item in told["psw_keys"])
        use = _use(project, name)
    if not new:
        secret = f"{name}.{_consumers.own(name)['secret']}"
        text = f"{name} has its key already, see: psw secrets show {secret}; another one comes with: psw deploy reset {name}"
        result(settings, {"changed": changed, "consumer": name}, text)
        return
    result(settings, {"changed": True, "consumer": name, **use}, USE.format(name=name, guide=page("api.md"), **use))


@click.command(cls=Verb, ansible_args=True)
@click.argument("name", shell_complete=names_of)
@click.pass_obj
def remove(settings: Settings, name: str) -> None:
    """Take the key away from a program of yours.

    Its user in Open WebUI goes too, and so does the key in secrets/apps.yml. With -- --check it only says what would happen.
    """
    with alone(settings) as project:
        _consumers.remove(project, name, check=True)  # a name that is unknown is an error before anything is done
        try:
            keyholders(project)
            _revoke(project, settings, name)
            told = (f"would remove {name} and its key", f"removed {name}: its key gets 401 from now on")
        except Failure as failure:
            if failure.code != "not_deployed":
                raise
            told = (f"would remove {name}", f"removed {name}; there is no Open WebUI to which it had a key")
            if not settings.only_looks:
                Secrets(project).remove(name)
        _consumers.remove(project, name, check=settings.only_looks)  # last, so that the same command goes on where a run ended early
    result(settings, {"changed": True, "consumer": name}, told[0] if settings.only_looks else told[1])


def _revoke(project: Project, settings: Settings, name: str) -> None:
    """Take the key from a program; where that failed, nobody may think that the key is dead."""
    try:
        WEBUI.ask(project, settings, "consumer-remove", {"psw_key_state": "absent", "psw_key_only": [name]})
    except Failure as failure:
        if failure.code != "not_deployed":
            again = f"the key of {name} may still open the API; when this is mended: psw consumer remove {name}"
            failure.hint = "\n  ".join(filter(None, (failure.hint, again)))
        raise


@click.command("list", cls=Verb)
@click.pass_obj
def list_(settings: Settings) -> None:
    """Show which apps and programs have keys of their own."""
    project, catalog = opened(settings), Catalog.load()
    apps = [name for name, _reason in catalog.expand(project.wished_apps(catalog))]
    found = _consumers.consumers(project, catalog, apps)
    rows = [(item["consumer"], item.get("app", "your own"), item["role"], item["email"]) for item in found]
    nothing = "no consumers: Open WebUI, which gives out keys, is not among the apps; add it with: psw app add openwebui"
    result(settings, {"consumers": found}, table(("consumer", "app", "role", "account"), rows) if found else nothing)


def _stored(project: Project, name: str) -> str | None:
    """Return the key of a program, or None."""
    return Secrets(project).read().get(name, {}).get(_consumers.own(name)["secret"])


def _use(project: Project, name: str) -> dict[str, str]:
    """Return what a program needs to use the API."""
    there = Secrets(project).get(name, _consumers.own(name)["secret"])
    return {"base_url": f"https://chat.{project.wishes['domain']}/api", "key": there, "ca_file": str(project.path / ".psw" / "ca.crt")}
