# SPDX-License-Identifier: GPL-3.0-or-later
"""The lookups that roles use."""

import pytest
from ansible.plugins.loader import lookup_loader
from ansible_collections.psw.ai.plugins.plugin_utils import _age, _sealed
from ansible_collections.psw.ai.plugins.plugin_utils._secrets import Secrets


def show(expression):
    return {"ansible.builtin.debug": {"msg": f"{{{{ {expression} }}}}"}}


def test_an_image_is_its_pinned_reference(ready, play):
    (result,) = play(ready, show("lookup('psw.ai.image', 'ollama')"))
    assert result["msg"].startswith("docker.io/ollama/ollama:")


def test_an_unknown_image_is_named_with_the_one_that_was_meant(ready, play):
    (result,) = play(ready, show("lookup('psw.ai.image', 'olama')"))
    assert "no image called 'olama', did you mean 'ollama'? (catalog/images.yml)" in result["msg"]


def test_an_apps_entry_is_the_catalogues(ready, play):
    (result,) = play(ready, show("lookup('psw.ai.app', 'openwebui').privacy.OFFLINE_MODE"))
    assert result["msg"] == "true"


def test_a_secret_is_the_stored_value(ready, play):
    Secrets(ready).set("probe", "key", "value {{ not evaluated }}")
    (result,) = play(ready, show("lookup('psw.ai.secret', 'probe', 'key')"))
    assert result["msg"] == "value {{ not evaluated }}"


def test_what_one_process_looks_up_is_decrypted_once_and_is_never_old(ready, monkeypatch):
    decrypted, decrypt = [], _sealed._sops.decrypt
    monkeypatch.setattr(_sealed._sops, "decrypt", lambda file: decrypted.append(file) or decrypt(file))

    def look(name):
        return lookup_loader.get("psw.ai.secret").run(["probe", name], project=str(ready.path))

    Secrets(ready).set("probe", "key", "value")
    Secrets(ready).set("probe", "other", "another")
    decrypted.clear()
    assert [look("key"), look("other"), len(decrypted)] == [["value"], ["another"], 1]
    Secrets(ready).set("probe", "key", "changed")
    assert look("key") == ["changed"]


@pytest.mark.parametrize(
    "task",
    [
        show("lookup('psw.ai.secret', 'probe', 'key')"),
        show("lookup('psw.ai.secret', 'probe', 'key', default='')"),
        {"psw.ai.project_secrets": {"apps": "{{ psw_planned_apps }}"}},
        {"psw.ai.project_secrets": {"app": "probe", "name": "key", "value": "other"}},
    ],
)
@pytest.mark.parametrize("check", [False, True])
def test_without_the_identity_every_door_says_so_and_writes_nothing(ready, play, task, check):
    secrets = Secrets(ready)
    secrets.set("probe", "key", "value")
    _age.identity_file().unlink()
    before = secrets.file.read_bytes()
    (result,) = play(ready, task, check=check)
    assert result["failed"]
    assert f"apps.yml cannot be read: there is no age identity in {_age.identity_file()}; put the one you saved there" in result["msg"]
    assert secrets.file.read_bytes() == before


def test_a_secret_that_is_not_there_is_an_error_that_names_it(ready, play):
    (result,) = play(ready, show("lookup('psw.ai.secret', 'probe', 'key')"))
    assert "no secret called 'probe.key'" in result["msg"]


def test_a_secret_that_is_not_there_has_the_default_that_was_given(ready, play):
    (result,) = play(ready, show("lookup('psw.ai.secret', 'probe', 'key', default='') | length"))
    assert result["msg"] in (0, "0")


def test_in_check_mode_a_secret_that_will_be_made_has_a_placeholder(ready, play):
    (result,) = play(ready, show("lookup('psw.ai.secret', 'probe', 'key')"), check=True)
    assert result["msg"] == "placeholder-for-probe-key-which-the-first-real-run-makes"


def test_without_a_project_the_error_says_what_to_do(ready, play):
    (result,) = play(ready, {**show("lookup('psw.ai.secret', 'probe', 'key')"), "vars": {"psw_project_dir": ""}})
    assert "psw_project_dir is not set; take a project as inventory (-i DIR/psw.yml)" in result["msg"]


def test_keys_of_an_app_come_ready_to_be_kept(ready, play):
    nothing, unknown = play(ready, show("lookup('psw.ai.service_keys', 'openwebui')"), show("lookup('psw.ai.service_keys', 'openwebu')"))
    assert nothing["msg"] == {"secrets": [], "files": []}  # its own key is for psw
    assert "no app called 'openwebu', did you mean 'openwebui'?" in unknown["msg"]
