# SPDX-License-Identifier: GPL-3.0-or-later
"""The lookups that roles use."""

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
