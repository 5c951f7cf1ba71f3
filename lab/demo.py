"""`make demo`: the whole road in the lab, the way a user walks it; every step is the command a user would type."""

import sys
import time

from lab.chat import Chat
from lab.host import LabError
from lab.lab import up
from lab.project import MODEL, LabProject
from lab.state import DEFAULT_NAME, DOMAIN, NODE

QUESTION = "What is the capital of France? Answer in one short sentence."


def walk(project: LabProject) -> None:
    """Walk from an empty directory to running apps."""
    if not (project.path / "psw.yml").exists():
        project.show("init", project.path, "--domain", DOMAIN)
        project.show("node", "add", NODE, "--host", project.lab.node_address, "--ssh-key", project.lab.key)
        project.prefer_small_model()
    project.trust_lab_keys()
    project.show("node", "setup-gpu", NODE)
    project.show("app", "add", "@ai")
    project.show("deploy", "converge")
    project.show("status")


def first_answer(chat: Chat) -> str:
    """Return what the model says to the demo's question."""
    answer = chat.ask(MODEL, QUESTION)
    if not isinstance(answer.body, dict) or "choices" not in answer.body:
        raise LabError(f"https://{chat.host}/api/chat/completions answered {answer.status}: {answer.body}")
    return answer.text


def main() -> int:
    """Run the demo; say what went wrong in one line."""
    started = time.monotonic()
    try:
        project = LabProject(up(DEFAULT_NAME))
        walk(project)
        chat = project.chat()
        answer = first_answer(chat)
    except LabError as error:
        print(f"\ndemo: {error}\nThe lab is left up: look with `python -m lab status`; `make lab-down` removes it.", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\ndemo: interrupted; `make demo` goes on from here, `make lab-down` removes the lab.", file=sys.stderr)
        return 130
    print(f"\nQ: {QUESTION}\nA: {answer}\n   ({MODEL} through https://{chat.host}/api/chat/completions, with a minted key)\n")
    print("Look around in a browser on this machine:")
    print(f"  name     echo '{chat.address} {chat.host}' >> /etc/hosts     (take the line out again afterwards)")
    print(f"  trust    {chat.ca_file}")
    print(f"  page     https://{chat.host}")
    print(f"  login    admin@{DOMAIN}  {project.secret('openwebui', 'openwebui_admin_password')}")
    print(f"  project  {project.path}")
    print(f"\nThis took {time.monotonic() - started:.0f} s. `make lab-down` removes everything again.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
