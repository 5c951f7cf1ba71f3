#!/usr/bin/python
# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: quadlet_app
short_description: Bring a containerised app to its whole desired state in one call
version_added: 0.1.0
author: the psw authors (@psw-ai)
description:
  - Holds everything an app consists of on one machine, which are directories, files, podman secrets, images and quadlet units, running and ready.
  - Writes only what differs, lets systemd read its units again only if one changed, and restarts only what is affected.
    A service is affected when its unit file, a secret it uses, a file it mounts, a network it needs or the image behind its reference changed.
  - Notes on the machine (C(/etc/psw/apps/<name>.json)) what the app owns. What is no longer wished for is stopped and removed,
    and a restart that a killed run still owed is made up for by the next one.
  - Images that it pulled and that no app here names any more go once the app is ready, unless a container uses them. Images that came
    in another way are never touched.
  - Units are shown to the quadlet generator before anything of the app is changed, so a key it does not know is refused by name.
extends_documentation_fragment: [psw.ai.attributes, psw.ai.ready]
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
    details: Values of secrets never show.
  idempotent:
    support: full
options:
  name:
    description: The app's name.
    type: str
    required: true
  state:
    description:
      - V(present) makes the app run as described.
      - V(absent) removes all it owns and all that is named here. Directories go only when they are empty, and volumes stay, because they hold data.
    type: str
    choices: [present, absent]
    default: present
  host:
    description:
      - What the machine itself must have for the app, brought before all else, as M(psw.ai.host_state) does. Left as it is when the app goes.
    type: dict
    suboptions:
      packages:
        description: Debian packages to have, each as C(name) or C(name=version).
        type: list
        elements: str
        default: []
      files:
        description: Files to have.
        type: list
        elements: dict
        default: []
        suboptions:
          path: {description: Absolute path., type: path, required: true}
          content: {description: 'The text of the file; give this or O(host.files[].secret_content).', type: str}
          secret_content: {description: The text of a file that must never show in diffs or logs., type: str}
          owner: {description: Name or number of the user., type: str, default: '0'}
          group: {description: Name or number of the group., type: str, default: '0'}
          mode: {description: Quoted octal mode., type: raw, default: '0644'}
          restart: {description: Units to restart when this file changes., type: list, elements: str, default: []}
      units:
        description: The systemd units to take care of. What is not given stays as it is.
        type: list
        elements: dict
        default: []
        suboptions:
          name: {description: Full name of the unit., type: str, required: true}
          enabled: {description: Whether it starts at boot., type: bool}
          state: {description: Whether it runs now., type: str, choices: [started, stopped]}
          masked: {description: Whether nothing may start it., type: bool}
          provides:
            description: Paths that are there once it has started. One that is missing later has the unit restarted, although it is active.
            type: list
            elements: path
            default: []
  directories:
    description: Directories the app needs, parents first.
    type: list
    elements: dict
    default: []
    suboptions:
      path: {description: Absolute path., type: path, required: true}
      owner: {description: Name or number of the user., type: str, default: '0'}
      group: {description: Name or number of the group., type: str, default: '0'}
      mode: {description: Quoted octal mode., type: raw, default: '0755'}
  files:
    description: Files the app needs. A container that mounts one is restarted when it changes.
    type: list
    elements: dict
    default: []
    suboptions:
      path: {description: Absolute path., type: path, required: true}
      content: {description: 'The text of the file; give this or O(files[].secret_content).', type: str}
      secret_content: {description: The text of a file that must never show in diffs or logs., type: str}
      owner: {description: Name or number of the user., type: str, default: '0'}
      group: {description: Name or number of the group., type: str, default: '0'}
      mode: {description: Quoted octal mode., type: raw, default: '0644'}
  secrets:
    description: Podman secrets. They reach podman over stdin and are compared with what podman holds.
    type: list
    elements: dict
    default: []
    suboptions:
      name: {description: Name of the secret., type: str, required: true}
      value: {description: Value of the secret., type: str, required: true}
  images:
    description: Images to have before anything is started, besides those the units name.
    type: list
    elements: str
    default: []
  units:
    description: Quadlet units.
    type: list
    elements: dict
    default: []
    suboptions:
      name: {description: 'File name, ending in C(.container), C(.network) or C(.volume).', type: str, required: true}
      content: {description: The text of the unit., type: str, required: true}
  only_apps:
    description:
      - The apps that may be on this machine besides this one. Each other one that is noted here is removed as by O(state=absent), so its data and volumes stay.
      - When it is not given, other apps are left alone.
    type: list
    elements: str
  requires:
    description: How podman must work here. Otherwise nothing of the app is done.
    type: dict
    suboptions:
      storage_driver: {description: 'Its storage driver, such as V(overlay).', type: str}
      network_backend: {description: 'Its network backend, such as V(netavark).', type: str}
      runtime: {description: 'The name of its runtime, such as V(crun).', type: str}
  environment:
    description:
      - Names and values that must be in the environment of the app's running containers, such as the privacy switches of its catalogue entry.
        Nothing in here is secret.
      - Read from the process that runs, so that neither a drop-in nor a container that was started by an older unit takes a promise back unseen.
      - A difference is a failure. Nothing is looked at in check mode.
    type: dict
    default: {}
  ready_timeout:
    description: Seconds to wait for all of O(ready).
    type: int
    default: 300
  returned_files:
    description: Small text files to return once the app is ready, such as a certificate that it made. One that is not there is left out.
    type: list
    elements: path
    default: []
"""

EXAMPLES = r"""
- name: Run the app as described
  psw.ai.quadlet_app:
    name: hello
    directories: [{path: /srv/hello, mode: "0750"}]
    files: [{path: /etc/hello/hello.conf, content: "greeting = hi\n"}]
    secrets: [{name: hello_key, value: "{{ hello_key }}"}]
    units: [{name: hello.container, content: "{{ lookup('ansible.builtin.template', 'hello.container.j2') }}"}]
    ready: [{http: {url: "http://127.0.0.1:8080/health", json: {status: true}}}]

- name: Remove the app and keep its data
  psw.ai.quadlet_app:
    name: hello
    state: absent
"""

RETURN = r"""
actions:
  description: What was done, or would be done, in order.
  returned: always
  type: list
  elements: str
  sample: [write /etc/containers/systemd/hello.container, reload systemd, restart hello.service]
restarted:
  description: The services of the app that were restarted, each with the reason.
  returned: always
  type: dict
  sample: {hello.service: its unit file changed}
ready:
  description: Whether all of O(ready) answered. Nothing is asked in check mode.
  returned: always
  type: bool
returned:
  description: Path and text of each of O(returned_files) that is there.
  returned: always
  type: dict
"""

import contextlib

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.psw.ai.plugins.module_utils import _app_options, _host_options
from ansible_collections.psw.ai.plugins.module_utils import _progress as progress
from ansible_collections.psw.ai.plugins.module_utils._app import plan_app
from ansible_collections.psw.ai.plugins.module_utils._app_state import await_ready, check_environment, gather, noted_apps, perform, refused_units
from ansible_collections.psw.ai.plugins.module_utils._errors import PswModuleError
from ansible_collections.psw.ai.plugins.module_utils._one_at_a_time import one_at_a_time
from ansible_collections.psw.ai.plugins.module_utils._steps import told


def converge(module, wish):
    """Bring the app to its wished state and return what was done."""
    facts = gather(wish, without_podman=module.check_mode)
    plan = plan_app(wish, facts)
    refused = refused_units(wish, plan)
    if refused and not module.check_mode:
        raise PswModuleError("; ".join(refused))
    for warning in plan.warnings + refused:
        module.warn(warning)
    if not module.check_mode:
        perform(wish, plan.steps)
        await_ready(wish)
        check_environment(wish, {} if plan.steps else facts["containers"])
        perform(wish, plan.leftovers)
    return dict(
        told([*plan.steps, *plan.leftovers]),
        restarted=plan.restarts,
        ready=not (module.check_mode and wish["ready"]),
        returned=texts(module.params["returned_files"]),
    )


def converge_host(module, wish):
    """Bring the machine to what the app needs of it and return what was done."""
    from ansible_collections.psw.ai.plugins.module_utils import _host_state  # noqa: PLC0415 - most apps need nothing of it, and it is compiled for each call

    return _host_state.converge(wish, check_mode=module.check_mode)


def texts(paths):
    """Return {path: text} of the files that are there."""
    found = {}
    for path in paths:
        with contextlib.suppress(FileNotFoundError), open(path, encoding="utf-8") as file:
            found[path] = file.read()
    return found


def wishes(params):
    """Return what is wished for, app by app: those that must go, then the app itself."""
    own = _app_options.read(params)
    kept = {own["name"], *(noted_apps() if params["only_apps"] is None else params["only_apps"])}
    return [_app_options.nothing(name) for name in noted_apps() if name not in kept] + [own]


def host_wish(params):
    """Return what is wished for of the machine itself, None when that is nothing."""
    return _host_options.read(params["host"]) if params["host"] and params["state"] == "present" else None


def together(done):
    """Return what was done to the machine and to each app, as one."""
    listed = {key: [entry for result in done for entry in result[key]] for key in ("actions", "diff")}
    return dict(listed, changed=any(result["changed"] for result in done))


def main():
    module = AnsibleModule(argument_spec=_app_options.SPEC, supports_check_mode=True)
    where = f"app {module.params['name']}: "
    done = []
    progress.forget()
    try:
        apps, host = wishes(module.params), host_wish(module.params)  # what is wrong with any of them is said before anything changes
        if host:
            where = ""
            done.append(converge_host(module, host))
        for wish in apps:
            where = f"app {wish['name']}: "
            with contextlib.nullcontext() if module.check_mode else one_at_a_time(f"app-{wish['name']}"):
                done.append(converge(module, wish))
    except PswModuleError as exc:
        module.fail_json(msg=f"{where}{exc}", **together(done))
    module.exit_json(**dict(done[-1], **together(done)))


if __name__ == "__main__":
    main()
