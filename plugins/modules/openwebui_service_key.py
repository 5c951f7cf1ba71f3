# Copyright (c) 2026, the psw authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: openwebui_service_key
short_description: Give programs their own Open WebUI API keys
version_added: 0.1.0
description:
  - Keeps one service user with exactly one API key per consumer, through Open WebUI's own ORM in its running container.
  - Nobody can log in as a service user, because no password fits it. Unless it is an admin, it may use a key only because it is in the service group.
  - An account that somebody has given a password is drift. It is replaced, with its key and with the sessions of whoever logged in as it.
  - An account of psw's that has another address now is drift, too. The stored key tells which it is; it is removed with that key, unless it was also renamed.
  - All consumers of a call are handled in one pass, which costs little more than one of them.
  - A run that finds nothing to do does without the ORM, whose import takes more than a second. It reads the rows by which the running server decides about
    each request, in SQLite or PostgreSQL, which are the account behind each stored key with its role and password, and the service group with its
    permissions and members. Whatever differs or cannot be read so is looked at again, and written, through the ORM.
  - Each consumer is on its own. The task fails when something went wrong with one of them, and its result still has the new keys of the others, so store
    these first. Two calls on one Open WebUI take turns.
  - No key is ever part of a command line; a new key is in the result, so give the task C(no_log).
author:
  - the psw authors (@psw-ai)
extends_documentation_fragment:
  - psw.ai.attributes
attributes:
  check_mode:
    support: full
    details: A container that does not answer yet counts as one without service users.
  diff_mode:
    support: full
    details:
      - Shows the state of users and keys, never a key.
  idempotent:
    support: partial
    details:
      - V(rotated) makes a new key each time.
options:
  consumers:
    description: The programs that need a key. Either this or O(consumer) is required.
    type: list
    elements: dict
    suboptions:
      consumer:
        description: Name of the program, such as V(homeassistant).
        type: str
        required: true
      email:
        description: Address of its service user. The default is C(psw-<consumer>@psw.local), in a domain that no identity provider hands out.
        type: str
      role:
        description: V(user) may use models. V(admin) may do everything that Open WebUI's endpoint restriction lets a key do.
        type: str
        choices: [user, admin]
        default: user
      key:
        description: The key that is stored for it, if there is one.
        type: str
  consumer:
    description: Short form for one program, with O(email), O(role) and O(key); its O(consumers[].consumer).
    type: str
  email:
    description: With O(consumer), its O(consumers[].email).
    type: str
  role:
    description: With O(consumer), its O(consumers[].role). The default is V(user).
    type: str
    choices: [user, admin]
  key:
    description: With O(consumer), its O(consumers[].key).
    type: str
  state:
    description:
      - V(present) makes sure that the stored key works, and makes a new one when there is none or it does not.
      - V(rotated) makes a new key in any case.
      - V(absent) removes user and key.
      - V(validated) only looks.
    type: str
    choices: [present, rotated, absent, validated]
    default: present
  container:
    description: Name of the running Open WebUI container.
    type: str
    default: openwebui
  group:
    description: Name of the service group, whose members may use API keys.
    type: str
    default: psw-service
  purge:
    description:
      - With O(state=present), remove every service user that is not among O(consumers), and its key.
      - Such an account is named C(psw:) with a consumer, and is in O(group) or has an address in C(psw.local).
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Give Home Assistant its key
  psw.ai.openwebui_service_key:
    consumers:
      - consumer: homeassistant
        key: "{{ lookup('psw.ai.secret', 'homeassistant', 'ha_openwebui_service_key', default='') }}"
  no_log: true
  register: keys

- name: Give a single program another key
  psw.ai.openwebui_service_key:
    consumer: homeassistant
    state: rotated
  no_log: true
  register: one
"""

RETURN = r"""
consumers:
  description: What became of each consumer, in the order given.
  returned: always
  type: list
  elements: dict
  contains:
    consumer:
      description: Name of the program.
      type: str
    changed:
      description: Whether its user or key was changed.
      type: bool
    status:
      description: One of V(valid), V(minted), V(rotated), V(removed), V(drift), V(failed).
      type: str
    key:
      description: The new key; only there when there is a new one.
      type: str
    doubt:
      description: What the running server makes of the changed keys, if that is not what it should be. A new key opens the API, an old one gets 401.
      type: str
    error:
      description: What went wrong, if its status is V(failed).
      type: str
key:
  description: With O(consumer), its new key; only there when there is a new one.
  returned: with O(consumer), when its key is new
  type: str
status:
  description: The status that all consumers share, or V(mixed).
  returned: always
  type: str
"""

import json

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.psw.ai.plugins.module_utils._errors import PswModuleError
from ansible_collections.psw.ai.plugins.module_utils._openwebui_program import answer_of, program

SHORT = ("consumer", "email", "role", "key")
PERMISSIONS = {"features": {"api_keys": True}}  # of the service group, beyond what every user may
OURS = {"name": "psw: ", "email": "@psw.local"}  # how the names of service users begin, and how their addresses end


def consumers_of(params):
    """Return the consumers, of which the short form has one."""
    if params["consumers"] is not None:
        return params["consumers"]
    return [{**{name: params[name] for name in SHORT}, "role": params["role"] or "user"}]


def request_of(params, check_mode):
    """Return what the helper in the container is asked to do."""
    consumers = [
        {
            "consumer": item["consumer"],
            "email": (item["email"] or f"psw-{item['consumer']}{OURS['email']}").lower(),
            "name": f"{OURS['name']}{item['consumer']}",
            "role": item["role"],
            "key": item["key"] or None,
        }
        for item in consumers_of(params)
    ]
    asked = {"state": params["state"], "check": check_mode, "group": params["group"], "ours": OURS if params["purge"] else None}
    return {**asked, "permissions": PERMISSIONS, "consumers": consumers}


def ask(module, request):
    """Run the helper in the container; code and request go in on stdin, so that no key shows in a process list."""
    argv = [module.get_bin_path("podman", required=True), "exec", "--interactive", module.params["container"], "python", "-"]
    return answer_of(module.params["container"], module.run_command(argv, data=program(request)))["consumers"]


def foretold(request):
    """Return the answer of an Open WebUI without service users, for a first run in check mode."""
    status = {"absent": "removed", "validated": "drift"}.get(request["state"], "minted")
    changed, before = status == "minted", {"user": "absent"}
    after = {"user": "present", "key": "new"} if changed else before
    return [{"consumer": item["consumer"], "status": status, "changed": changed, "before": before, "after": after} for item in request["consumers"]]


def state_text(answers, side):
    """Return one side of the diff: each consumer's user, role and kind of key."""
    return "".join(f"{item['consumer']}: {json.dumps(item[side], sort_keys=True)}\n" for item in answers)


def main():
    consumer = {
        "consumer": {"type": "str", "required": True},
        "email": {"type": "str"},
        "role": {"type": "str", "choices": ["user", "admin"], "default": "user"},
        "key": {"type": "str", "no_log": True},
    }
    module = AnsibleModule(
        argument_spec={
            "consumers": {"type": "list", "elements": "dict", "options": consumer},
            "consumer": {"type": "str"},
            "email": {"type": "str"},
            "role": {"type": "str", "choices": ["user", "admin"]},
            "key": {"type": "str", "no_log": True},
            "state": {"type": "str", "choices": ["present", "rotated", "absent", "validated"], "default": "present"},
            "container": {"type": "str", "default": "openwebui"},
            "group": {"type": "str", "default": "psw-service"},
            "purge": {"type": "bool", "default": False},
        },
        mutually_exclusive=[("consumers", name) for name in SHORT],
        supports_check_mode=True,
    )
    if module.params["consumers"] is None and not module.params["consumer"]:  # Ansible itself takes a null for an answer
        module.fail_json(msg="one of the following is required: consumers, consumer")
    request = request_of(module.params, module.check_mode)
    try:
        answers = ask(module, request)
    except PswModuleError as exc:
        if not module.check_mode:
            module.fail_json(msg=str(exc))
        answers = foretold(request)
    statuses = {answer["status"] for answer in answers}
    diff = {"before": state_text(answers, "before"), "after": state_text(answers, "after")}
    results = [{name: answer[name] for name in ("consumer", "changed", "status", "key", "doubt", "error") if name in answer} for answer in answers]
    told = {"changed": any(answer["changed"] for answer in answers), "status": statuses.pop() if len(statuses) == 1 else "mixed"}
    told.update(consumers=results, diff=diff)
    if module.params["consumers"] is None and "key" in results[0]:
        told["key"] = results[0]["key"]
    errors = [f"{item['consumer']}: {item['error']}" for item in results if "error" in item]
    if errors:
        module.fail_json(msg="; ".join(errors), **told)
    module.exit_json(**told)


if __name__ == "__main__":
    main()
